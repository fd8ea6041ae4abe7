//! The test's hand on Terraform states.

use bytes::Bytes;
use serde_json::Value;

use crate::Emulator;
use crate::route::StateAddress;
use crate::tfstate::{HeldLock, TerraformState};

impl Emulator {
    /// A block's Terraform state; none before its first request.
    #[must_use]
    pub fn terraform_state(&self, address: &StateAddress) -> Option<TerraformState> {
        self.shared.world().states.get(address).cloned()
    }

    /// Stores a Terraform state as an earlier run would have.
    pub fn set_terraform_state(&self, address: &StateAddress, state: impl Into<Vec<u8>>) {
        let state = Bytes::from(state.into());
        self.shared.world().change_state(address, |stored| {
            stored.versions.push(state.clone());
            stored.current = Some(state);
        });
        self.shared.changed();
    }

    /// Sets or clears a state's lock from outside: a lock that a dead run left behind. The info needs an `ID`.
    pub fn set_terraform_lock(&self, address: &StateAddress, info: Option<Value>) {
        self.shared.world().change_state(address, |state| {
            state.lock = info;
            state.holder = None;
        });
        self.shared.changed();
    }

    /// Every lock that is held now, over all states.
    #[must_use]
    pub fn locks_held(&self) -> Vec<HeldLock> {
        let world = self.shared.world();
        let held = world.states.iter().filter_map(|(address, state)| {
            let info = state.lock.clone()?;
            Some(HeldLock { address: address.clone(), info, run: state.holder })
        });
        held.collect()
    }

    /// The locks that nobody is left to give back: a test has set them, or the run that took them has ended.
    #[must_use]
    pub fn locks_orphaned(&self) -> Vec<HeldLock> {
        let mut held = self.locks_held();
        let world = self.shared.world();
        let works = |lock: &HeldLock| {
            let run = lock.run.and_then(|run| world.run(&run));
            run.is_some_and(|run| !run.state.is_terminal())
        };
        held.retain(|lock| !works(lock));
        held
    }
}
