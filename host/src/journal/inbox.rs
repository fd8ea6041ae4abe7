//! What the thread that writes is handed: [`Inbox`].

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A queue whose reader is woken only for what somebody waits for: the rest it finds when it wakes up anyway. That spares most of the switches
/// between threads that many short runs would cost.
pub(super) struct Inbox<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: Vec<T>,
    /// Whether the reader is to take them now.
    is_urgent: bool,
    is_closed: bool,
    /// Whether the reader sleeps and would not wake up by itself.
    sleeps_on: bool,
}

/// Closes the inbox when the reader is gone, however it went: nobody shall wait for it.
pub(super) struct Reading<'a, T>(pub(super) &'a Inbox<T>);

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        let state =
            State { items: Vec::new(), is_urgent: false, is_closed: false, sleeps_on: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl<T> Inbox<T> {
    /// Puts something in; `urgent`: it is taken at once, and else before long. False if nobody takes anything any more.
    #[must_use]
    pub(super) fn put(&self, item: T, urgent: bool) -> bool {
        let mut state = self.state();
        if state.is_closed {
            return false;
        }
        state.items.push(item);
        state.is_urgent |= urgent;
        let wakes = urgent || std::mem::take(&mut state.sleeps_on);
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
        true
    }

    /// Takes the oldest items, `most` of them: when one is urgent, and at the latest at this time, which may be with none; without a time, when
    /// there is one. None once it is closed and empty.
    pub(super) fn take(&self, until: Option<Instant>, most: usize) -> Option<Vec<T>> {
        let mut state = self.state();
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let is_due = left.map_or(!state.items.is_empty(), |left| left.is_zero());
            if state.is_urgent || state.is_closed || is_due {
                break;
            }
            state = match left {
                Some(left) => {
                    let woken = self.changed.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    state.sleeps_on = true;
                    self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
        if state.is_closed && state.items.is_empty() {
            return None;
        }
        let most = most.min(state.items.len());
        let taken = state.items.drain(..most).collect();
        state.is_urgent &= !state.items.is_empty();
        Some(taken)
    }

    /// Lets nothing more in.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Inbox<T> {
    /// What is in it is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbox")
    }
}

impl<T> Drop for Reading<'_, T> {
    fn drop(&mut self) {
        self.0.close();
        // Whoever waits for what is in there hears that it is gone.
        let left = std::mem::take(&mut self.0.state().items);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    const SOON: Duration = Duration::from_millis(5);

    #[test]
    fn what_is_urgent_is_taken_with_all_before_it_in_order() {
        let inbox = Inbox::default();
        for (item, urgent) in [(1, false), (2, true), (3, false)] {
            assert!(inbox.put(item, urgent));
        }
        let far = Some(Instant::now() + Duration::from_secs(3600));
        assert_eq!(inbox.take(far, 2), Some(vec![1, 2]));
        assert_eq!(inbox.take(far, 2), Some(vec![3]), "what is left is taken as well");
    }

    #[test]
    fn what_is_not_urgent_is_taken_when_its_time_has_come() {
        let inbox = Inbox::default();
        assert!(inbox.put(1, false));
        let until = Instant::now() + SOON;
        assert_eq!(inbox.take(Some(until), 9), Some(vec![1]));
        assert!(Instant::now() >= until);
        assert_eq!(inbox.take(Some(Instant::now() + SOON), 9), Some(vec![]));
    }

    #[test]
    fn a_reader_that_would_sleep_for_ever_is_woken_for_anything() {
        let inbox = Arc::<Inbox<u32>>::default();
        let reader = Arc::clone(&inbox);
        let reader = thread::spawn(move || reader.take(None, 9));
        while !inbox.state().sleeps_on {
            thread::yield_now();
        }
        assert!(inbox.put(1, false));
        assert_eq!(reader.join().unwrap(), Some(vec![1]));
    }

    #[test]
    fn what_is_in_a_closed_one_is_taken_and_nothing_more_is_let_in() {
        let inbox = Inbox::default();
        assert!(inbox.put(1, false));
        inbox.close();
        assert!(!inbox.put(2, true));
        assert_eq!(inbox.take(None, 9), Some(vec![1]));
        assert_eq!(inbox.take(None, 9), None);
    }

    #[test]
    fn a_reader_that_is_gone_leaves_nobody_waiting() {
        let inbox = Inbox::default();
        let (sender, waiting) = std::sync::mpsc::channel::<()>();
        let gone = thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let _reading = Reading(&inbox);
                assert!(inbox.put(sender, true));
                panic!("a defect");
            });
            reader.join().is_err()
        });
        assert!(gone && waiting.recv().is_err());
        let (sender, _) = std::sync::mpsc::channel();
        assert!(!inbox.put(sender, true));
    }
}
