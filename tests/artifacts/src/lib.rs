//! All components of the workspace, built by the build script: one constant for each, in capitals.
//!
//! `foreach_wall!(check)` calls the macro `check!` with the name of every hostile guest (`tests/guests`),
//! `foreach_example!(check)` with that of every package in `guest-examples`. A suite lets them look for a test of that name, so
//! that a component without a test does not compile:
//!
//! ```ignore
//! macro_rules! has_a_test {
//!     ($name:ident) => {
//!         use crate::$name as _;
//!     };
//! }
//! blockhouse_artifacts::foreach_wall!(has_a_test);
//! ```

include!(concat!(env!("OUT_DIR"), "/components.rs"));
