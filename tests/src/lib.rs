//! What the suites and the demo share: daemons in this process ([`Runner`]) and as a process of their own ([`Process`]),
//! Terraform's surroundings ([`terraform`], [`ProviderMirror`], [`GitHttp`], [`GitSsh`]), those of every type of runs ([`AllTypes`]), and
//! what goes wrong ([`kill_matrix`], [`crash_matrix`]).

#[cfg(target_os = "linux")]
mod all_types;
mod authority;
pub mod crash_matrix;
#[cfg(target_os = "linux")]
mod failing_disk;
mod foreign_backend;
mod front;
mod git_http;
mod git_repository;
#[cfg(unix)]
mod git_ssh;
#[cfg(target_os = "linux")]
mod held_mount;
#[cfg(target_os = "linux")]
mod hosts;
pub mod kill_matrix;
mod leaks;
pub mod policy_trimming;
mod process;
#[cfg(target_os = "linux")]
mod processes;
mod provider_mirror;
pub mod releases;
mod runner;
#[cfg(target_os = "linux")]
mod small_disk;
pub mod terraform;
#[cfg(target_os = "linux")]
mod wall_clock;

#[cfg(target_os = "linux")]
pub use all_types::{AllTypes, Block, Kind, Remains};
pub use authority::Authority;
#[cfg(target_os = "linux")]
pub use failing_disk::FailingDisk;
pub use foreign_backend::{ForeignBackend, ForeignRequest, Memory};
pub use front::Front;
pub use git_http::{GitHttp, GitHttpMode, GitHttpRequest};
pub use git_repository::{GitFile, GitRepository, find_on_path, git, on_path};
#[cfg(unix)]
pub use git_ssh::GitSsh;
#[cfg(target_os = "linux")]
pub use hosts::Hosts;
pub use leaks::{Leak, Leaks};
pub use process::Process;
#[cfg(target_os = "linux")]
pub use processes::{Processes, Role, Seen};
pub use provider_mirror::{
    MirrorMode, MirrorServer, MirroredProvider, ProviderMirror, ProviderProgram, platform,
};
pub use runner::{Component, Runner, RunnerBuilder};
#[cfg(target_os = "linux")]
pub use small_disk::SmallDisk;
#[cfg(target_os = "linux")]
pub use wall_clock::WallClock;

use blockhouse::sandbox::Compiler;
use std::path::PathBuf;
use std::time::Duration;

/// A key pair for tests; whatever is sealed to it is no secret.
pub const PRIVATE_KEY: &str = include_str!("../fixtures/sealed/TEST-ONLY-runner-pkcs8.pem");

/// The certificate of [`PRIVATE_KEY`].
pub const CERTIFICATE: &str = include_str!("../fixtures/sealed/TEST-ONLY-certificate.pem");

/// The API key that test daemons use.
pub const API_KEY: (&str, &str) = ("test-client", "test-client-secret");

/// How long a test waits for something that must happen: far longer than it takes, so that a slow machine does not matter.
///
/// `BLOCKHOUSE_TEST_PATIENCE_SECONDS` changes it.
#[must_use]
pub fn patience() -> Duration {
    let seconds = std::env::var("BLOCKHOUSE_TEST_PATIENCE_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(120))
}

/// Base64 as meshStack writes it.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}

/// The program: `blockhouse-under-test`, which Cargo builds for every test and bench of this package.
///
/// # Panics
/// If it is not where Cargo puts it: beside the folder of the test that is running.
#[must_use]
pub fn program() -> PathBuf {
    program_named("blockhouse-under-test")
}

/// Another program of this package.
///
/// # Panics
/// See [`program`].
#[must_use]
pub fn program_named(name: &str) -> PathBuf {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let test = std::env::current_exe().unwrap_or_default();
    let folders = test.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join(&name)).find(|path| path.is_file());
    assert!(found.is_some(), "there is no `{name}` near `{}`", test.display());
    found.unwrap_or_default()
}

/// Compiles as the daemon does by default, but keeps nothing.
///
/// # Panics
/// See [`program`].
#[must_use]
pub fn compiler() -> Compiler {
    Compiler { program: program(), memory_bytes: 2 << 30, timeout: patience(), cache: None }
}
