//! Components that runs were begun with by an earlier process, where the route has another one now: [`EarlierComponents`].

use crate::digest::Digest;
use crate::registry::Registry;
use crate::sandbox::{Component, LoadError, NotPermitted, Sandbox};
use blockhouse_policy::Grants;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::task::{JoinError, spawn_blocking};

/// Loads them, each once.
#[derive(Debug)]
pub struct EarlierComponents {
    registry: Registry,
    loaded: Mutex<HashMap<Digest, Component>>,
}

/// Why a run can't be gone on with by the component that it was begun with.
#[derive(Debug, thiserror::Error)]
pub(super) enum EarlierError {
    #[error(
        "the runner was restarted with another component for this run, and the one that it was begun with ({digest}) is not kept"
    )]
    Gone {
        digest: Digest,
        #[source]
        source: io::Error,
    },
    #[error("the component that the run was begun with can't be loaded any more")]
    Load(#[from] LoadError),
    #[error("policy does no longer allow the component that the run was begun with")]
    NotPermitted(#[from] NotPermitted),
    #[error("loading the component that the run was begun with did not end")]
    Stopped(#[from] JoinError),
}

impl EarlierComponents {
    /// Those that this registry keeps.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self { registry, loaded: Mutex::default() }
    }

    /// The component with this digest, if these grants are enough for it.
    pub(super) async fn load(
        &self,
        digest: &Digest,
        sandbox: &Arc<Sandbox>,
        grants: &Grants,
    ) -> Result<Component, EarlierError> {
        let mut loaded = self.loaded.lock().await;
        let component = match loaded.get(digest) {
            Some(component) => component.clone(),
            None => {
                let (registry, sandbox, digest) =
                    (self.registry.clone(), Arc::clone(sandbox), *digest);
                let max = grants.limits().component_bytes;
                let component = spawn_blocking(move || {
                    let gone = |source| EarlierError::Gone { digest, source };
                    let bytes = registry.fetch(&digest).map_err(gone)?;
                    Ok::<_, EarlierError>(sandbox.load(&bytes, max)?)
                });
                let component = component.await??;
                loaded.insert(digest, component.clone());
                component
            }
        };
        drop(loaded);
        component.permitted("of an earlier start", grants)?;
        Ok(component)
    }
}
