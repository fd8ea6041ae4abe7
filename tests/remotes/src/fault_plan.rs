//! Decides which request gets which fault. Main type: [`FaultPlan`].

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use blockhouse_emulator::{Fault, FaultKind};

/// Scripted faults first, then those that last.
#[derive(Debug)]
pub(crate) struct FaultPlan<R> {
    scripts: HashMap<R, VecDeque<(Fault, u64)>>,
    outages: HashMap<R, Fault>,
}

impl<R: Copy + Eq + Hash> FaultPlan<R> {
    pub(crate) fn new() -> Self {
        Self { scripts: HashMap::new(), outages: HashMap::new() }
    }

    pub(crate) fn script(&mut self, route: R, fault: Fault, times: u64) {
        if times > 0 {
            self.scripts.entry(route).or_default().push_back((fault, times));
        }
    }

    pub(crate) fn begin(&mut self, route: R, fault: Fault) {
        self.outages.insert(route, fault);
    }

    pub(crate) fn end(&mut self, route: R) {
        self.outages.remove(&route);
        self.scripts.remove(&route);
    }

    pub(crate) fn pick(&mut self, route: R) -> Option<Fault> {
        let fault = self.next_scripted(route).or_else(|| self.outages.get(&route).cloned());
        fault.filter(|fault| fault.kind() != FaultKind::Pass)
    }

    fn next_scripted(&mut self, route: R) -> Option<Fault> {
        let queue = self.scripts.get_mut(&route)?;
        let (fault, times) = queue.front_mut()?;
        let fault = fault.clone();
        *times -= 1;
        if *times == 0 {
            queue.pop_front();
        }
        Some(fault)
    }
}
