//! Addresses below the base of a service: [`BaseUrl`].

use crate::Failure;
use crate::fields::wrong;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but what RFC 3986 calls unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a service is, without a slash at its end.
///
/// Whether it may be reached, and whether by `http`, is the policy's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Reads the field `key` of a definition. Without a scheme it is `https`.
    ///
    /// # Errors
    /// If there can't be anything below this address.
    pub fn parse(key: &str, text: &str) -> Result<Self, Failure> {
        let text = text.trim();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => ("https".to_owned(), text),
        };
        if scheme != "https" && scheme != "http" {
            return Err(wrong(key, "it must begin with `https://`"));
        }
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '\\');
        if rest.contains(is_odd) {
            return Err(wrong(key, "it must be an address without `?`, `#` and blanks"));
        }
        let rest = rest.trim_end_matches('/');
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.is_empty() {
            return Err(wrong(key, "it must have a host"));
        }
        // The message does not repeat it: there may be a password in it.
        if authority.contains('@') {
            return Err(wrong(key, "it must not have a user in it"));
        }
        Ok(Self(format!("{scheme}://{rest}")))
    }

    /// The address of what lies below, each segment percent-encoded.
    pub fn below(&self, segments: &[&str]) -> String {
        let mut url = self.0.clone();
        for segment in segments {
            url.push('/');
            // Encoded or not, `.` and `..` would lead elsewhere; nothing has such a name.
            match *segment {
                "." | ".." => url.push_str("%20"),
                _ => url.extend(utf8_percent_encode(segment, SEGMENT)),
            }
        }
        url
    }

    /// As `below`, with a query.
    pub fn asking(&self, segments: &[&str], query: &[(&str, &str)]) -> String {
        let mut url = self.below(segments);
        for (index, (key, value)) in query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.extend(utf8_percent_encode(key, SEGMENT));
            url.push('=');
            url.extend(utf8_percent_encode(value, SEGMENT));
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Option<String> {
        BaseUrl::parse("baseUrl", text).ok().map(|base| base.0)
    }

    #[test]
    fn a_base_has_a_scheme_and_no_slash_at_its_end() {
        for (text, expected) in [
            ("https://api.github.com", "https://api.github.com"),
            (" https://git.example/api/v3// ", "https://git.example/api/v3"),
            ("HTTP://localhost:8080/", "http://localhost:8080"),
            ("gitlab.com", "https://gitlab.com"),
            ("localhost:8443/x", "https://localhost:8443/x"),
        ] {
            assert_eq!(base(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_base_is_refused_without_repeating_it() {
        for text in [
            "",
            "https://",
            "ftp://x",
            "https:///x",
            "https://user:hunter2@x",
            "https://x?hunter2",
            "https://x#hunter2",
            "https://x/ hunter2",
            "https://x\\hunter2",
        ] {
            let failure = BaseUrl::parse("baseUrl", text).unwrap_err();
            let message = failure.message;
            assert!(message.contains("`baseUrl`") && !message.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_segment_stays_one() {
        let base = BaseUrl::parse("", "https://x").unwrap();
        for (segment, expected) in [
            ("group/project", "https://x/a/group%2Fproject"),
            ("My Project", "https://x/a/My%20Project"),
            ("..", "https://x/a/%20"),
            ("a?b#c%2e", "https://x/a/a%3Fb%23c%252e"),
            ("ü-._~", "https://x/a/%C3%BC-._~"),
        ] {
            assert_eq!(base.below(&["a", segment]), expected);
        }
        let asking = base.asking(&["a"], &[("api-version", "7.1"), ("b", "c&d=e")]);
        assert_eq!(asking, "https://x/a?api-version=7.1&b=c%26d%3De");
    }
}
