//! A component that is ready to run: checked, compiled, its imports resolved.

use super::bindings::ImplementationPre;
use super::linker::Linked;
use super::state::RunState;
use crate::digest::Digest;
use crate::excerpt::clip;
use wasmtime::component::Component as Compiled;
use wasmtime::{Engine, Precompiled};

/// How much of wasmtime's own words on a bad component is passed on; they may contain names that the component chose.
const REASON_MAX: usize = 500;

/// A compiled component, known by its digest. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    digest: Digest,
    pre: ImplementationPre<RunState>,
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Component").field(&self.digest).finish()
    }
}

/// Why a component can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not a component, or one that uses WebAssembly features that are off.
    #[error("not a usable component: {reason}")]
    Invalid {
        /// What wasmtime says about it.
        reason: String,
    },
    /// It imports something that does not exist here.
    #[error("the component needs `{import}`, which this runner does not offer to components")]
    MissingImport {
        /// The import's name as the component writes it.
        import: String,
    },
    /// It was compiled to native code, which is never accepted from outside.
    #[error("the file is precompiled native code; only WebAssembly components are accepted")]
    Precompiled,
    /// It is larger than allowed.
    #[error("the component has {size} bytes, {allowed} are allowed")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        allowed: usize,
    },
    /// Its imports or exports don't have the types of `blockhouse:block`.
    #[error("the component does not implement `blockhouse:block/implementation`: {reason}")]
    WrongWorld {
        /// What does not fit.
        reason: String,
    },
}

impl Component {
    pub(super) fn load(
        engine: &Engine,
        linked: &Linked,
        bytes: &[u8],
        max_bytes: usize,
    ) -> Result<Self, LoadError> {
        if bytes.len() > max_bytes {
            return Err(LoadError::TooLarge { size: bytes.len(), allowed: max_bytes });
        }
        // SECURITY: walls::precompiled_code_is_refused
        if Engine::detect_precompiled(bytes).is_some_and(is_native) {
            return Err(LoadError::Precompiled);
        }
        let compiled = Compiled::from_binary(engine, bytes)
            .map_err(|error| LoadError::Invalid { reason: reason(&error) })?;
        let component_type = compiled.component_type();
        let missing = component_type.imports(engine).find(|(name, _)| !Linked::offers(name));
        if let Some((import, _)) = missing {
            return Err(LoadError::MissingImport { import: clip(import, REASON_MAX) });
        }
        let wrong_world = |error| LoadError::WrongWorld { reason: reason(&error) };
        let pre = linked.linker().instantiate_pre(&compiled).map_err(wrong_world)?;
        let pre = ImplementationPre::new(pre).map_err(wrong_world)?;
        Ok(Self { digest: Digest::of(bytes), pre })
    }

    /// Names the component's exact bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn pre(&self) -> &ImplementationPre<RunState> {
        &self.pre
    }
}

fn is_native(precompiled: Precompiled) -> bool {
    matches!(precompiled, Precompiled::Component | Precompiled::Module)
}

fn reason(error: &wasmtime::Error) -> String {
    clip(&format!("{error:#}"), REASON_MAX)
}
