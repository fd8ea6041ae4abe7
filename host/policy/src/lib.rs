//! What a component may do: [`Grants`], and the permits that they hand out.
//!
//! Decisions only: this crate does no I/O, knows no WebAssembly and can't be asked to do anything. Acting code takes a
//! permit as an argument; only [`Grants`] can make one, so that forgetting the question does not compile.

#![forbid(unsafe_code)]

mod limits;
mod pattern;
mod route;

pub use limits::Limits;
pub use pattern::Pattern;
pub use route::{RouteMatch, Subject};

use std::collections::BTreeSet;

/// What one run's component may do. Immutable: made once, when the run is admitted.
///
/// Whatever is not granted is denied:
/// * no secret is revealed;
/// * there is no file system, no network, no environment and no argument;
/// * every resource is limited ([`Limits`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    limits: Limits,
    reveal: BTreeSet<String>,
}

impl Grants {
    /// Nothing beyond computing within the default limits.
    #[must_use]
    pub fn none() -> Self {
        Self { limits: Limits::default(), reveal: BTreeSet::new() }
    }

    /// The same grants within other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Lets the component see the plain text of the secrets of these keys.
    #[must_use]
    pub fn with_reveal(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.reveal.extend(keys);
        self
    }

    /// How much of everything.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// May the component see the plain text of the secret `key`?
    ///
    /// # Errors
    /// [`Denied`] unless the key was granted by name.
    pub fn reveal(&self, key: &str) -> Result<RevealPermit, Denied> {
        if self.reveal.contains(key) {
            return Ok(RevealPermit(()));
        }
        Err(Denied { rule: format!("the route does not list `{key}` under `reveal`") })
    }
}

/// Leave to see the plain text of one secret.
#[derive(Debug)]
pub struct RevealPermit(());

/// Policy said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Which rule said no, for people.
    pub rule: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_revealed_by_default() {
        assert!(Grants::none().reveal("password").is_err());
    }

    #[test]
    fn reveal_is_granted_by_exact_key() {
        let grants = Grants::none().with_reveal(["token".to_owned()]);
        assert!(grants.reveal("token").is_ok());
        for other in ["Token", "token2", "toke", "", "*"] {
            assert!(grants.reveal(other).is_err(), "{other}");
        }
    }
}
