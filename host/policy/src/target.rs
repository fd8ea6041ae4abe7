//! Where a request goes: [`Target`], in the one form in which it is compared.

use core::net::IpAddr;
use std::fmt;
use std::sync::Arc;

/// Longest authority that is looked at. A name has at most 253 characters; the rest is for forms that shrink.
const MAX_AUTHORITY_BYTES: usize = 1024;
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

/// A name or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An IP literal, as it was given: not unwrapped by [`canonical`](crate::canonical).
    Ip(IpAddr),
    /// A DNS name: ASCII, lower case, without a trailing dot, only letters, digits, `-` and `_` in its labels.
    Name(Arc<str>),
}

/// Where a request goes, canonical: two requests that reach the same place by name have equal targets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    scheme: Scheme,
    host: Host,
    port: u16,
}

/// Why a scheme and an authority are not a [`Target`]. Quotes nothing: the text is a component's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// A character that no authority may hold: percent signs (and with them zone ids), white space, control characters,
    /// `/`, `\`, `?` and `#`.
    #[error("the authority holds a character that is not allowed")]
    Character,
    /// There is no host.
    #[error("the host is empty")]
    EmptyHost,
    /// Neither a DNS name nor an address.
    #[error("the host is not a valid name or address")]
    Host,
    /// Not a number from 1 to 65535 in plain decimal digits.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// Neither `http` nor `https`.
    #[error("the scheme is not `http` or `https`")]
    Scheme,
    /// User name or password before the host.
    #[error("user names and passwords are not allowed in the authority")]
    Userinfo,
}

impl Scheme {
    /// The port when the authority has none.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// As in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(address)) => address.fmt(f),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Target {
    /// Reads the scheme (upper or lower case) and the authority (`host`, `host:port`, `[v6]:port`) of a request.
    ///
    /// Hosts are read as browsers do (WHATWG): `0x7f.1` and `2130706433` are 127.0.0.1, names go through IDNA.
    ///
    /// # Errors
    /// [`TargetError`] for anything in doubt; nothing is repaired but case, IDNA and one trailing dot.
    pub fn parse(scheme: &str, authority: &str) -> Result<Self, TargetError> {
        let scheme = if scheme.eq_ignore_ascii_case("https") {
            Scheme::Https
        } else if scheme.eq_ignore_ascii_case("http") {
            Scheme::Http
        } else {
            return Err(TargetError::Scheme);
        };
        // SECURITY: target::what_is_not_plainly_host_and_port_is_refused
        if authority.contains('@') {
            return Err(TargetError::Userinfo);
        }
        let is_odd = |c: char| c.is_control() || c.is_whitespace() || r"%/\?#".contains(c);
        if authority.contains(is_odd) {
            return Err(TargetError::Character);
        }
        if authority.len() > MAX_AUTHORITY_BYTES {
            return Err(TargetError::Host);
        }
        let (host, port) = split_port(authority)?;
        let port = port.map_or_else(|| Ok(scheme.default_port()), parse_port)?;
        Ok(Self { scheme, host: parse_host(host)?, port })
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port: given, or the scheme's own.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<&str>), TargetError> {
    if authority.starts_with('[') {
        let end = authority.find(']').ok_or(TargetError::Host)?;
        let (host, rest) = authority.split_at_checked(end + 1).ok_or(TargetError::Host)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(TargetError::Host),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

/// Digits only, no leading zero: others read `:080` and `:+80` in other ways.
pub(crate) fn parse_port(text: &str) -> Result<u16, TargetError> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain).ok_or(TargetError::Port)
}

/// A name or an address in canonical form.
pub(crate) fn parse_host(text: &str) -> Result<Host, TargetError> {
    if text.is_empty() {
        return Err(TargetError::EmptyHost);
    }
    match url::Host::parse(text) {
        Err(url::ParseError::EmptyHost) => Err(TargetError::EmptyHost),
        Err(_) => Err(TargetError::Host),
        Ok(url::Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            if name.is_empty() {
                return Err(TargetError::EmptyHost);
            }
            if is_dns_name(name) { Ok(Host::Name(name.into())) } else { Err(TargetError::Host) }
        }
        Ok(url::Host::Ipv4(address)) => Ok(Host::Ip(address.into())),
        Ok(url::Host::Ipv6(address)) => Ok(Host::Ip(address.into())),
    }
}

fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    name.len() <= MAX_NAME_BYTES && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests;
