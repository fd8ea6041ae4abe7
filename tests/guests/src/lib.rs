//! Hostile components, one file each in `src/bin` (Rust) and `wat` (WebAssembly text). The list of files is the threat model.
//!
//! A file here is of no use without a host test of the same name in `tests/walls`, and does not compile without one.
//! [`attack!`] makes a component of a function. What a guest finds out, it writes to its step's log ([`tell!`]).

pub mod bindings {
    //! The WIT package, seen from the inside.
    #![expect(missing_docs, reason = "generated")]
    wit_bindgen::generate!({
        path: "../../wit",
        world: "implementation",
        pub_export_macro: true,
        default_bindings_module: "guests::bindings",
    });
}

pub mod files;
pub mod misuse;
pub mod raw;
pub mod wasi_http;

pub use bindings::blockhouse::block::configuration;
pub use bindings::blockhouse::block::http;
pub use bindings::blockhouse::block::jwt;
pub use bindings::blockhouse::block::progress::{
    OutputValue, Step, StepDeclaration, StepError, aborted, declare, pause, summarize,
};
pub use bindings::blockhouse::block::sources;
pub use bindings::blockhouse::block::terraform;
pub use bindings::blockhouse::block::types::{Denied, OutputType, Secret, Value};
pub use bindings::{Failure, Guest, Run, Verdict};

/// How an attack ends, should it end.
pub type Ending = Result<Verdict, Failure>;

/// Makes a component whose `execute` is this function.
#[macro_export]
macro_rules! attack {
    ($execute:path) => {
        struct Attack;

        impl $crate::Guest for Attack {
            fn execute(run: $crate::Run) -> $crate::Ending {
                $execute(run)
            }
        }

        mod exported {
            #![expect(unsafe_code, reason = "generated from the WIT package")]
            use super::Attack;
            $crate::bindings::export!(Attack with_types_in $crate::bindings);
        }

        // Nobody calls it. It's a binary for Cargo's sake: those need no entry of their own in the manifest to be found.
        fn main() {}
    };
}

/// Writes a line to a step's log.
///
/// Traps if the step does not take it: the guests that expect that call `log` themselves.
#[macro_export]
macro_rules! tell {
    ($step:expr, $($line:tt)*) => { $crate::write($step, &format!($($line)*)) };
}

/// A step that is running.
#[must_use]
pub fn started(id: &str) -> Step {
    let step = Step::new(id, "An attack");
    tell!(&step, "{id}: {:?}", step.start());
    step
}

/// The function behind [`tell!`].
#[expect(clippy::expect_used, reason = "a trap is what a guest that errs here deserves")]
pub fn write(step: &Step, line: &str) {
    step.log(line).expect("the step is running");
}

/// The handle of the run's first secret input.
#[must_use]
pub fn first_secret(run: &Run) -> Option<&Secret> {
    run.block.inputs.iter().find_map(|input| match &input.value {
        Value::Secret(secret) => Some(secret),
        Value::Json(_) | Value::Text(_) => None,
    })
}

/// The run's inputs that are text, in their order; a key may be there more than once.
pub fn texts(run: &Run) -> impl Iterator<Item = (&str, &str)> {
    run.block.inputs.iter().filter_map(|input| match &input.value {
        Value::Text(text) => Some((input.key.as_str(), text.as_str())),
        Value::Json(_) | Value::Secret(_) => None,
    })
}

/// The first text of this key.
#[must_use]
pub fn text<'a>(run: &'a Run, key: &str) -> Option<&'a str> {
    texts(run).find_map(|(name, text)| (name == key).then_some(text))
}

/// The first text of this key as a number.
#[must_use]
pub fn number(run: &Run, key: &str) -> Option<u64> {
    text(run, key)?.parse().ok()
}
