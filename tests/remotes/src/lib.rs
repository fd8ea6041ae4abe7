//! Fake GitHub, GitLab and Azure DevOps *servers* over real HTTP, for tests and for trying the daemon by hand. Main types:
//! [`GitHub`], [`GitLab`], [`AzureDevOps`], each a [`Fake`].
//!
//! They check requests as strictly as the real ones, keep each run's state machine, and record every request and every breach
//! of protocol: a fake that is dropped with a [`Violation`] panics. Runs move when they are polled, or [when a test says
//! so](Fake::<github::Remote>::advance_run); nothing sleeps. They share no types with the host.
//!
//! ```
//! use blockhouse_remotes::github::{AppKey, Repository, Workflow};
//! use blockhouse_remotes::GitHub;
//!
//! let key = AppKey::generate().unwrap();
//! let workflow = Workflow::new("apply.yml").input("buildingBlockRun");
//! let github = GitHub::builder()
//!     .app("12345", &key)
//!     .repository(Repository::new("acme", "infra").branch("main").workflow(workflow))
//!     .start()
//!     .unwrap();
//! // … a client with `github.api_url()` and `key.pkcs1_pem()` …
//! assert!(github.runs().is_empty() && github.requests().is_empty());
//! ```

pub mod azure;
mod builder;
mod call;
mod clock;
mod fake;
mod fault_plan;
pub mod github;
pub mod gitlab;
mod patience;
mod progress;
mod remote;
mod secret;
mod server;
mod traffic;
mod violation;
mod world;

pub use azure::AzureDevOps;
pub use blockhouse_emulator::{Fault, FaultKind, Gate, Timeout};
pub use builder::Builder;
pub use call::{Answer, Call};
pub use fake::Fake;
pub use github::GitHub;
pub use gitlab::GitLab;
pub use patience::patience;
pub use progress::Pace;
pub use remote::Remote;
pub use secret::Place;
pub use traffic::RecordedRequest;
pub use violation::Violation;
pub use world::World;
