//! Terraform for tests: configurations, and gates at which what they start waits for the test.

mod bombs;
mod gate;
mod module;
mod native;
mod ready;
mod scene;

pub use bombs::{Bomb, bombs};
pub use gate::LoopbackGate;
pub use module::{Module, quoted};
pub use native::{NATIVE_KEY, native, native_with, paths};
pub use ready::{HOSTILE_FILE_NAMES, HOSTILE_TEXTS};
pub use scene::{Scene, Stage, version};
