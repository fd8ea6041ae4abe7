//! How long a call's credential may be good for: [`Lifetime`].

use data_encoding::BASE64URL_NOPAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// By how much meshStack's clock may differ from ours.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// Bytes of a token that is looked into; against parsing what is none.
const TOKEN_MAX: usize = 64 << 10;

/// Until when a credential that was refused may yet be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// The runner's own: it is renewed, and its operator can repair it.
    Renewed,
    /// A run's token that does not say. Nobody can renew it.
    Unknown,
    /// A run's token, by its own word. Nobody can renew it either.
    Until(SystemTime),
}

impl Lifetime {
    /// What a run's token says. Its signature is not looked at: whoever made it up is told no sooner or later that it is not taken.
    pub(super) fn of_run(token: &SecretString) -> Self {
        expiry(token.expose_secret()).map_or(Self::Unknown, Self::Until)
    }

    /// Whether meshStack may accept it after `now`.
    pub(super) fn may_last(self, now: SystemTime) -> bool {
        match self {
            Self::Renewed => true,
            Self::Unknown => false,
            Self::Until(end) => end.checked_add(SKEW).is_none_or(|end| now < end),
        }
    }
}

/// The `exp` of a JWT (RFC 7519).
fn expiry(token: &str) -> Option<SystemTime> {
    #[derive(Deserialize)]
    struct Claims {
        exp: serde_json::Number,
    }
    let payload = token.split('.').nth(1).filter(|_| token.len() <= TOKEN_MAX)?;
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
    let Claims { exp } = serde_json::from_slice(&payload).ok()?;
    // Fractions are allowed, and do not matter here.
    let seconds = Duration::try_from_secs_f64(exp.as_f64()?).ok()?;
    UNIX_EPOCH.checked_add(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> SecretString {
        let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        SecretString::from(format!("{}.{}.signature", encode("{}"), encode(claims)))
    }

    #[test]
    fn a_run_token_lasts_as_long_as_it_says_and_one_that_does_not_say_is_not_waited_for() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for claims in ["{\"exp\":1000}", "{\"exp\":1000.5,\"sub\":\"x\"}"] {
            let lifetime = Lifetime::of_run(&token(claims));
            assert!(lifetime.may_last(at(999)) && lifetime.may_last(at(1299)), "{claims}");
            assert!(!lifetime.may_last(at(1301)), "{claims}");
        }
        for claims in
            ["{}", "{\"exp\":\"1000\"}", "{\"exp\":-1}", "{\"exp\":1e300}", "", "[", "null"]
        {
            assert_eq!(Lifetime::of_run(&token(claims)), Lifetime::Unknown, "{claims}");
        }
        for text in ["", "opaque", "a.b.c", "..", &format!("a.{}", "A".repeat(1 << 20))] {
            let lifetime = Lifetime::of_run(&SecretString::from(text));
            assert!(!lifetime.may_last(at(0)), "{text:.20}");
        }
        assert!(Lifetime::Renewed.may_last(at(u64::from(u32::MAX))));
    }
}
