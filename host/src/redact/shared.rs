//! What finds the secrets of a definition, once for all its runs: [`Shared`].

use super::patterns::Room;
use super::{BuildError, Matcher, Warning};
use crate::digest::{Digest, Running};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Matchers that are in use, by the digest of their secrets.
///
/// A private key makes an automaton of half a mebibyte, which a thousand runs that wait for a service would each have. It is kept
/// as long as a run has it, and no longer: it holds the secrets.
#[derive(Debug, Default)]
pub struct Shared(Mutex<Option<Known>>);

type Known = HashMap<Digest, (Weak<Matcher>, Vec<Warning>)>;

impl Shared {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// What finds these secrets, and what it will not find; none if there is nothing to be found. Blocks like
    /// [`Redactor::new`](super::Redactor::new) if nobody has it.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn matcher(
        &self,
        secrets: &[(&str, &SecretString)],
    ) -> Result<(Option<Arc<Matcher>>, Vec<Warning>), BuildError> {
        if secrets.is_empty() {
            return Ok((None, Vec::new()));
        }
        let digest = digest(secrets);
        let known = self.known().as_ref().and_then(|known| {
            let (matcher, warnings) = known.get(&digest)?;
            Some((matcher.upgrade()?, warnings.clone()))
        });
        if let Some((matcher, warnings)) = known {
            return Ok((Some(matcher), warnings));
        }
        // Outside of the lock: two runs that come at the same time make it twice, and one is forgotten.
        let (matcher, warnings) = Matcher::new(secrets, Room::SECRETS)?;
        let matcher = matcher.map(Arc::new);
        if let Some(matcher) = &matcher {
            let mut known = self.known();
            let known = known.get_or_insert_default();
            known.retain(|_, (matcher, _)| matcher.strong_count() > 0);
            known.insert(digest, (Arc::downgrade(matcher), warnings.clone()));
        }
        Ok((matcher, warnings))
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of keys and secrets, each with its length, so that no two sets are alike.
fn digest(secrets: &[(&str, &SecretString)]) -> Digest {
    let mut running = Running::default();
    for (key, secret) in secrets {
        for text in [key, secret.expose_secret()] {
            running.update(&text.len().to_le_bytes());
            running.update(text.as_bytes());
        }
    }
    running.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redactor;

    #[test]
    fn the_same_secrets_are_found_by_the_same_matcher_as_long_as_it_is_used() {
        let shared = Shared::new();
        let [one, other] = ["correct horse", "battery staple"].map(SecretString::from);
        let of = |key: &str, secret| shared.matcher(&[(key, secret)]).unwrap().0.unwrap();
        let first = of("key", &one);
        assert!(Arc::ptr_eq(&first, &of("key", &one)));
        for different in [of("key", &other), of("another key", &one)] {
            assert!(!Arc::ptr_eq(&first, &different));
        }
        drop(first);
        let again = of("key", &one);
        assert_eq!(shared.known().as_ref().unwrap().len(), 1, "what nobody uses is forgotten");
        let redactor = Redactor::of([again]);
        assert_eq!(redactor.redact("a correct horse"), "a [secret key]");
        assert!(shared.matcher(&[]).unwrap().0.is_none());
    }

    #[test]
    fn what_is_not_found_is_told_to_each_run() {
        let shared = Shared::new();
        let secret = SecretString::from("a key of its own\nab\n");
        let (first, warnings) = shared.matcher(&[("key", &secret)]).unwrap();
        assert!(!warnings.is_empty());
        assert_eq!(shared.matcher(&[("key", &secret)]).unwrap().1, warnings);
        drop(first);
    }
}
