//! A component that is ready to run: checked, compiled, its imports resolved.

use super::anatomy::Need;
use super::bindings::ImplementationPre;
use super::compiler::Compilation;
use super::linker::Linked;
use super::state::RunState;
use crate::digest::Digest;
use crate::excerpt::clip;
use crate::process::ProcessError;
use blockhouse_policy::Grants;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::{Engine, Precompiled};

/// How much of wasmtime's own words on a bad component is passed on; they may contain names that the component chose.
pub(super) const REASON_MAX: usize = 500;

/// A compiled component, known by its digest. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    digest: Digest,
    pre: ImplementationPre<RunState>,
    needs: Arc<[(String, Need)]>,
}

/// The component needs what its policy does not grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("component `{component}` needs {what} (`{import}`): {rule}")]
pub struct NotPermitted {
    /// The component, as its route calls it.
    pub component: String,
    /// What it needs, for people.
    pub what: &'static str,
    /// The import that says so.
    pub import: String,
    /// Which rule said no, in the policy's words.
    pub rule: String,
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Component").field(&self.digest).finish()
    }
}

/// Why a component can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The process that compiles can't be started, crashed or wrote too much.
    #[error("failed to compile the component")]
    Compile(#[source] ProcessError),
    /// Compiling needs more memory than is allowed.
    #[error("compiling the component ran out of its {mib} MiB of memory")]
    CompileMemory {
        /// The limit in MiB.
        mib: u64,
    },
    /// Compiling takes longer than is allowed.
    #[error(
        "compiling the component took longer than {} and was stopped",
        humantime::format_duration(*allowed)
    )]
    CompileTime {
        /// The limit.
        allowed: Duration,
    },
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
        compiler: &Compilation,
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
        let digest = Digest::of(bytes);
        let compiled = compiler.compile(engine, digest, bytes)?;
        let component_type = compiled.component_type();
        let imports = component_type.imports(engine).map(|(name, _)| (name, Need::of(name)));
        let mut needs = Vec::new();
        for (import, need) in imports.filter(|(_, need)| *need != Need::Nothing) {
            let import = clip(import, REASON_MAX);
            if need == Need::Unknown {
                return Err(LoadError::MissingImport { import });
            }
            needs.push((import, need));
        }
        let wrong_world = |error| LoadError::WrongWorld { reason: reason(&error) };
        let pre = linked.linker().instantiate_pre(&compiled).map_err(wrong_world)?;
        let pre = ImplementationPre::new(pre).map_err(wrong_world)?;
        Ok(Self { digest, pre, needs: needs.into() })
    }

    /// Names the component's exact bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether a policy grants what the component can't do without; `name` is what its route calls it.
    ///
    /// # Errors
    /// [`NotPermitted`] for the first import that is in vain.
    pub fn permitted(&self, name: &str, grants: &Grants) -> Result<(), NotPermitted> {
        for (import, need) in &*self.needs {
            let (what, denied) = match need {
                Need::Http => ("outbound HTTP", grants.allows_http().err()),
                Need::Jwt => ("to sign tokens", grants.allows_jwt().err()),
                Need::Terraform => ("Terraform", grants.terraform().err()),
                Need::Files | Need::HttpWhenUsed | Need::Nothing | Need::Unknown => continue,
            };
            if let Some(denied) = denied {
                let (component, import) = (name.to_owned(), import.clone());
                return Err(NotPermitted { component, what, import, rule: denied.rule });
            }
        }
        Ok(())
    }

    pub(super) fn pre(&self) -> &ImplementationPre<RunState> {
        &self.pre
    }
}

fn is_native(precompiled: Precompiled) -> bool {
    matches!(precompiled, Precompiled::Component | Precompiled::Module)
}

pub(super) fn reason(error: &wasmtime::Error) -> String {
    clip(&format!("{error:#}"), REASON_MAX)
}
