//! Runs of one block never overlap: [`BlockLocks`].
//!
//! meshStack's own state has no locks, and a lock of another backend makes the second run fail rather than wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;

/// Gives a block to one run at a time, in the order of their coming. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct BlockLocks {
    known: Arc<Mutex<BTreeMap<String, Weak<tokio::sync::Mutex<()>>>>>,
}

/// A block that is one run's until this is dropped.
#[derive(Debug)]
pub struct BlockLock {
    _guard: OwnedMutexGuard<()>,
}

impl BlockLocks {
    /// Waits until the block is nobody's. May be dropped: then the place in the line is given up.
    pub async fn take(&self, block: &str) -> BlockLock {
        let lock = self.of(block);
        BlockLock { _guard: lock.lock_owned().await }
    }

    /// The block, if it is nobody's.
    #[must_use]
    pub fn try_take(&self, block: &str) -> Option<BlockLock> {
        self.of(block).try_lock_owned().ok().map(|guard| BlockLock { _guard: guard })
    }

    fn of(&self, block: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut known = self.known();
        if let Some(lock) = known.get(block).and_then(Weak::upgrade) {
            return lock;
        }
        // Runs are few; what nobody holds or waits for is forgotten here, so that nothing grows.
        known.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        known.insert(block.to_owned(), Arc::downgrade(&lock));
        lock
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Weak<tokio::sync::Mutex<()>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

    #[tokio::test]
    async fn runs_of_a_block_take_turns_and_other_blocks_do_not_wait() {
        let locks = BlockLocks::default();
        let first = locks.take("a").await;
        assert!(locks.try_take("a").is_none());
        assert!(locks.try_take("b").is_some());
        let mut second = Box::pin(locks.take("a"));
        assert!(matches!(futures_poll(&mut second), Poll::Pending));
        // One that gives up is not waited for.
        drop(Box::pin(locks.take("a")));
        drop(first);
        let second = second.await;
        assert!(locks.try_take("a").is_none());
        drop(second);
        assert!(locks.try_take("a").is_some());
    }

    #[tokio::test]
    async fn blocks_that_nobody_works_on_are_forgotten() {
        let locks = BlockLocks::default();
        for number in 0..100 {
            drop(locks.take(&number.to_string()).await);
        }
        assert_eq!(locks.known().len(), 1);
    }

    fn futures_poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        std::pin::Pin::new(future)
            .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}
