//! The meshStack API as a runner sees it: [`Client`] claims runs with the runner's credentials, [`RunClient`] speaks
//! about one run with that run's own token.
//!
//! Both are cheap to clone and share one pool of connections; no task is spawned. What holds for every call: connect,
//! read and total timeouts, bounded bodies, no redirects, no environment read, and a credential goes to the origin it
//! belongs to and nowhere else, whatever a run's links say. Calls that are safe to repeat are repeated a few times
//! with full jitter; longer persistence is the caller's, who is told by [`CallError::is_retryable`].
//!
//! Must never: know stages or WebAssembly, or put a token into an error, a log or a `Debug`.

mod auth;
mod call;
mod client;
mod config;
mod contact;
mod document;
mod error;
mod lifetime;
mod links;
mod pressure;
mod retry_after;
mod run_client;
mod session;
mod transport;
pub mod wire;

pub use client::Client;
pub use config::{Config, Credentials, HttpConfig, Retry, RunnerIdentity};
pub use contact::Contact;
pub use document::{Claim, DocumentError, Link, Links};
pub use error::{BodyError, BuildError, CallError, CallErrorKind, LinkError, Operation};
pub use run_client::{PLAN_MAX, RunClient};

#[cfg(test)]
mod tests;
