//! The test's hand on what fails until it is told otherwise.

use uuid::Uuid;

use crate::wire::Update;
use crate::{Emulator, Fault, Reach, Route, Status};

impl Emulator {
    /// From now on every request of these routes gets this fault, until [`Self::recover`]. Scripted faults go before it.
    pub fn fail(&self, routes: &[Route], fault: &Fault) {
        let mut world = self.shared.world();
        for route in routes {
            world.faults.begin(*route, None, fault.clone());
        }
    }

    /// Like [`Self::fail`] for the calls of one run, those to its state included; goes before that for all runs.
    pub fn fail_for_run(&self, routes: &[Route], run: &Uuid, fault: &Fault) {
        let mut world = self.shared.world();
        for route in routes {
            world.faults.begin(*route, Some(*run), fault.clone());
        }
    }

    /// Ends what [`Self::fail`] and [`Self::fail_for_run`] began on these routes.
    pub fn recover(&self, routes: &[Route]) {
        let mut world = self.shared.world();
        for route in routes {
            world.faults.end(*route);
        }
    }

    /// Whether clients get through to the server at all, from now on.
    pub fn set_reach(&self, reach: Reach) {
        self.shared.set_reach(reach);
        self.shared.changed();
    }

    /// How many connections met an unreachable server.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.shared.world().turned_away
    }

    /// The final statuses that the run's runner sent, repeated, refused and unanswered ones included, in their order; empty
    /// with [`crate::Recording::Counts`]. How many were accepted is [`crate::RunView::terminal_updates`].
    #[must_use]
    pub fn final_statuses(&self, run: &Uuid) -> Vec<Status> {
        let world = self.shared.world();
        let sent = world.requests.iter().filter(|request| request.run == Some(*run));
        let updates = sent.filter(|request| request.route == Route::Update);
        let status = updates
            .filter_map(|request| serde_json::from_slice::<Update>(&request.body).ok()?.status);
        status.filter(|status| status.is_terminal()).collect()
    }
}
