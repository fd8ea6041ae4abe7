//! Parsers for the kinds of values that many settings share: bounded whole numbers, durations, yes or no, addresses.

use std::time::Duration;

use url::Url;

use super::reader::Complaint;

/// A whole number with its bounds, default and unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    pub(super) default: u64,
    pub(super) min: u64,
    pub(super) max: u64,
    /// What is counted; shown in messages.
    pub(super) unit: &'static str,
}

/// A duration with its bounds and default.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) default: Duration,
    pub(super) min: Duration,
    pub(super) max: Duration,
}

impl Whole {
    pub(super) fn parse(&self, text: &str) -> Result<u64, Complaint> {
        let Self { min, max, unit, .. } = self;
        let value: u64 = text
            .trim()
            .parse()
            .map_err(|_| Complaint::from(format!("must be a positive whole number ({unit})")))?;
        if (*min..=*max).contains(&value) {
            return Ok(value);
        }
        Err(Complaint::from(format!("must be from {min} to {max} ({unit})")))
    }
}

impl Span {
    /// Reads a duration with units, such as `90s` or `1h 30m`.
    pub(super) fn parse(&self, text: &str) -> Result<Duration, Complaint> {
        let example = "write a number with its unit, such as `30s` or `1h 30m`";
        let value = humantime::parse_duration(text.trim())
            .map_err(|_| Complaint::from("must be a duration").hint(example))?;
        self.bounded(value)
    }

    /// Reads a bare number of `unit`s: the form of the older keys, which carry their unit in their name.
    pub(super) fn parse_count(&self, text: &str, unit: Duration) -> Result<Duration, Complaint> {
        let name = if unit == Duration::from_secs(60) { "minutes" } else { "seconds" };
        let complaint = || Complaint::from(format!("must be a positive whole number ({name})"));
        let count: u32 = text.trim().parse().map_err(|_| complaint())?;
        self.bounded(unit.checked_mul(count).ok_or_else(complaint)?)
    }

    fn bounded(&self, value: Duration) -> Result<Duration, Complaint> {
        if (self.min..=self.max).contains(&value) {
            return Ok(value);
        }
        let (min, max) =
            (humantime::format_duration(self.min), humantime::format_duration(self.max));
        Err(Complaint::from(format!("must be from {min} to {max}")))
    }
}

/// Reads yes or no, in all the spellings that YAML had over time.
pub(super) fn yes_or_no(text: &str) -> Result<bool, Complaint> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Ok(true),
        "false" | "no" | "off" | "n" => Ok(false),
        _ => Err(Complaint::from("must be `true` or `false`")),
    }
}

/// Reads an address of the web: `http` or `https`, with a host, without query and fragment.
pub(super) fn web_url(text: &str) -> Result<Url, Complaint> {
    let text = text.trim();
    let with_scheme = |example| Complaint::from("must be an absolute URL").hint(example);
    let url =
        Url::parse(text).map_err(|_| with_scheme("such as `https://meshstack.example.com`"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Complaint::from("must be an `https` or `http` URL"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(Complaint::from("must be a URL with a host"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Complaint::from("must be a URL without query (`?`) and fragment (`#`)"));
    }
    Ok(url)
}

/// Whether traffic to this host stays on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUEL: Whole = Whole { default: 5, min: 1, max: 10, unit: "million instructions" };
    const WAIT: Span = Span {
        default: Duration::from_secs(1),
        min: Duration::from_millis(100),
        max: Duration::from_secs(3600),
    };

    #[test]
    fn whole_numbers_are_checked_against_both_bounds() {
        assert_eq!(FUEL.parse(" 10 "), Ok(10));
        for text in ["0", "11", "18446744073709551615"] {
            let error = FUEL.parse(text).unwrap_err();
            assert_eq!(error.message, "must be from 1 to 10 (million instructions)", "{text}");
        }
        for text in ["", "x", "-1", "1.5", "1e3", "0x10", "18446744073709551616"] {
            let error = FUEL.parse(text).unwrap_err();
            assert!(error.message.starts_with("must be a positive whole number"), "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(WAIT.parse("1m 30s"), Ok(Duration::from_secs(90)));
        assert!(WAIT.parse("30").unwrap_err().hint.unwrap().contains("30s"));
        assert_eq!(WAIT.parse("2h").unwrap_err().message, "must be from 100ms to 1h");
        assert!(WAIT.parse("99999999999999999999y").is_err());
    }

    #[test]
    fn bare_counts_take_the_unit_of_their_key() {
        let minute = Duration::from_secs(60);
        assert_eq!(WAIT.parse_count("5", minute), Ok(Duration::from_secs(300)));
        assert_eq!(WAIT.parse_count("61", minute).unwrap_err().message, "must be from 100ms to 1h");
        assert!(WAIT.parse_count("5m", minute).unwrap_err().message.contains("minutes"));
        assert!(WAIT.parse_count("-1", minute).is_err());
    }

    #[test]
    fn yes_and_no_have_many_spellings() {
        for text in ["true", "True", "YES", "on"] {
            assert_eq!(yes_or_no(text), Ok(true), "{text}");
        }
        for text in ["false", "no", "Off"] {
            assert_eq!(yes_or_no(text), Ok(false), "{text}");
        }
        assert!(yes_or_no("1").is_err());
    }

    #[test]
    fn urls_of_other_kinds_are_refused() {
        for text in
            ["", "meshstack.io", "ftp://x", "http://", "https://x?a", "https://x#a", "data:,x"]
        {
            assert!(web_url(text).is_err(), "{text}");
        }
        assert_eq!(web_url("https://x:8443/y/").unwrap().as_str(), "https://x:8443/y/");
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for text in ["http://localhost:1", "http://127.0.0.1", "http://[::1]", "http://a.localhost"]
        {
            assert!(is_loopback(&Url::parse(text).unwrap()), "{text}");
        }
        for text in ["http://localhost.example.com", "http://10.0.0.1", "http://[fe80::1]"] {
            assert!(!is_loopback(&Url::parse(text).unwrap()), "{text}");
        }
    }
}
