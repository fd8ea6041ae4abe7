//! Which repositories a rule names: [`RepositoryPattern`], and the one form in which locations are compared.

use crate::host_pattern::HostPattern;
use crate::mistake::quoted;
use crate::pattern::Pattern;
use crate::reader::Complaint;
use crate::target::{Host, parse_host, parse_port, split_port};
use std::fmt;

/// Schemes of repositories, and their ports.
const SCHEMES: &[(&str, Option<u16>)] =
    &[("file", None), ("http", Some(80)), ("https", Some(443)), ("ssh", Some(22))];

/// What `"*"` stands for: what checks who the server is.
const SAFE: &[&str] = &["https", "ssh"];

/// An entry of `repositories`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RepositoryPattern {
    /// `*`: everything by https and ssh.
    Any,
    /// `https://github.com/acme/*`
    At(PlacePattern),
}

/// Scheme, user, host, port and path of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlacePattern {
    scheme: String,
    /// `None`: any, or none at all.
    user: Option<String>,
    /// `None`: this machine.
    host: Option<HostPattern>,
    /// `None`: the scheme has none.
    port: Option<u16>,
    path: Pattern,
}

/// Where something is, taken apart. Nothing in it is repaired.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place<'t> {
    pub(super) scheme: &'t str,
    pub(super) user: Option<&'t str>,
    /// `None`: this machine.
    pub(super) host: Option<Host>,
    pub(super) port: Option<u16>,
    pub(super) path: &'t str,
}

impl RepositoryPattern {
    /// Whether this grants a repository by the canonical form of its URL; no other form is granted by anything.
    pub(crate) fn matches(&self, url: &str) -> bool {
        let Some(place) = Place::canonical(url) else { return false };
        match self {
            Self::Any => SAFE.contains(&place.scheme),
            Self::At(pattern) => pattern.matches(&place),
        }
    }

    /// Whether this matches every repository that `other` matches. In doubt, no.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, Self::Any) => true,
            (Self::Any, Self::At(narrow)) => SAFE.contains(&&*narrow.scheme),
            (Self::At(wide), Self::At(narrow)) => wide.covers(narrow),
            (Self::At(_), Self::Any) => false,
        }
    }

    /// The scheme that it names.
    pub(crate) fn scheme(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::At(pattern) => Some(&pattern.scheme),
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        if text == "*" {
            return Ok(Self::Any);
        }
        PlacePattern::parse(text, SCHEMES).map(Self::At)
    }
}

impl fmt::Display for RepositoryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::At(pattern) => pattern.fmt(f),
        }
    }
}

impl PlacePattern {
    pub(super) fn matches(&self, place: &Place<'_>) -> bool {
        let is_host = match (&self.host, &place.host) {
            (None, None) => true,
            (Some(pattern), Some(host)) => pattern.matches(host),
            _ => false,
        };
        // SECURITY: terraform::repositories_are_granted_by_scheme_user_host_port_and_path
        is_host
            && self.scheme == place.scheme
            && self.user.as_deref().is_none_or(|user| Some(user) == place.user)
            && self.port == place.port
            && self.path.matches(without_suffix(place.path))
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        let is_host = match (&self.host, &other.host) {
            (None, None) => true,
            (Some(wide), Some(narrow)) => wide.covers(narrow),
            _ => false,
        };
        is_host
            && self.scheme == other.scheme
            && (self.user.is_none() || self.user == other.user)
            && self.port == other.port
            && self.path.covers(&other.path)
    }

    pub(super) fn parse(text: &str, schemes: &[(&str, Option<u16>)]) -> Result<Self, Complaint> {
        let example = "write `https://github.com/acme/*`";
        let Some((scheme, rest)) = text.split_once("://") else {
            let message = format!("{} has no scheme", quoted(text));
            let is_scp = text.contains('@') && text.contains(':');
            let hint =
                if is_scp { "write `ssh://git@host/path` for `git@host:path`" } else { example };
            return Err(Complaint::new(message).with_hint(hint));
        };
        let Some((_, default)) = schemes.iter().find(|(known, _)| *known == scheme) else {
            let names: Vec<_> = schemes.iter().map(|(name, _)| format!("`{name}://`")).collect();
            let message =
                format!("{} does not begin with one of {}", quoted(text), names.join(", "));
            return Err(Complaint::new(message));
        };
        let Some((authority, path)) = rest.split_once('/').filter(|(_, path)| !path.is_empty())
        else {
            let message = format!("{} has no path", quoted(text));
            return Err(Complaint::new(message).with_hint("end it with `/*` for every path"));
        };
        if let Err(why) = check_path(path) {
            return Err(Complaint::new(format!("the path of {} {why}", quoted(text))));
        }
        let path = Pattern::new(without_suffix(path));
        let scheme = scheme.to_owned();
        let Some(default) = *default else {
            if !authority.is_empty() {
                return Err(Complaint::new(format!("{} has a host", quoted(text)))
                    .with_hint("a file has none: write `file:///srv/git/*`"));
            }
            return Ok(Self { scheme, user: None, host: None, port: None, path });
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if let Some(user) = user {
            let hint = "leave the user out for every user";
            if scheme != "ssh" {
                let message = format!("{} has a user, which only ssh has", quoted(text));
                return Err(Complaint::new(message).with_hint("leave it out"));
            }
            if !is_user(user) {
                let message = format!("{} has a user that can't be", quoted(text));
                return Err(Complaint::new(message).with_hint(hint));
            }
        }
        let wrong_port = |_| Complaint::new(format!("{} has a port that is none", quoted(text)));
        let (host, port) = split_port(host).map_err(wrong_port)?;
        let port = port.map(parse_port).transpose().map_err(wrong_port)?;
        let host = HostPattern::parse(host)?;
        let user = user.map(ToOwned::to_owned);
        Ok(Self { scheme, user, host: Some(host), port: Some(port.unwrap_or(default)), path })
    }
}

impl fmt::Display for PlacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if let Some(host) = &self.host {
            host.fmt(f)?;
        }
        if self.port != default_port(&self.scheme)
            && let Some(port) = self.port
        {
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.path)
    }
}

