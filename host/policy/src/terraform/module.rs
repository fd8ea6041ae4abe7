//! Which modules from outside of the repository a rule names: [`ModulePattern`].

use super::repository::{Place, PlacePattern, check_path};
use crate::host_pattern::HostPattern;
use crate::mistake::quoted;
use crate::pattern::Pattern;
use crate::reader::Complaint;
use crate::target::{Host, parse_host, parse_port, split_port};
use std::fmt;

/// Schemes of sources, and their ports.
const SCHEMES: &[(&str, Option<u16>)] = &[
    ("file", None),
    ("git", Some(9418)),
    ("http", Some(80)),
    ("https", Some(443)),
    ("ssh", Some(22)),
];

/// An entry of `modules`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModulePattern {
    /// `*`: every module.
    Any,
    /// `registry.terraform.io/acme/*`: from a registry.
    Registry {
        /// The registry.
        host: HostPattern,
        /// Its port.
        port: u16,
        /// Namespace, name and provider.
        path: Pattern,
    },
    /// `git::https://github.com/acme/*`: fetched from a place.
    Remote {
        /// How, such as `git`; empty for archives by https.
        getter: String,
        /// From where.
        place: PlacePattern,
    },
}

/// A module's source as `modules.json` has it, without the folder in it and without its query.
enum Source<'t> {
    /// In the configuration itself.
    Local,
    Registry {
        host: Host,
        port: u16,
        path: &'t str,
    },
    Remote {
        getter: &'t str,
        place: Place<'t>,
    },
}

impl ModulePattern {
    /// Whether this grants a source. Sources that can't be understood are granted by `*` only.
    pub(crate) fn matches(&self, source: &str) -> bool {
        let lower = lower_scheme(source);
        match (self, Source::read(lower.as_deref().unwrap_or(source))) {
            (Self::Any, _) | (_, Some(Source::Local)) => true,
            (
                Self::Registry { host, port, path },
                Some(Source::Registry { host: asked, port: asked_port, path: asked_path }),
            ) => host.matches(&asked) && *port == asked_port && path.matches(asked_path),
            (
                Self::Remote { getter, place },
                Some(Source::Remote { getter: asked, place: asked_place }),
            ) => getter == asked && place.matches(&asked_place),
            _ => false,
        }
    }

    /// Whether this matches every source that `other` matches. In doubt, no.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (
                Self::Registry { host, port, path },
                Self::Registry { host: narrow, port: narrow_port, path: narrow_path },
            ) => host.covers(narrow) && port == narrow_port && path.covers(narrow_path),
            (
                Self::Remote { getter, place },
                Self::Remote { getter: narrow, place: narrow_place },
            ) => getter == narrow && place.covers(narrow_place),
            _ => false,
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.starts_with('.') {
            return Err(Complaint::new(format!("{} is in the repository itself", quoted(text)))
                .with_hint("local modules need no grant"));
        }
        let (getter, url) = split_getter(text);
        if url.contains("://") {
            if url.contains(['?', '#']) {
                let message = format!("{} has a query or a fragment", quoted(text));
                return Err(Complaint::new(message).with_hint("leave it out; any query is granted"));
            }
            let place = PlacePattern::parse(url, SCHEMES)?;
            return Ok(Self::Remote { getter: getter.to_owned(), place });
        }
        let hint = "write `registry.terraform.io/acme/*`, `git::https://github.com/acme/*` or `https://example.com/modules/*`";
        let wrong = |why: &str| Complaint::new(format!("{} {why}", quoted(text))).with_hint(hint);
        if !getter.is_empty() {
            return Err(wrong("has no scheme"));
        }
        let Some((host, path)) = url.split_once('/').filter(|(host, _)| is_registry(host)) else {
            return Err(wrong("names no registry"));
        };
        let is_fine =
            |segment: &str| !segment.is_empty() && segment.bytes().all(|b| b == b'*' || is_name(b));
        if path.split('/').count() > 3 || !path.split('/').all(is_fine) {
            return Err(wrong("is not a registry with namespace, name and provider"));
        }
        let (host, port) = split_port(host).map_err(|_| wrong("has a port that is none"))?;
        let port =
            port.map(parse_port).transpose().map_err(|_| wrong("has a port that is none"))?;
        let (host, port) = (HostPattern::parse(host)?, port.unwrap_or(443));
        Ok(Self::Registry { host, port, path: Pattern::new(path) })
    }
}

