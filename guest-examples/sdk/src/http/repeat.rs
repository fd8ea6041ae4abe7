//! Whether a request is sent again, and when.

use crate::SendError;
use std::time::{Duration, SystemTime};

/// How often a request is sent altogether.
const TRIES: u32 = 4;

/// The first wait is up to this long, each further one up to twice as long.
const WAIT: Duration = Duration::from_secs(1);

/// No wait that a service asks for is longer. Against one that asks for days.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Whether the service can't have got the request.
pub(super) fn was_unsent(error: &SendError) -> bool {
    matches!(error, SendError::Unreachable(_))
}

/// How long to wait after a try that had no answer; none if the next one would not fare better.
pub(super) fn after_error(error: &SendError, tries: u32, random: u64) -> Option<Duration> {
    let is_passing =
        was_unsent(error) || matches!(error, SendError::Network(_) | SendError::Timeout(_));
    (is_passing && tries < TRIES).then(|| jitter(tries, random))
}

/// How long to wait after an answer; none if it is final. `asked` is how long the service wants to be left alone.
pub(super) fn after_answer(
    status: u16,
    asked: Option<Duration>,
    tries: u32,
    random: u64,
) -> Option<Duration> {
    let is_passing = match status {
        429 | 500..=599 => true,
        // GitHub says so when there were too many requests in a short time.
        403 => asked.is_some(),
        _ => false,
    };
    // Those who were told the same time shall not come at the same time.
    (is_passing && tries < TRIES).then(|| asked.unwrap_or_default() + jitter(tries, random))
}

/// How long a service asks to be left alone, by the headers of its answer.
pub(super) fn asked<'r>(
    header: impl Fn(&str) -> Option<&'r str>,
    now: SystemTime,
) -> Option<Duration> {
    if let Some(wait) = header("retry-after").and_then(|value| parse(value, now)) {
        return Some(wait.min(RETRY_AFTER_MAX));
    }
    // GitHub's word for when there is room again, in seconds since 1970. Nobody is kept waiting for an hour.
    let is_used_up = header("x-ratelimit-remaining") == Some("0");
    let reset = header("x-ratelimit-reset").filter(|_| is_used_up)?.parse().ok()?;
    let reset = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(reset))?;
    let wait = reset.duration_since(now).unwrap_or_default();
    (wait <= RETRY_AFTER_MAX).then_some(wait)
}

/// Full jitter: anything from nothing to the longest wait.
fn jitter(tries: u32, random: u64) -> Duration {
    let longest = WAIT.saturating_mul(1 << tries.saturating_sub(1).min(16));
    let milliseconds = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % milliseconds.saturating_add(1))
}

/// `Retry-After`: seconds, or a date.
fn parse(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A Monday.
    fn now() -> SystemTime {
        httpdate::parse_http_date("Mon, 02 Nov 2026 10:00:00 GMT").unwrap()
    }

    #[test]
    fn waits_grow_and_are_spread() {
        assert_eq!(jitter(1, 0), seconds(0));
        assert_eq!(jitter(1, 1_000), seconds(1));
        assert_eq!(jitter(3, 4_000), seconds(4));
        assert!((1..TRIES).all(|tries| jitter(tries, u64::MAX) <= seconds(4)));
    }

    #[test]
    fn what_passes_is_tried_again_but_not_for_ever() {
        for (status, is_passing) in
            [(200, false), (404, false), (403, false), (429, true), (500, true), (503, true)]
        {
            assert_eq!(after_answer(status, None, 1, 0).is_some(), is_passing, "{status}");
            assert_eq!(after_answer(status, None, TRIES, 0), None);
        }
        assert!(after_error(&SendError::Network(String::new()), 1, 0).is_some());
        assert!(after_error(&SendError::Network(String::new()), TRIES, 0).is_none());
        for error in [SendError::Aborted, SendError::Denied(String::new())] {
            assert!(after_error(&error, 1, 0).is_none());
        }
    }

    #[test]
    fn a_service_may_ask_for_more_time_within_reason() {
        for (value, wait) in [
            ("7", 7),
            ("0", 0),
            ("86400", 60),
            ("99999999999999999999999", 60),
            ("Mon, 02 Nov 2026 10:00:09 GMT", 9),
            ("Mon, 02 Nov 2026 09:00:00 GMT", 0),
            ("Tue, 03 Nov 2026 10:00:00 GMT", 60),
        ] {
            let asked = asked(|name| (name == "retry-after").then_some(value), now());
            assert_eq!(asked, Some(seconds(wait)), "{value}");
            for status in [403, 429, 503] {
                assert_eq!(after_answer(status, asked, 1, 0), asked, "{status} {value}");
            }
            assert_eq!(after_answer(404, asked, 1, 0), None);
        }
        for value in ["soon", "-1", ""] {
            assert_eq!(asked(|_| Some(value), now()), None, "{value}");
        }
    }

    #[test]
    fn a_limit_that_is_reset_soon_is_waited_for() {
        let reset = |seconds: u64| (1_793_613_600 + seconds).to_string();
        for (remaining, reset, wait) in [
            ("0", reset(7), Some(seconds(7))),
            ("0", reset(60), Some(seconds(60))),
            ("0", reset(61), None),
            ("0", reset(3_600), None),
            ("1", reset(7), None),
            ("0", "1793613000".to_owned(), Some(seconds(0))),
            ("0", u64::MAX.to_string(), None),
            ("0", "soon".to_owned(), None),
        ] {
            let header = |name: &str| match name {
                "x-ratelimit-remaining" => Some(remaining),
                "x-ratelimit-reset" => Some(reset.as_str()),
                _ => None,
            };
            assert_eq!(asked(header, now()), wait, "{remaining} {reset}");
        }
    }
}
