//! Which providers a rule names: [`ProviderPattern`].

use crate::mistake::quoted;
use crate::reader::Complaint;
use crate::target::{parse_host, parse_port, split_port};
use std::fmt;

/// Matches no provider: nothing is ever served from a name under `invalid` (RFC 2606).
pub(super) const NOTHING: &str = "nothing.invalid/nothing/nothing";

/// An entry of `providers`, as `include` of a CLI configuration has it: host, namespace and type. `*` stands for a whole one, and
/// only for the rest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProviderPattern([String; 3]);

impl ProviderPattern {
    /// `*/*/*`
    pub(crate) fn any() -> Self {
        Self([const { "*" }; 3].map(ToOwned::to_owned))
    }

    /// Whether this grants a provider such as `registry.terraform.io/hashicorp/aws`.
    pub(crate) fn matches(&self, source: &str) -> bool {
        Self::parse(source)
            .is_ok_and(|source| !source.0.iter().any(|part| part == "*") && self.covers(&source))
    }

    /// Whether this matches every provider that `other` matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(wide, narrow)| wide == "*" || wide == narrow)
    }

    /// What both match. Since `*` has only `*` behind it, that is one of the two or nothing.
    pub(crate) fn both(&self, other: &Self) -> Option<Self> {
        if self.covers(other) {
            return Some(other.clone());
        }
        other.covers(self).then(|| self.clone())
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        let wrong = |why: &str| {
            Complaint::new(format!("{} {why}", quoted(text))).with_hint(
                "write `registry.terraform.io/hashicorp/aws` or `registry.terraform.io/acme/*`",
            )
        };
        let parts: Vec<_> = text.split('/').collect();
        let [host, namespace, kind] = parts.as_slice() else {
            return Err(wrong("is not a host, a namespace and a type"));
        };
        // Terraform refuses other uses of `*`.
        if !parts.iter().map(|part| *part == "*").is_sorted() {
            return Err(wrong("has something behind a `*`"));
        }
        let is_name = |name: &str| {
            let is_fine =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
            name == "*" || (!name.is_empty() && name.bytes().all(is_fine))
        };
        if !is_name(namespace) || !is_name(kind) {
            return Err(wrong("has a name with characters other than `a-z`, `0-9`, `-` and `_`"));
        }
        let is_host = |host: &str| {
            let (name, port) = split_port(host).ok()?;
            port.map(parse_port).transpose().ok()?;
            let is_host = parse_host(name).ok()?.to_string() == name;
            Some(is_host && (name.contains('.') || name == "localhost"))
        };
        if *host != "*" && !is_host(host).unwrap_or(false) {
            return Err(wrong("does not begin with the host of a registry in lower case"));
        }
        Ok(Self([host, namespace, kind].map(|part| (*part).to_owned())))
    }
}

impl fmt::Display for ProviderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> ProviderPattern {
        ProviderPattern::parse(text).unwrap_or_else(|complaint| panic!("{complaint:?}"))
    }

    #[test]
    fn providers_are_granted_by_host_namespace_and_type() {
        let acme = pattern("registry.terraform.io/acme/*");
        assert!(acme.matches("registry.terraform.io/acme/aws"));
        for other in [
            "registry.terraform.io/acme2/aws",
            "registry.opentofu.org/acme/aws",
            "acme/aws",
            "registry.terraform.io/acme/aws/x",
            "registry.terraform.io/acme/*",
            "registry.terraform.io/acme/",
            "registry.terraform.io/ACME/aws",
            "x/registry.terraform.io/acme/aws",
        ] {
            assert!(!acme.matches(other), "{other}");
        }
        assert!(ProviderPattern::any().matches("registry.opentofu.org/a/b"));
        assert!(!pattern(NOTHING).matches("registry.terraform.io/a/b"));
    }

    #[test]
    fn only_what_terraform_understands_is_a_pattern() {
        for text in [
            "*",
            "*/*",
            "acme/aws",
            "*/acme/*",
            "a.example/*/aws",
            "a.example/x*/*",
            "a.example//x",
            "A.example/x/y",
            "a.example:0/x/y",
            "localhost:8443/a/b/c",
            "a.example/x/y z",
            "nodots/a/b",
        ] {
            assert!(ProviderPattern::parse(text).is_err(), "{text}");
        }
        for text in ["*/*/*", "a.example/*/*", "a.example:8443/x/*", "localhost:1234/x/y"] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    #[test]
    fn what_two_patterns_match_is_the_narrower_or_nothing() {
        let all: Vec<_> =
            ["*/*/*", "a.example/*/*", "a.example/x/*", "a.example/x/y", "b.example/x/y"]
                .map(pattern)
                .into();
        for one in &all {
            for other in &all {
                for source in ["a.example/x/y", "a.example/x/z", "a.example/z/y", "b.example/x/y"] {
                    let both = one.both(other).is_some_and(|both| both.matches(source));
                    assert_eq!(
                        both,
                        one.matches(source) && other.matches(source),
                        "{one} {other} {source}"
                    );
                }
            }
        }
    }
}
