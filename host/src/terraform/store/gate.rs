//! One at a time per key, and those who wait share what comes out: [`Gate`].

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Mutex as Turn;

/// What came out of an attempt, and when that began.
type Last<T> = Arc<Turn<Option<(Instant, T)>>>;

/// Lets one attempt per key be under way.
///
/// Whoever asks gets what an attempt came to that began after they asked, good or bad. So many that ask at once cause two attempts
/// at most, of which the second one finds things done; a failure is shared by those who waited and by nobody who comes later. If the one
/// who attempts is dropped, the next one takes over.
pub(super) struct Gate<T> {
    open: Mutex<HashMap<String, Last<T>>>,
}

impl<T> Default for Gate<T> {
    fn default() -> Self {
        Self { open: Mutex::default() }
    }
}

impl<T> fmt::Debug for Gate<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// Somebody who asks; when the last one is gone, nothing is kept for the key.
struct Asker<'a, T> {
    gate: &'a Gate<T>,
    key: &'a str,
    last: Last<T>,
}

impl<T> Drop for Asker<'_, T> {
    fn drop(&mut self) {
        let mut open = self.gate.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Ours and the map's.
        if Arc::strong_count(&self.last) <= 2 {
            open.remove(self.key);
        }
    }
}

impl<T: Clone> Gate<T> {
    /// Attempts it, or waits for somebody who does.
    pub(super) async fn pass(&self, key: &str, attempt: impl Future<Output = T>) -> T {
        let asked = Instant::now();
        let last = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(open.entry(key.to_owned()).or_default())
        };
        let asker = Asker { gate: self, key, last };
        let mut last = asker.last.lock().await;
        match &*last {
            Some((began, outcome)) if *began >= asked => outcome.clone(),
            _ => {
                let began = Instant::now();
                let outcome = attempt.await;
                *last = Some((began, outcome.clone()));
                outcome
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    #[tokio::test]
    async fn those_who_wait_share_one_attempt() {
        let (gate, count, go) = (Gate::default(), AtomicUsize::new(0), Notify::new());
        let attempt = || {
            gate.pass("key", async {
                go.notified().await;
                count.fetch_add(1, Ordering::SeqCst)
            })
        };
        let all = async { tokio::join!(attempt(), attempt(), attempt(), attempt()) };
        let release = async {
            go.notify_one();
            while count.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            go.notify_one();
        };
        let (all, ()) = tokio::join!(all, release);
        assert_eq!(all, (0, 1, 1, 1));
        assert!(gate.open.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn one_that_is_dropped_leaves_the_gate_to_the_next() {
        let gate = Gate::default();
        let mut stuck = Box::pin(gate.pass("key", std::future::pending()));
        let mut next = Box::pin(gate.pass("key", async { 7 }));
        assert!(futures_poll(&mut stuck).is_none() && futures_poll(&mut next).is_none());
        drop(stuck);
        assert_eq!(next.await, 7);
        assert!(gate.open.lock().unwrap().is_empty());
    }

    fn futures_poll<T>(future: &mut std::pin::Pin<Box<impl Future<Output = T>>>) -> Option<T> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn nothing_is_remembered_for_those_who_come_later() {
        let gate = Gate::default();
        assert_eq!(gate.pass("key", async { Err::<(), _>("down") }).await, Err("down"));
        assert_eq!(gate.pass("key", async { Ok(()) }).await, Ok(()));
    }
}
