//! Builds components of this workspace from build scripts: [`build`].
//!
//! Both the host (which embeds components) and the tests (which attack with some) need them, so both build scripts call this.
//! All share one target directory, so that each component is built once, whoever asks first.
//!
//! ```no_run
//! fn main() -> Result<(), blockhouse_guest_build::Error> {
//!     let built = blockhouse_guest_build::build(&["manual"])?;
//!     println!("cargo::rustc-env=MANUAL_COMPONENT={}", built.cdylib("manual")?.display());
//!     Ok(())
//! }
//! ```

mod environment;
mod error;

pub use error::BuildError as Error;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const TARGET: &str = "wasm32-wasip2";

/// The workspace's profile for components; see the root `Cargo.toml`.
const PROFILE: &str = "guest";

/// Where the components are, once they are built.
#[derive(Debug)]
pub struct Built {
    components: PathBuf,
    kept: PathBuf,
}

/// Builds the components of some packages of the workspace, and tells Cargo what they are made of.
///
/// To be called by build scripts only: it takes what it needs to know from the variables that Cargo sets for them.
///
/// # Errors
/// [`Error`], with advice, if the WebAssembly target is missing or a component does not compile.
pub fn build(packages: &[&str]) -> Result<Built, Error> {
    let workspace = workspace()?;
    require_target()?;
    let target_directory = workspace.join("target").join("guests");
    compile(&workspace, &target_directory, packages)?;
    let shared = ["Cargo.lock", "Cargo.toml", "rust-toolchain.toml", "wit"];
    for path in shared {
        depend_on(&workspace.join(path));
    }
    Ok(Built {
        components: target_directory.join(TARGET).join(PROFILE),
        kept: PathBuf::from(variable("OUT_DIR")?),
    })
}

/// The root of the workspace, found from the package whose build script is running.
///
/// # Errors
/// [`Error`] if this is not a build script of a package in the workspace.
pub fn workspace() -> Result<PathBuf, Error> {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = package.ancestors().find(|directory| directory.join("Cargo.lock").is_file());
    root.map(Path::to_owned).ok_or(Error::NoWorkspace { package })
}

/// Makes Cargo run the build script again when this file, or anything in this folder, has changed.
#[expect(clippy::print_stdout, reason = "how a build script talks to Cargo")]
pub fn depend_on(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

impl Built {
    /// The component of a package that is a `cdylib`.
    ///
    /// # Errors
    /// [`Error`] if there is none.
    pub fn cdylib(&self, package: &str) -> Result<PathBuf, Error> {
        self.keep(&package.replace('-', "_"))
    }

    /// The component of a binary.
    ///
    /// # Errors
    /// [`Error`] if there is none.
    pub fn binary(&self, name: &str) -> Result<PathBuf, Error> {
        self.keep(name)
    }

    /// Copies a component into the build script's own folder: another build may replace the shared one while it is read.
    fn keep(&self, name: &str) -> Result<PathBuf, Error> {
        let file = format!("{name}.wasm");
        let [from, to] = [self.components.join(&file), self.kept.join(&file)];
        fs::copy(&from, &to).map_err(|source| Error::Copy { from, source })?;
        Ok(to)
    }
}

/// Fails with advice if the standard library for the target is not installed.
#[expect(clippy::disallowed_methods, reason = "a build script, where nothing supervises")]
fn require_target() -> Result<(), Error> {
    let mut rustc = Command::new(variable("RUSTC")?);
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    let output = rustc.output().map_err(|source| Error::Start { program: "rustc", source })?;
    let libraries = String::from_utf8_lossy(&output.stdout);
    let installed = output.status.success() && Path::new(libraries.trim()).is_dir();
    if installed { Ok(()) } else { Err(Error::TargetMissing { target: TARGET }) }
}

#[expect(clippy::disallowed_methods, reason = "a build script, where nothing supervises")]
fn compile(workspace: &Path, target_directory: &Path, packages: &[&str]) -> Result<(), Error> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo.current_dir(workspace);
    cargo.args(["build", "--locked", "--target", TARGET, "--profile", PROFILE, "--target-dir"]);
    cargo.arg(target_directory);
    for package in packages {
        cargo.args(["--package", package]);
    }
    environment::clear(&mut cargo);
    let status = cargo.status().map_err(|source| Error::Start { program: "cargo", source })?;
    if status.success() { Ok(()) } else { Err(Error::Compile { packages: packages.join(", ") }) }
}

fn variable(name: &'static str) -> Result<String, Error> {
    env::var(name).map_err(|_| Error::NoBuildScript { variable: name })
}