impl fmt::Display for ModulePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Registry { host, port: 443, path } => write!(f, "{host}/{path}"),
            Self::Registry { host, port, path } => write!(f, "{host}:{port}/{path}"),
            Self::Remote { getter, place } if getter.is_empty() => place.fmt(f),
            Self::Remote { getter, place } => write!(f, "{getter}::{place}"),
        }
    }
}

impl<'t> Source<'t> {
    /// `None` for what can't be understood, or has more than one spelling.
    fn read(text: &'t str) -> Option<Self> {
        // The root of the configuration has the empty source.
        if text.is_empty() || text.starts_with("./") || text.starts_with("../") {
            return Some(Self::Local);
        }
        // SECURITY: terraform::module::sources_that_only_look_granted_are_not
        let text = text.split(['?', '#']).next().unwrap_or_default();
        let (getter, url) = split_getter(text);
        let (start, is_remote) = match url.find("://") {
            Some(at) => (at + "://".len(), true),
            None => (0, false),
        };
        let (module, folder) = match url.get(start..)?.find("//") {
            Some(at) => (url.get(..start + at)?, url.get(start + at + 2..)?),
            None => (url, ""),
        };
        if !folder.is_empty() && check_path(folder).is_err() {
            return None;
        }
        if is_remote {
            let place = Place::split(module)?;
            SCHEMES.iter().find(|(scheme, _)| *scheme == place.scheme)?;
            return Some(Self::Remote { getter, place });
        }
        let (host, path) = module.split_once('/').filter(|(host, _)| is_registry(host))?;
        let mut segments = path.split('/');
        let is_fine = |segment: &str| !segment.is_empty() && segment.bytes().all(is_name);
        if !getter.is_empty() || segments.clone().count() != 3 || !segments.all(is_fine) {
            return None;
        }
        let (host, port) = split_port(host).ok()?;
        let port = port.map(parse_port).transpose().ok()?.unwrap_or(443);
        Some(Self::Registry { host: parse_host(host).ok()?, port, path })
    }
}

/// The same with its scheme in lower case, if that is another text.
fn lower_scheme(source: &str) -> Option<String> {
    let at = source.find("://")?;
    let (scheme, rest) = source.split_at_checked(at)?;
    let is_upper = scheme.bytes().any(|b| b.is_ascii_uppercase());
    is_upper.then(|| format!("{}{rest}", scheme.to_ascii_lowercase()))
}

