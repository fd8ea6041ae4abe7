//! What a shim needs of the system: to stand on its own, to be the parent of all that its program starts, and to stop it.

#[cfg(unix)]
#[path = "unix_supervision.rs"]
mod system;
#[cfg(windows)]
#[path = "windows_supervision.rs"]
mod system;

pub use system::{
    INTERRUPTS_ORPHANS, append_only, await_end, bind_to_parent, companions, free_bytes, freeze,
    hasten, hide_memory, interrupt, is_told_to_stop, kill_group, occupied_bytes, own_session, reap,
    reserve, signal_of, supervise, thaw,
};
