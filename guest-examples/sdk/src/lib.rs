//! For components that talk to remote services.
//!
//! It has the bindings of the world `implementation`, made once, so that a component needs no `wit/` and no generator, and what such
//! components have in common:
//!
//! * [`Client`] sends [`Request`]s: a timeout and a bound on every response, repeats with jitter for those that may be repeated, and
//!   secrets that the host puts in, in [`Part`]s.
//! * [`BaseUrl`], [`JsonObject`] and [`Form`] write addresses and bodies.
//! * [`Run`] is the run with its [`Fields`], which are read with errors that name the key.
//! * [`Polling`] waits for something to end; [`Step`] and [`Mirror`] show it.
//!
//! All of it talks to the outside through one trait, [`Host`]. In the sandbox that is [`Sandbox`]; in native tests of a component it is
//! [`scripted::Script`], which answers as the test says.
//!
//! ```ignore
//! struct MyBlock;
//!
//! impl Guest for MyBlock {
//!     fn execute(run: bindings::Run) -> Result<Verdict, Failure> {
//!         work(&Sandbox::default(), &Run::of(&run))
//!     }
//! }
//!
//! blockhouse_sdk::export!(MyBlock);
//!
//! /// Knows nothing of the sandbox, so that tests can call it.
//! fn work<H: Host>(host: &H, run: &Run<'_, H::Secret>) -> Result<Verdict, Failure> { … }
//! ```

pub mod bindings;
mod failure;
mod fields;
mod host;
mod http;
mod json;
mod mirror;
mod multipart;
mod polling;
mod run;
mod sandbox;
pub mod scripted;
mod step;
mod text;
mod url;

pub use bindings::blockhouse::block::http::SendError;
pub use bindings::blockhouse::block::jwt::SignError;
pub use bindings::blockhouse::block::types::{Behavior, Link};
pub use bindings::{Failure, Guest, Verdict, export};
pub use failure::{detailed, failure};
pub use fields::{Entered, Fields};
pub use host::{Change, Host, StepName};
pub use http::{
    CallError, Client, Document, HeaderValue, Part, Request, Response, redirected, unclear,
};
pub use json::{JsonObject, messages};
pub use mirror::{Mirror, Naming, PartState, RemotePart};
pub use multipart::Form;
pub use polling::{Polled, Polling};
pub use run::{Input, Run};
pub use sandbox::Sandbox;
pub use step::Step;
pub use text::{clip, is_plain_id, one_line, web_link};
pub use url::BaseUrl;
