//! What a component can reach: one file per WIT interface, of the same name.
//!
//! The files implement the interfaces' host side on the sandbox's per-run state. Denials and misuse that a component can live
//! with are typed WIT errors; a limit that is hit ends the call with an error that the sandbox turns into an outcome.

mod artifacts;
pub(crate) mod configuration;
pub mod http;
mod jwt;
pub(crate) mod progress;
mod sources;
pub(crate) mod terraform;
pub(crate) mod types;

pub use progress::Progress;
pub use terraform::Native;