/// `git::https://…`: how and from where.
fn split_getter(text: &str) -> (&str, &str) {
    let is_getter = |getter: &str| {
        !getter.is_empty() && getter.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.split_once("::").filter(|(getter, _)| is_getter(getter)).unwrap_or(("", text))
}

/// Registries have a name with a dot, or a port; `hashicorp/consul/aws` has been given its registry's before.
fn is_registry(host: &str) -> bool {
    host == "localhost" || host.contains(['.', ':'])
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_".contains(&byte)
}

/// A source fit to be shown: a query may hold a key, and what stands before a host a password.
pub(super) fn shown(source: &str) -> String {
    let text = source.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) =
        rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, source: &str) -> bool {
        ModulePattern::parse(pattern).expect(pattern).matches(source)
    }

    #[test]
    fn sources_are_granted_as_modules_json_has_them() {
        for (pattern, source) in [
            ("*", "git::https://example.com/anything.git"),
            ("*", "what is this"),
            ("registry.terraform.io/acme/*", "registry.terraform.io/acme/vpc/aws"),
            ("registry.terraform.io/acme/*", "registry.terraform.io/acme/vpc/aws//modules/subnet"),
            ("registry.terraform.io/acme/*", "Registry.Terraform.io/acme/vpc/aws"),
            ("registry.corp.example:8443/*", "registry.corp.example:8443/a/b/c"),
            ("git::https://github.com/acme/*", "git::https://github.com/acme/vpc.git"),
            (
                "git::https://github.com/acme/*",
                "git::https://github.com/acme/vpc.git//sub?ref=v1&sshkey=x",
            ),
            ("git::https://github.com/acme/*", "git::https://me@github.com:443/acme/vpc"),
            ("git::https://github.com/acme/*", "git::HTTPS://GitHub.com/acme/vpc"),
            ("git::ssh://github.com/acme/*", "git::ssh://git@github.com/acme/vpc.git"),
            ("git::https://github.com/acme/vpc", "git::https://github.com/acme/vpc.git"),
            ("https://files.example/*", "https://files.example/m.zip?archive=zip"),
            ("s3::https://s3.amazonaws.com/acme/*", "s3::https://s3.amazonaws.com/acme/m.zip"),
            ("https://x.example/*", "./modules/vpc"),
            ("https://x.example/*", "../shared"),
            ("https://x.example/*", ""),
        ] {
            assert!(matches(pattern, source), "{pattern} {source}");
        }
    }

    #[test]
    fn sources_that_only_look_granted_are_not() {
        let git = "git::https://github.com/acme/*";
        for source in [
            "https://github.com/acme/vpc.zip",
            "hg::https://github.com/acme/vpc",
            "git::git::https://github.com/acme/vpc",
            "git::http://github.com/acme/vpc",
            "git::https://github.com@evil.example/acme/vpc",
            "git::https://github.com:x@evil.example/acme/vpc",
            "git::https://github.com.evil.example/acme/vpc",
            "git::https://github.com/acme/../evil/vpc",
            "git::https://github.com/acme/%2e%2e/evil/vpc",
            "git::https://github.com/acme%2fvpc",
            "git::https://github.com//acme/vpc",
            "git::https://github.com/acme/vpc//../../etc",
            "git::https://github.com/evil/vpc?x=https://github.com/acme/vpc",
            "git::https://github.com/evil/vpc#/acme/vpc",
            "git::https://github.com:8443/acme/vpc",
            "git::https://github.com\\@evil.example/acme/vpc",
            "git::https://git%68ub.com/acme/vpc",
            "git::github.com/acme/vpc",
            "git::file:///acme/vpc",
            "/etc",
            "git::ext::sh -c id",
        ] {
            assert!(!matches(git, source), "{source}");
        }
        let registry = "registry.terraform.io/acme/*";
        for source in [
            "registry.terraform.io/evil/vpc/aws",
            "registry.terraform.io/acme/vpc",
            "registry.terraform.io/acme/vpc/aws/more",
            "registry.terraform.io/acme/../evil",
            "registry.terraform.io:8443/acme/vpc/aws",
            "registry.terraform.io.evil.example/acme/vpc/aws",
            "evil@registry.terraform.io/acme/vpc/aws",
            "registry.terraform.io/acme/vpc/aws//..",
            "https://registry.terraform.io/acme/vpc/aws",
        ] {
            assert!(!matches(registry, source), "{source}");
        }
    }

    #[test]
    fn patterns_that_match_nothing_or_too_much_are_mistakes() {
        for text in [
            "./modules",
            "acme/vpc",
            "acme/vpc/aws",
            "git::",
            "git::github.com/acme/*",
            "https://*",
            "https://a*.example/*",
            "ftp://a.example/*",
            "https://me@a.example/*",
            "https://a.example/../*",
            "https://a.example/x?ref=*",
            "registry.terraform.io/a/b/c/d",
            "registry.terraform.io//x",
            "registry.terraform.io/",
            "git@github.com:acme/*",
        ] {
            assert!(ModulePattern::parse(text).is_err(), "{text}");
        }
        for text in
            ["git::https://github.com/acme/*", "a.example:8443/x/*", "s3::https://a.example/*"]
        {
            assert_eq!(ModulePattern::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        for (source, expected) in [
            ("git::https://me:hunter2@a.example/x?sshkey=hunter2", "git::https://a.example/x"),
            ("git::https://a@b:hunter2@a.example", "git::https://a.example"),
            ("registry.terraform.io/a/b/c", "registry.terraform.io/a/b/c"),
        ] {
            assert_eq!(shown(source), expected);
        }
    }
}
