//! The test's hand on a fake. Main type: [`Fake`].

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use blockhouse_emulator::{Fault, Timeout};
use time::OffsetDateTime;

use crate::patience::patience;
use crate::remote::Remote;
use crate::secret::Place;
use crate::server::{Server, Shared};
use crate::traffic::RecordedRequest;
use crate::violation::Violation;
use crate::world::World;

/// A running fake. It stops when dropped, and panics then if a client broke the protocol and nobody took the
/// [violations](Self::take_violations). What only one service has is in its module.
#[derive(Debug)]
pub struct Fake<R: Remote> {
    // First, so that no request arrives while the rest is dropped.
    server: Option<Server>,
    shared: Arc<Shared<R>>,
    url: String,
}

impl<R: Remote> Fake<R> {
    pub(crate) fn assemble(server: Server, shared: Arc<Shared<R>>, url: String) -> Self {
        Self { server: Some(server), shared, url }
    }

    /// The address to which clients connect, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World<R>> {
        self.shared.world()
    }

    /// Changes the world, and lets those know who wait.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World<R>) -> T) -> T {
        let result = change(&mut self.shared.world());
        self.shared.changed();
        result
    }

    /// Waits until the condition holds, for [`patience`] at most. It is asked after each change, under the server's lock, so it
    /// must not call the fake itself.
    ///
    /// # Errors
    /// [`Timeout`] with a dump of what the server looked like.
    pub async fn wait_until(&self, condition: impl Fn(&World<R>) -> bool) -> Result<(), Timeout> {
        let mut changes = self.shared.changes();
        let met = async {
            loop {
                changes.borrow_and_update();
                if condition(&self.shared.world()) {
                    return;
                }
                // The sender lives as long as `self`.
                let _ = changes.changed().await;
            }
        };
        let patience = patience();
        tokio::time::timeout(patience, met)
            .await
            .map_err(|_| Timeout { patience, dump: self.world().dump() })
    }

    /// The next `times` requests of this route get this fault, after those scripted earlier.
    pub fn script(&self, route: R::Route, fault: Fault, times: u64) {
        self.world().faults.script(route, fault, times);
    }

    /// From now on every request of these routes gets this fault, until [`Self::recover`]. Scripted faults go before it.
    pub fn fail(&self, routes: &[R::Route], fault: &Fault) {
        let mut world = self.world();
        for route in routes {
            world.faults.begin(*route, fault.clone());
        }
    }

    /// No more faults on these routes, scripted ones included.
    pub fn recover(&self, routes: &[R::Route]) {
        let mut world = self.world();
        for route in routes {
            world.faults.end(*route);
        }
    }

    /// Server time: the clock on the wall, as far as [`Self::advance`] and [`Self::set_back`] left it alone.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.world().clock.now()
    }

    /// Moves server time forward: tokens expire, and clients whose clocks stayed behind look old.
    pub fn advance(&self, by: Duration) {
        self.change(|world| world.clock.forward(by));
    }

    /// Moves server time back: clients seem to come from the future.
    pub fn set_back(&self, by: Duration) {
        self.change(|world| world.clock.back(by));
    }

    /// Every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest<R::Route>> {
        self.world().requests.clone()
    }

    /// Every request of this route so far.
    #[must_use]
    pub fn requests_of(&self, route: R::Route) -> Vec<RecordedRequest<R::Route>> {
        let world = self.world();
        world.requests.iter().filter(|request| request.route == route).cloned().collect()
    }

    /// How many requests of this route arrived, those with faults included.
    #[must_use]
    pub fn count(&self, route: R::Route) -> usize {
        self.world().count(route)
    }

    /// Where in all of the traffic a secret was, in any form: see [`RecordedRequest::places_of`]. Each place once.
    #[must_use]
    pub fn places_of(&self, secret: &str) -> Vec<(R::Route, Place)> {
        let mut places = Vec::new();
        for request in &self.world().requests {
            for place in request.places_of(secret) {
                if !places.contains(&(request.route, place.clone())) {
                    places.push((request.route, place));
                }
            }
        }
        places
    }

    /// How many TCP connections were accepted: whether clients keep theirs.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.world().connections
    }

    /// What clients did wrong so far.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.world().violations.clone()
    }

    /// What clients did wrong so far; afterwards there are none, so that dropping the fake is quiet.
    #[must_use]
    pub fn take_violations(&self) -> Vec<Violation> {
        std::mem::take(&mut self.world().violations)
    }
}

impl<R: Remote> Drop for Fake<R> {
    #[expect(clippy::panic, reason = "a test with violations fails")]
    fn drop(&mut self) {
        drop(self.server.take());
        let violations = self.take_violations();
        if !violations.is_empty() && !std::thread::panicking() {
            let lines: Vec<_> = violations.iter().map(|v| format!("  {v}\n")).collect();
            panic!("clients broke the protocol of {}:\n{}", R::NAME, lines.concat());
        }
    }
}
