//! The runs that are executed or reported here: [`Active`].

use crate::run::RunId;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The ids of all runs that are here.
#[derive(Debug, Default)]
pub(super) struct Active(Mutex<HashSet<RunId>>);

/// A run is here as long as this lives.
#[derive(Debug)]
pub(super) struct Entry {
    active: Arc<Active>,
    id: RunId,
}

impl Active {
    /// Enters a run; `None` if it is here already.
    pub(super) fn enter(self: &Arc<Self>, id: RunId) -> Option<Entry> {
        let is_new = self.ids().insert(id.clone());
        is_new.then(|| Entry { active: Arc::clone(self), id })
    }

    /// How many are here.
    pub(super) fn count(&self) -> usize {
        self.ids().len()
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<RunId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.active.ids().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_leaves_when_its_task_panics() {
        let active = Arc::<Active>::default();
        let id = RunId::parse("run").unwrap();
        let entry = active.enter(id.clone()).unwrap();
        assert!(active.enter(id.clone()).is_none());
        assert_eq!(active.count(), 1);
        let task = tokio::spawn(async move {
            let _entry = entry;
            panic!("a defect");
        });
        task.await.unwrap_err();
        assert_eq!(active.count(), 0);
        assert!(active.enter(id).is_some());
    }
}
