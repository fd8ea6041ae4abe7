//! Which hosts a rule names: [`HostPattern`].

use std::fmt;

use core::net::IpAddr;
use ipnet::IpNet;

use crate::address;
use crate::mistake::quoted;
use crate::reader::Complaint;
use crate::target::{Host, parse_host};

/// Names of one label that organisations put their own names under; `*.` before any other one means half the internet.
const PRIVATE_SUFFIXES: &[&str] =
    &["corp", "home", "internal", "lan", "local", "localhost", "test"];

/// An entry of `hosts`. Names never match addresses, and addresses never match names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    /// `*`: every name.
    Any,
    /// IP literals in URLs; the CIDR grant for them, too.
    Net(IpNet),
    /// This name.
    Name(String),
    /// `*.example.com`, held as `.example.com`: every name below it, however deep, but not itself.
    Under(String),
}

impl HostPattern {
    pub(crate) fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, Host::Name(_)) => true,
            (Self::Name(wanted), Host::Name(name)) => **wanted == **name,
            // SECURITY: host_pattern::names_and_wildcards_match_as_written
            (Self::Under(end), Host::Name(name)) => {
                name.len() > end.len() && name.ends_with(end.as_str())
            }
            (Self::Net(net), Host::Ip(address)) => {
                net.contains(address) || net.contains(&address::canonical(*address))
            }
            _ => false,
        }
    }

    /// Whether this matches every host that `other` matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, Self::Any | Self::Name(_) | Self::Under(_)) => true,
            (Self::Net(wide), Self::Net(narrow)) => wide.contains(narrow),
            (Self::Under(end), Self::Name(name) | Self::Under(name)) => {
                (name == end && matches!(other, Self::Under(_)))
                    || (name.len() > end.len() && name.ends_with(end.as_str()))
            }
            (Self::Name(wide), Self::Name(narrow)) => wide == narrow,
            _ => false,
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.contains("://") {
            return Err(Complaint::new(format!("{} is a URL, not a host", quoted(text)))
                .with_hint("write the host alone; `schemes` and `ports` are keys of their own"));
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if bare.contains('/') || bare.parse::<IpAddr>().is_ok() {
            let net = parse_net(bare)?;
            address::check_literal(&net)
                .map_err(|what| Complaint::new(format!("{} {what}", quoted(bare))))?;
            return Ok(Self::Net(net));
        }
        let (is_wild, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.contains('*') {
            let message = format!("{} has a `*` that is not the first label", quoted(text));
            return Err(Complaint::new(message).with_hint("write `*.example.com`"));
        }
        if text.contains(':') {
            let message = format!("{} is not a host", quoted(text));
            return Err(Complaint::new(message).with_hint("ports are a key of their own: `ports`"));
        }
        match parse_host(name) {
            _ if name.contains(|c: char| c == '%' || c.is_whitespace()) => Err(bad(text)),
            Ok(Host::Ip(address)) => {
                let complaint = Complaint::new(format!("{} is not a host name", quoted(text)));
                Err(if is_wild {
                    complaint
                } else {
                    complaint.with_hint(format!("as an address it is `{address}`"))
                })
            }
            Ok(Host::Name(name)) if !is_wild => Ok(Self::Name(String::from(&*name))),
            Ok(Host::Name(name)) => {
                if !name.contains('.') && !PRIVATE_SUFFIXES.contains(&&*name) {
                    let message = format!("{} is wider than one organisation", quoted(text));
                    let hint = "write more of the name, or `*` for every host";
                    return Err(Complaint::new(message).with_hint(hint));
                }
                Ok(Self::Under(format!(".{name}")))
            }
            Err(_) => Err(bad(text)),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Name(name) => f.write_str(name),
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => {
                Host::Ip(net.addr()).fmt(f)
            }
            Self::Net(net) => net.fmt(f),
            Self::Under(end) => write!(f, "*{end}"),
        }
    }
}

fn bad(text: &str) -> Complaint {
    Complaint::new(format!("{} is not a host name", quoted(text)))
}

/// An address or a CIDR whose bits behind the prefix are zero.
pub(crate) fn parse_net(text: &str) -> Result<IpNet, Complaint> {
    let bad = || {
        Complaint::new(format!("{} is not an address or CIDR", quoted(text)))
            .with_hint("write `10.1.0.0/16` or `fd00::/8`")
    };
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| bad())?;
    let Some(prefix) = prefix else { return Ok(IpNet::from(address)) };
    let is_plain = prefix.bytes().all(|b| b.is_ascii_digit());
    let prefix: u8 = prefix.parse().ok().filter(|_| is_plain).ok_or_else(bad)?;
    let net = IpNet::new(address, prefix).map_err(|_| bad())?;
    if net.trunc() != net {
        let message = format!("{} has bits behind its prefix", quoted(text));
        return Err(Complaint::new(message).with_hint(format!("write `{}`", net.trunc())));
    }
    Ok(net)
}

/// An entry of `private`.
pub(crate) fn parse_private(text: &str) -> Result<IpNet, Complaint> {
    let net = parse_net(text)?;
    match address::check_private(&net) {
        Ok(()) => Ok(net),
        Err(what) => Err(Complaint::new(format!("{} {what}", quoted(text)))),
    }
}

#[cfg(test)]
mod tests;
