//! From a name to addresses, once per request: [`Resolve`].

use super::budget::Budget;
use super::error::{Phase, SendError};
use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a name may take.
const LOOKUP_MAX: Duration = Duration::from_secs(5);

/// Lookups at a time, of all runs together: each keeps a thread of those that blocking work of the whole daemon shares.
const LOOKUPS: usize = 64;

/// Addresses of one name that are looked at. Against names with thousands of them.
const ADDRESSES_MAX: usize = 16;

/// What a lookup brings.
pub type Addresses<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Who knows the addresses of names. Whatever it says, only addresses that policy allows are connected to.
pub trait Resolve: std::fmt::Debug + Send + Sync {
    /// The addresses of a name. `held` must be kept until nothing is left of the work, however long that takes.
    fn resolve<'a>(&'a self, name: &'a str, held: Held) -> Addresses<'a>;
}

/// A lookup's share of what is bounded. It is given back when this is dropped.
#[derive(Debug)]
pub struct Held {
    _permits: [OwnedSemaphorePermit; 2],
}

/// The operating system's resolver: hosts file, search domains and all that the operator has set up.
///
/// It can't be cancelled: a lookup that was given up on keeps its thread and its share until it ends by itself.
#[derive(Debug)]
pub struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, name: &'a str, held: Held) -> Addresses<'a> {
        let name = name.to_owned();
        Box::pin(async move {
            let lookup = tokio::task::spawn_blocking(move || {
                let _held = held;
                let addresses = (name.as_str(), 0).to_socket_addrs()?;
                Ok(addresses.map(|address| address.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}

/// The resolver and its bounds.
#[derive(Debug)]
pub(super) struct Lookups {
    resolver: Arc<dyn Resolve>,
    all: Arc<Semaphore>,
}

impl Lookups {
    pub(super) fn new(resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, all: Arc::new(Semaphore::new(LOOKUPS)) }
    }

    /// Looks a name up once.
    pub(super) async fn addresses(
        &self,
        name: &str,
        budget: &Budget,
    ) -> Result<Vec<IpAddr>, SendError> {
        let failed = |reason: String| SendError::Dns { host: name.to_owned(), reason };
        let lookup = async {
            let own = budget.lookup().await;
            let all = Arc::clone(&self.all).acquire_owned().await.map_err(io::Error::other)?;
            self.resolver.resolve(name, Held { _permits: [own, all] }).await
        };
        let addresses = tokio::time::timeout(LOOKUP_MAX, lookup)
            .await
            .map_err(|_| SendError::Timeout { phase: Phase::Lookup, after: LOOKUP_MAX })?
            .map_err(|error| failed(error.to_string()))?;
        if addresses.is_empty() {
            return Err(failed("it has no address".to_owned()));
        }
        let mut distinct = Vec::new();
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            if !distinct.contains(&address) {
                distinct.push(address);
            }
        }
        Ok(distinct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockhouse_policy::Limits;
    use std::sync::Mutex;

    /// Never answers, and keeps what it holds as a thread would that can't be cancelled.
    #[derive(Debug, Default)]
    struct Stuck(Arc<Mutex<Vec<Held>>>);

    impl Resolve for Stuck {
        fn resolve<'a>(&'a self, _: &'a str, held: Held) -> Addresses<'a> {
            self.0.lock().unwrap().push(held);
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn giving_up_on_slow_names_does_not_bring_more_lookups() {
        let stuck = Stuck::default();
        let held = Arc::clone(&stuck.0);
        let lookups = Lookups::new(Arc::new(stuck));
        let budget = Budget::new(&Limits::default());
        for _ in 0..20 {
            let error = lookups.addresses("slow.example", &budget).await.unwrap_err();
            assert!(matches!(error, SendError::Timeout { phase: Phase::Lookup, .. }), "{error}");
        }
        assert_eq!(held.lock().unwrap().len(), 4);
    }

    #[tokio::test]
    async fn the_systems_resolver_knows_this_machine() {
        let lookups = Lookups::new(Arc::new(System));
        let budget = Budget::new(&Limits::default());
        let found = lookups.addresses("localhost", &budget).await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
    }
}
