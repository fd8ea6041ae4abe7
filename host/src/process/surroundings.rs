//! What a program is given beyond its arguments and its input: [`Surroundings`], and the [`Leash`] by which it is stopped.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// By default nothing: the environment that every program needs (none, but on Windows), our directory, no leash.
#[derive(Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// Where it starts.
    pub directory: Option<&'a Path>,
    /// Its environment. May hold secrets.
    pub environment: &'a [(OsString, OsString)],
    /// The most bytes of a file that it writes; the system ends it beyond. Not on Windows.
    pub file_max: Option<u64>,
    /// Stops it.
    pub leash: Option<&'a Leash>,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("Surroundings")
            .field("directory", &self.directory)
            .field("environment", &names)
            .field("file_max", &self.file_max)
            .finish_non_exhaustive()
    }
}

/// Kills the programs that are on it, now and later, once it is cut: for those who wait elsewhere than where the program is followed.
#[derive(Default)]
pub struct Leash(Mutex<State>);

#[derive(Default)]
struct State {
    is_cut: bool,
    next: u64,
    tell: Vec<(u64, Box<dyn Fn() + Send>)>,
}

/// Ends the listening when it is dropped.
pub(super) struct Listening<'a> {
    leash: &'a Leash,
    number: u64,
}

impl Leash {
    /// Kills what is on it. Does not wait for their end.
    pub fn cut(&self) {
        let mut state = self.lock();
        state.is_cut = true;
        for (_, tell) in &state.tell {
            tell();
        }
    }

    /// Whether it was cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.lock().is_cut
    }

    /// Calls `tell` when it is cut, at once if it is.
    pub(super) fn listen(&self, tell: impl Fn() + Send + 'static) -> Listening<'_> {
        let mut state = self.lock();
        if state.is_cut {
            tell();
        }
        let number = state.next;
        state.next += 1;
        state.tell.push((number, Box::new(tell)));
        Listening { leash: self, number }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Leash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leash").field("is_cut", &self.is_cut()).finish_non_exhaustive()
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.leash.lock().tell.retain(|(number, _)| *number != self.number);
    }
}
