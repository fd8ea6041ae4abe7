//! Waiting for something to end: [`Polling`].

use crate::Failure;
use crate::failure::failure;
use crate::host::Host;
use crate::http::CallError;
use std::time::Duration;

/// How often a service may fail to answer in a row. Each time is several tries already.
const TROUBLES_MAX: u32 = 5;

/// How often something is looked at, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polling {
    /// Between two looks.
    pub interval: Duration,
    /// Altogether.
    pub limit: Duration,
}

/// How waiting has ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Polled<T> {
    /// The run is being stopped.
    Aborted,
    /// What was waited for has ended.
    Ended(T),
    /// It has not within the limit.
    TimedOut,
}

impl Default for Polling {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), limit: Duration::from_secs(30 * 60) }
    }
}

impl Polling {
    /// As the policy says: `poll_seconds` between two looks, `poll_minutes` altogether.
    ///
    /// # Errors
    /// If a value is no number within its bounds.
    pub fn configured<H: Host>(host: &H) -> Result<Self, Failure> {
        let Self { interval, limit } = Self::default();
        Ok(Self {
            interval: configured(host, "poll_seconds", 1, 600)?.unwrap_or(interval),
            limit: configured(host, "poll_minutes", 60, 7 * 24 * 60)?.unwrap_or(limit),
        })
    }

    /// The limit, for people.
    pub fn limit_in_words(&self) -> String {
        let seconds = self.limit.as_secs();
        if seconds >= 60 && seconds.is_multiple_of(60) {
            format!("{} minutes", seconds / 60)
        } else {
            let text = format!("{seconds}.{:03}", self.limit.subsec_millis());
            format!("{} seconds", text.trim_end_matches('0').trim_end_matches('.'))
        }
    }

    /// Looks until `look` has found the end. Services that have trouble now and then are given time.
    ///
    /// # Errors
    /// What `look` answers, unless it is trouble that passes.
    pub fn wait<H: Host, T>(
        &self,
        host: &H,
        mut look: impl FnMut() -> Result<Option<T>, CallError>,
    ) -> Result<Polled<T>, CallError> {
        let deadline = host.uptime() + self.limit;
        let mut troubles = 0;
        loop {
            match look() {
                Ok(Some(found)) => return Ok(Polled::Ended(found)),
                Ok(None) => troubles = 0,
                Err(error) if error.is_aborted() => return Ok(Polled::Aborted),
                Err(error) if error.is_passing() && troubles + 1 < TROUBLES_MAX => troubles += 1,
                Err(error) => return Err(error),
            }
            let left = deadline.saturating_sub(host.uptime());
            if host.pause(self.interval.min(left)) {
                return Ok(Polled::Aborted);
            }
            if left.is_zero() {
                return Ok(Polled::TimedOut);
            }
        }
    }
}

/// In thousandths. Against a loop that hardly waits between two looks.
const LEAST: u64 = 50;

/// A value of the policy, in units of so many seconds.
fn configured<H: Host>(
    host: &H,
    key: &str,
    unit: u64,
    most: u64,
) -> Result<Option<Duration>, Failure> {
    let Some(text) = host.configured(key) else { return Ok(None) };
    let number = thousandths(text.trim()).filter(|number| (LEAST..=most * 1_000).contains(number));
    number.map(|number| Some(Duration::from_millis(number * unit))).ok_or_else(|| {
        failure(format!(
            "The value `{key}` in the policy of this runner must be a number from 0.05 to {most}, with three decimals at most. Please ask the platform team to correct it."
        ))
    })
}

/// Reads a decimal number. Not as a float: that takes a table of 10 KiB, which each run that waits would have in its memory.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > 3 {
        return None;
    }
    let decimals: u64 = format!("{decimals:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(decimals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SendError;
    use crate::scripted::Script;

    fn trouble() -> Result<Option<u8>, CallError> {
        Err(SendError::Network("reset".to_owned()).into())
    }

    #[test]
    fn it_looks_at_once_and_then_every_interval() {
        let host = Script::silent();
        let mut looks = Vec::new();
        let polled = Polling::default().wait(&host, || {
            looks.push(host.uptime().as_secs());
            Ok((looks.len() == 3).then_some(1))
        });
        assert_eq!(polled.unwrap(), Polled::Ended(1));
        assert_eq!(looks, [0, 10, 20]);
    }

    #[test]
    fn it_looks_a_last_time_at_the_limit() {
        let host = Script::silent();
        let polling = Polling { limit: Duration::from_secs(25), ..Polling::default() };
        let mut looks = Vec::new();
        let polled = polling.wait::<_, u8>(&host, || {
            looks.push(host.uptime().as_secs());
            Ok(None)
        });
        assert_eq!(polled.unwrap(), Polled::TimedOut);
        assert_eq!(looks, [0, 10, 20, 25]);
    }

    #[test]
    fn an_abort_ends_the_wait_at_once() {
        let host = Script::silent();
        host.abort_after(Duration::from_secs(13));
        let polled = Polling::default().wait::<_, u8>(&host, || Ok(None));
        assert_eq!(polled.unwrap(), Polled::Aborted);
        assert_eq!(host.uptime().as_secs(), 13);
    }

    #[test]
    fn trouble_may_pass_but_not_for_ever() {
        let host = Script::silent();
        let mut looks = 0;
        let polled = Polling::default().wait(&host, || {
            looks += 1;
            if looks % 5 == 0 { Ok((looks == 15).then_some(1)) } else { trouble() }
        });
        assert_eq!(polled.unwrap(), Polled::Ended(1));
        assert!(Polling::default().wait(&host, trouble).is_err());
        let refused = || Err::<Option<u8>, _>(CallError::Refused(failure("no")));
        assert!(Polling::default().wait(&host, refused).is_err());
    }

    #[test]
    fn a_wrong_value_in_the_policy_is_named() {
        for value in [
            "0",
            "0.01",
            "x",
            "-1",
            "601",
            "inf",
            "NaN",
            "",
            "1.",
            ".5",
            "1.2345",
            "99999999999999999999",
        ] {
            let host = Script::silent().configure("poll_seconds", value);
            let message = Polling::configured(&host).unwrap_err().message;
            assert!(message.contains("`poll_seconds`"), "{value}");
        }
        let host = Script::silent().configure("poll_minutes", "90");
        let polling = Polling::configured(&host).unwrap();
        assert_eq!(polling.limit, Duration::from_secs(5_400));
        assert_eq!(polling.interval, Polling::default().interval);
        let host = Script::silent().configure("poll_seconds", "2.5");
        let host = host.configure("poll_minutes", "0.05");
        let polling = Polling::configured(&host).unwrap();
        assert_eq!(polling.interval, Duration::from_millis(2_500));
        assert_eq!(polling.limit, Duration::from_secs(3));
    }

    #[test]
    fn a_limit_is_told_in_words() {
        for (seconds, words) in [(1_800, "30 minutes"), (90, "90 seconds"), (3, "3 seconds")] {
            let polling = Polling { limit: Duration::from_secs(seconds), ..Polling::default() };
            assert_eq!(polling.limit_in_words(), words);
        }
        let polling = Polling { limit: Duration::from_millis(2_500), ..Polling::default() };
        assert_eq!(polling.limit_in_words(), "2.5 seconds");
    }
}