impl<'t> Place<'t> {
    /// Takes the canonical URL of a repository apart. `None` for any other text.
    pub(super) fn canonical(url: &'t str) -> Option<Self> {
        let place = Self::split(url)?;
        let (scheme, authority) = (place.scheme, authority(url)?);
        let default = SCHEMES.iter().find(|(known, _)| *known == scheme)?.1;
        // SECURITY: terraform::what_is_not_the_canonical_url_of_a_repository_is_granted_by_nothing
        let mut expected = String::new();
        if let Some(user) = place.user.filter(|_| scheme == "ssh") {
            expected = format!("{user}@");
        }
        if let Some(host) = &place.host {
            expected.push_str(&host.to_string());
        }
        if let Some(port) = place.port.filter(|port| Some(*port) != default) {
            expected = format!("{expected}:{port}");
        }
        (expected == authority && place.host.is_some() == default.is_some()).then_some(place)
    }

    /// Takes a URL apart: `scheme://[user@]host[:port]/path`.
    pub(super) fn split(url: &'t str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_once('/')?;
        check_path(path).ok()?;
        if scheme == "file" {
            let is_local = authority.is_empty();
            return is_local.then_some(Self { scheme, user: None, host: None, port: None, path });
        }
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if user.is_some_and(|user| !is_user(user)) {
            return None;
        }
        let (host, port) = split_port(host).ok()?;
        // A percent sign would be decoded, and by others perhaps not.
        let host = Some(host).filter(|host| !host.contains('%'))?;
        let host = parse_host(host).ok()?;
        let port = match port {
            Some(port) => Some(parse_port(port).ok()?),
            None => default_port(scheme),
        };
        Some(Self { scheme, user, host: Some(host), port, path })
    }
}

fn authority(url: &str) -> Option<&str> {
    url.split_once("://")?.1.split_once('/').map(|(authority, _)| authority)
}

fn default_port(scheme: &str) -> Option<u16> {
    let known = SCHEMES.iter().chain(&[("git", Some(9418))]);
    known.into_iter().find(|(known, _)| *known == scheme).and_then(|(_, port)| *port)
}

fn is_user(user: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-+".contains(&b);
    !user.is_empty() && !user.starts_with('-') && user.bytes().all(is_plain)
}

/// `repository` and `repository.git` are one: servers take both names, and what is fetched is asked for by either.
fn without_suffix(path: &str) -> &str {
    let bare = path.strip_suffix(".git").unwrap_or(path);
    if bare.is_empty() || bare.ends_with('/') { path } else { bare }
}

/// A path without its first `/` that has one spelling only, or why it hasn't.
pub(super) fn check_path(path: &str) -> Result<(), &'static str> {
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("has an empty segment, `.` or `..`");
    }
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || match rest.next() {
                Some(byte @ (b'0'..=b'9' | b'A'..=b'F')) => char::from(byte).to_digit(16),
                _ => None,
            };
            let decoded = digit().zip(digit()).map(|(high, low)| high * 16 + low);
            let decoded = decoded.and_then(|byte| u8::try_from(byte).ok());
            // What is plain is written plainly; what is structure is never hidden.
            let is_fine =
                |byte: &u8| !is_plain(*byte) && *byte != b'\\' && !byte.is_ascii_control();
            decoded
                .filter(is_fine)
                .ok_or("has a percent sign that encodes what needn't or mustn't be")?;
        } else if !is_plain(byte) {
            return Err("has a character that must be percent-encoded");
        }
    }
    Ok(())
}

/// Stands for itself in a path.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
}
