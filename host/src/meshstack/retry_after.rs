//! Reads the `Retry-After` header.

use std::time::{Duration, SystemTime};

/// The wait that a `Retry-After` value asks for, cut down to `cap`: whole seconds or an HTTP date (RFC 9110, 10.2.3).
/// A date in the past is no wait; anything else is `None`.
pub(super) fn parse(value: &str, now: SystemTime, cap: Duration) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are a very long wait, not nonsense.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(cap))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: Duration = Duration::from_secs(60);

    fn at(value: &str) -> Option<u64> {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        parse(value, now, CAP).map(|wait| wait.as_secs())
    }

    #[test]
    fn both_forms_are_read() {
        assert_eq!(at("7"), Some(7));
        assert_eq!(at(" 0 "), Some(0));
        assert_eq!(at("Sun, 06 Nov 1994 08:49:57 GMT"), Some(20));
        assert_eq!(at("Sunday, 06-Nov-94 08:49:40 GMT"), Some(3));
    }

    #[test]
    fn waits_are_bounded() {
        for value in ["61", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(at(value), Some(60), "{value}");
        }
    }

    #[test]
    fn a_date_in_the_past_is_no_wait() {
        assert_eq!(at("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0));
    }

    #[test]
    fn nonsense_is_ignored() {
        for value in ["", "-1", "1.5", "+3", "soon", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(at(value), None, "{value}");
        }
    }
}
