//! Who fills the mirror, and who waits: [`Turns`].

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Keys of which it is remembered that the mirror has been filled for them. Forgetting one costs waiting once more.
const FILLED_MAX: usize = 4096;

/// See [`super::Mirror::turn`].
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    filled: HashSet<String>,
    /// Those who are filling the mirror: each closes when its turn is over.
    gates: HashMap<String, watch::Receiver<()>>,
    /// Of all keys.
    under_way: usize,
}

/// A turn at `init`, until it is dropped. See [`super::Mirror::turn`].
#[derive(Debug)]
#[must_use = "others begin as soon as it is dropped"]
pub struct Turn {
    turns: Turns,
    key: String,
    /// Of the one who fills the mirror.
    gate: Option<watch::Sender<()>>,
}

impl Turn {
    /// Whether this one fills the mirror, and others wait for it.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.gate.is_some()
    }

    /// To be called after a successful `import`: nobody waits again for this key. If it's dropped without, those who wait begin all the
    /// same: a registry that never answers must not hold them up one after the other.
    pub fn filled(self) {
        let mut state = self.turns.state();
        if state.filled.len() >= FILLED_MAX {
            state.filled.clear();
        }
        state.filled.insert(self.key.clone());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        state.under_way = state.under_way.saturating_sub(1);
        if self.gate.take().is_some() {
            state.gates.remove(&self.key);
        }
    }
}

impl Turns {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn turn(&self, key: &str) -> Turn {
        match self.enter(key) {
            Ok(turn) => turn,
            Err(mut gate) => {
                // Nothing is ever sent: it ends when the turn of the first one does.
                let _ = gate.changed().await;
                self.begin(key, None)
            }
        }
    }

    /// A turn at once, or whose end is to be waited for.
    fn enter(&self, key: &str) -> Result<Turn, watch::Receiver<()>> {
        let gate = {
            let mut state = self.state();
            if let Some(gate) = state.gates.get(key) {
                return Err(gate.clone());
            }
            let is_filled = state.filled.contains(key);
            (!is_filled).then(|| {
                let (gate, closes) = watch::channel(());
                state.gates.insert(key.to_owned(), closes);
                gate
            })
        };
        Ok(self.begin(key, gate))
    }

    fn begin(&self, key: &str, gate: Option<watch::Sender<()>>) -> Turn {
        let mut state = self.state();
        state.under_way = state.under_way.saturating_add(1);
        drop(state);
        Turn { turns: self.clone(), key: key.to_owned(), gate }
    }

    /// How many have a turn right now.
    pub(super) fn under_way(&self) -> usize {
        self.state().under_way
    }

    /// Something was removed from the mirror: whoever comes now may have to fill it again.
    pub(super) fn forget(&self) {
        self.state().filled.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    fn poll(future: Pin<&mut impl Future<Output = Turn>>) -> Option<Turn> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn those_who_wait_begin_together_when_the_first_one_has_filled_the_mirror() {
        let turns = Turns::default();
        let first = turns.turn("key").await;
        let (mut second, mut third) = (pin!(turns.turn("key")), pin!(turns.turn("key")));
        assert!(
            first.is_first() && poll(second.as_mut()).is_none() && poll(third.as_mut()).is_none()
        );
        assert!(turns.turn("other").await.is_first());
        first.filled();
        let (second, third) = (poll(second).unwrap(), poll(third).unwrap());
        assert!(!second.is_first() && !third.is_first());
        assert!(!turns.turn("key").await.is_first());
        assert_eq!(turns.under_way(), 2);
        drop((second, third));
        assert_eq!(turns.under_way(), 0);
        assert!(turns.state().gates.is_empty());
        turns.forget();
        assert!(turns.turn("key").await.is_first());
    }

    #[tokio::test]
    async fn if_the_first_one_fails_those_who_wait_begin_together_and_the_next_to_come_is_first() {
        let turns = Turns::default();
        let first = turns.turn("key").await;
        {
            let mut given_up = pin!(turns.turn("key"));
            assert!(poll(given_up.as_mut()).is_none());
        }
        let (mut second, mut third) = (pin!(turns.turn("key")), pin!(turns.turn("key")));
        assert!(poll(second.as_mut()).is_none() && poll(third.as_mut()).is_none());
        drop(first);
        let (second, third) = (poll(second).unwrap(), poll(third).unwrap());
        assert!(!second.is_first() && !third.is_first());
        assert_eq!(turns.under_way(), 2);
        drop((second, third));
        assert!(turns.turn("key").await.is_first());
        assert!(turns.state().gates.is_empty());
    }
}
