//! Terraform for tests: configurations, and gates at which what they start waits for the test.

mod gate;
mod module;
mod native;
mod ready;
mod scene;

pub use gate::LoopbackGate;
pub use module::{Module, quoted};
pub use native::{NATIVE_KEY, native, native_with, paths};
pub use ready::{Bomb, HOSTILE_FILE_NAMES, HOSTILE_TEXTS, bombs};
pub use scene::{Scene, Stage, version};
