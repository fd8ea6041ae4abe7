//! Runs that go on after the daemon has died: nothing happens twice, and nobody notices.

pub(crate) mod act_outside;
