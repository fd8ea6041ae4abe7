//! Why components can't be built: [`BuildError`].

use std::path::PathBuf;
use std::{fmt, io};

/// Why components can't be built.
pub enum BuildError {
    /// A component does not compile; the compiler has said why.
    Compile {
        /// The packages that were to be built.
        packages: String,
    },
    /// A component is not where it should be.
    Copy {
        /// Where it should be.
        from: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Called from something other than a build script.
    NoBuildScript {
        /// The variable that Cargo would have set.
        variable: &'static str,
    },
    /// The package is not in the workspace.
    NoWorkspace {
        /// The package's folder.
        package: PathBuf,
    },
    /// A program of the toolchain does not start.
    Start {
        /// Its name.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The toolchain can't compile to WebAssembly.
    TargetMissing {
        /// The target to add.
        target: &'static str,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compile { packages } => write!(f, "failed to build the components: {packages}"),
            Self::Copy { from, .. } => write!(f, "failed to copy `{}`", from.display()),
            Self::NoBuildScript { variable } => {
                write!(f, "`{variable}` is not set: components are built by build scripts only")
            }
            Self::NoWorkspace { package } => {
                write!(f, "no `Cargo.lock` in or above `{}`", package.display())
            }
            Self::Start { program, .. } => write!(f, "failed to start `{program}`"),
            Self::TargetMissing { target } => write!(
                f,
                "the toolchain has no `{target}`, which the components are compiled to\n\
                 hint: run `rustup target add {target}`"
            ),
        }
    }
}

/// For people: a build script's `main` shows its error by `Debug`.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match std::error::Error::source(self) {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Copy { source, .. } | Self::Start { source, .. } => Some(source),
            Self::Compile { .. }
            | Self::NoBuildScript { .. }
            | Self::NoWorkspace { .. }
            | Self::TargetMissing { .. } => None,
        }
    }
}
