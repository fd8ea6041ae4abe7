//! Notices within milliseconds that processes multiply, and stops them until somebody has had a look: [`Pulse`].
//!
//! For a thread of its own. The main thread needs a while to look at thousands of processes one by one, the more so as it competes with
//! all of them for its turn. Here one number is read, and one system call freezes the program's group.

use crate::os::{processes, supervision};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Between two beats. Within a tick of the supervisor, a thousand processes are made.
const BEAT: Duration = Duration::from_millis(10);

/// See [`self`]. Shared by its thread and the supervisor.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// None: it may have been waited for, so that its number is anybody's.
    program: Option<u32>,
    /// More at once is worth a look.
    max: u64,
    /// Processes and threads of the machine at the last look.
    machine: Option<u64>,
    is_frozen: bool,
}

impl Pulse {
    /// For a program that has just been started, in a group of its own.
    pub(super) fn new(program: u32, max: u64) -> Self {
        let machine = processes::count();
        let state = State { program: Some(program), max, machine, is_frozen: false };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Comes back once the program was frozen; false: its end has come.
    #[expect(clippy::disallowed_methods, reason = "a thread of the shim that does nothing else")]
    pub(super) fn beat(&self) -> bool {
        loop {
            thread::sleep(BEAT);
            let mut state = self.lock();
            let Some(program) = state.program else { return false };
            if !state.is_frozen && state.is_burst(processes::count()) {
                state.is_frozen = true;
                // SECURITY: walls::a_fork_bomb_is_stopped_before_it_has_taken_the_machine
                supervision::freeze(program);
                return true;
            }
        }
    }

    /// Whether somebody has to have a look now.
    pub(super) fn is_frozen(&self) -> bool {
        self.lock().is_frozen
    }

    /// All processes were looked at, and what had to be done was: the program goes on.
    pub(super) fn settle(&self) {
        let mut state = self.lock();
        state.machine = processes::count();
        if std::mem::take(&mut state.is_frozen)
            && let Some(program) = state.program
        {
            supervision::thaw(program);
        }
    }

    /// To be called before the program is waited for.
    pub(super) fn end(&self) {
        self.lock().program = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_burst(&self, now: Option<u64>) -> bool {
        let grown = now.zip(self.machine).map(|(now, before)| now.saturating_sub(before));
        grown.is_some_and(|grown| grown > self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_more_than_the_limit_since_the_last_look() {
        let state = |machine| State { program: None, max: 10, machine, is_frozen: false };
        assert!(!state(Some(100)).is_burst(Some(110)));
        assert!(state(Some(100)).is_burst(Some(111)));
        assert!(!state(Some(100)).is_burst(Some(50)));
        assert!(!state(None).is_burst(Some(1000)), "it is not told here");
        assert!(!state(Some(100)).is_burst(None));
    }

    #[test]
    fn it_ends_with_the_program() {
        // No process has this number.
        let pulse = Pulse::new(u32::MAX, u64::MAX);
        pulse.settle();
        assert!(!pulse.is_frozen());
        pulse.end();
        assert!(!pulse.beat());
    }
}
