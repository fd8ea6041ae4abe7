//! Blockhouse: a self-hosted runner for meshStack.
//!
//! It claims building-block runs, executes each one's implementation type as a WASI component within walls, and reports back.
//!
//! # Layers
//!
//! A module imports what is in a lower layer or left of an arrow before it (`⇄`: both ways), nothing above and nothing beside
//! it. Unit tests may import what is beside them. `tests/hygiene` reads both tables and checks every file.
//!
//! | layer | modules | may not import |
//! |---|---|---|
//! | L0 vocabulary | `digest`, `excerpt`, `outcome`, `run` → `redact` → `timeline` | `tokio`, `tokio_util`, `tracing` |
//! | L1 mechanisms | `audit`, `backoff`, `shutdown`, `slots`, `telemetry` → `os` → `confine`, `crash` → `process` → `shim` | `run`, `timeline`, `outcome` except `outcome::AbortReason` |
//! | L2 outside | `git`, `keygen`, `meshstack`, `registry`, `rundir`, `unseal` → `frames` → `journal`, `tape`, `terraform` | `wasmtime`, `wasmtime_wasi` |
//! | L3 walls | `sandbox` ⇄ `capability` | `frames`, `keygen`, `meshstack`, `journal`, `unseal` |
//! | L4 way of a run | `poll` → `admit` → `share` → `prepare` → `execute` | `config`, `daemon` |
//! | L4 sink | `report` | `config`, `daemon` |
//! | L5 whole | `admin`, `config`, `embedded` → `daemon` | – |
//! | L6 entry | `cli` → `main` | – |
//!
//! | only in | may be used |
//! |---|---|
//! | `capability`, `sandbox` | `wasmtime`, `wasmtime_wasi` |
//! | `capability`, `sandbox` | `wasmtime_wasi_http` |
//! | `capability::http`, `meshstack` | `hyper::client`, `hyper_util::client` |
//! | `capability::http`, `meshstack::tests` | `tokio_rustls`, `rustls_platform_verifier` |
//! | `meshstack`, `terraform::holder`, `terraform::store` | `reqwest` |
//! | `terraform` | `pgp`, `zip` |
//! | `os`, `sandbox::native_code` | `unsafe` |
//! | `os` | `libc`, `rustix`, `sysinfo`, `windows_service`, `windows_sys` |
//! | `os`, `cli::daemon` (tests aside) | `cfg(unix)`, `cfg(windows)`, `cfg(target_os)` |
//! | `confine`, `os`, `process` | `process::Command` |
//! | `process` | `tokio::process` |
//!
//! What the rows are for:
//!
//! * **L0** is plain data. Secrets in it are `secrecy`'s types, and tests that need a clock pause tokio's, so that there is
//!   neither a module for secrets nor one for time. `timeline` is what a run has told so far, `excerpt` what is kept of long text;
//!   `redact` is here because no text gets into a timeline past it.
//! * **L1** knows no runs; `audit` is told about them in texts, `shutdown` hands out the reason of an abort, and to `slots` a run is
//!   a number, a name to share by and bytes: both `poll`, which takes a slot, and `share`, which makes a place of it, stand on it.
//!   `confine` knows what a program may touch and what this machine can enforce of it; it prepares a command that somebody else
//!   starts. `crash` names the places at which tests stop the program. `process` is the only one that starts programs, so that each is supervised; `sandbox` has components compiled by it.
//!   `shim` is what supervises those that must outlive the daemon: a process of its own, and the daemon's side of it.
//! * **L2** ends where a document, a secret or a journal is readable. `journal` keeps the bodies that `meshstack` still has to be
//!   sent, `tape` what components were answered, both in files of `frames`; `registry` keeps the components themselves, `keygen` makes what `unseal` opens, and `rundir` makes and removes the directories that components may use.
//!   `terraform::store` has an HTTP client of its own: it follows redirects and has no credentials of ours; so has `terraform::holder`, which is
//!   executed behind Terraform's walls.
//! * **L3** can't reach our credentials, the private key or the journal, so that a component can't either. The two modules are one
//!   wall: `capability` has an interface per file, `sandbox` the state that they work on. `sandbox::native_code` may be `unsafe`
//!   in one place: whoever loads native code vouches for it, and that file holds all that it takes to.
//! * **L4** is a run's way; a stage sees those before it. `report` and the stages don't know each other: `daemon` joins them.
//! * **L5**: `embedded` is up here because only `daemon` chooses components. The one flag in `cli::daemon` for Windows starts
//!   the program as a service.

pub mod admin;
pub mod admit;
pub mod audit;
pub mod backoff;
pub mod capability;
pub mod cli;
pub mod config;
pub mod confine;
pub mod crash;
pub mod daemon;
pub mod digest;
pub mod embedded;
pub mod excerpt;
pub mod execute;
pub mod frames;
pub mod git;
pub mod journal;
pub mod keygen;
pub mod meshstack;
pub mod os;
pub mod outcome;
pub mod poll;
pub mod prepare;
pub mod process;
pub mod redact;
pub mod registry;
pub mod report;
pub mod run;
pub mod rundir;
pub mod sandbox;
pub mod share;
pub mod shim;
pub mod shutdown;
pub mod slots;
pub mod tape;
pub mod telemetry;
pub mod terraform;
pub mod timeline;
pub mod unseal;
