//! All that a fake knows. Main type: [`World`].

use std::fmt::Write as _;
use std::ops::{Deref, DerefMut};

use crate::clock::Clock;
use crate::fault_plan::FaultPlan;
use crate::remote::Remote;
use crate::traffic::RecordedRequest;
use crate::violation::Violation;

/// How many of the latest requests a dump shows.
const DUMPED: usize = 20;

/// All that a fake knows: what conditions of [`crate::Fake::wait_until`] look at. It leads to the service behind it.
#[derive(Debug)]
pub struct World<R: Remote> {
    pub(crate) remote: R,
    pub(crate) clock: Clock,
    pub(crate) faults: FaultPlan<R::Route>,
    pub(crate) requests: Vec<RecordedRequest<R::Route>>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) connections: u64,
}

impl<R: Remote> World<R> {
    pub(crate) fn new(remote: R) -> Self {
        Self {
            remote,
            clock: Clock::default(),
            faults: FaultPlan::new(),
            requests: Vec::new(),
            violations: Vec::new(),
            connections: 0,
        }
    }

    /// Every request so far.
    #[must_use]
    pub fn requests(&self) -> &[RecordedRequest<R::Route>] {
        &self.requests
    }

    /// How many requests of this route arrived, those with faults included.
    #[must_use]
    pub fn count(&self, route: R::Route) -> usize {
        self.requests.iter().filter(|request| request.route == route).count()
    }

    /// What clients did wrong so far.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    pub(crate) fn dump(&self) -> String {
        let mut text = format!("{}, {} connections\n", R::NAME, self.connections);
        let hidden = self.requests.len().saturating_sub(DUMPED);
        for request in self.requests.iter().skip(hidden) {
            // Writing to a string can't fail.
            let _ = writeln!(text, "  {request:?}");
        }
        for violation in &self.violations {
            let _ = writeln!(text, "  violation: {violation}");
        }
        text
    }
}

impl<R: Remote> Deref for World<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.remote
    }
}

impl<R: Remote> DerefMut for World<R> {
    fn deref_mut(&mut self) -> &mut R {
        &mut self.remote
    }
}
