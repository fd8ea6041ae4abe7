//! What `blockhouse policy explain` says of requests: which secrets, tokens and documents go where.

use super::write_denied;
use blockhouse_policy::{Denied, Grants, HostPattern, Policy, Position, SecretUse, Target};
use std::fmt;

/// Says for each host whether something goes there: those that are named are asked about, of patterns only the rule can be told.
struct Hosts<'a> {
    grants: &'a Grants,
    what: &'a str,
    /// Which header it becomes, if it does.
    way: &'a str,
}

impl Hosts<'_> {
    fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        (hosts, at): (&[HostPattern], &Position),
        denied: impl Fn(&Target) -> Option<Denied>,
    ) -> fmt::Result {
        let Self { grants, what, way } = self;
        for host in hosts {
            let targets = targets(grants.policy(), host);
            if targets.is_empty() {
                let is_bounded = grants.excess().iter().any(|excess| excess.at == *at);
                let bounded = if is_bounded { " and the ceiling" } else { "" };
                let place = format!("to {host}{way}, where [[http]]{bounded} lets it");
                writeln!(f, "    {what:<14} yes: {place}  [{at}]")?;
            }
            for target in targets {
                match denied(&target) {
                    None => writeln!(f, "    {what:<14} yes: to {target}{way}  [{at}]")?,
                    Some(denied) => write_denied(f, what, &denied)?,
                }
            }
        }
        Ok(())
    }
}

/// To which hosts a secret goes.
pub(super) fn write_secret(f: &mut fmt::Formatter<'_>, grants: &Grants, key: &str) -> fmt::Result {
    let (policy, what) = (grants.policy(), "in requests");
    let mut is_sent = false;
    for rule in policy.http() {
        if let Some(header) = rule.headers().iter().find(|header| header.secret == *key) {
            is_sent |= !rule.hosts().is_empty();
            let hosts = Hosts { grants, what, way: &format!(" as {}", header.name) };
            let places = (rule.hosts(), rule.position());
            hosts.write(f, places, |target| grants.http(target).err())?;
        }
    }
    for (hosts, at) in uses(policy, key, SecretUse::Http) {
        is_sent |= !hosts.is_empty();
        let denied = |target: &Target| grants.secret_in_http(key, target).err();
        Hosts { grants, what, way: "" }.write(f, (hosts, at), denied)?;
    }
    if !is_sent {
        let file = policy.file();
        writeln!(f, "    {what:<14} no: the policy grants it to no host  [{file}]")?;
    }
    Ok(())
}

/// To which hosts tokens go that were signed with a secret.
pub(super) fn write_tokens(f: &mut fmt::Formatter<'_>, grants: &Grants, key: &str) -> fmt::Result {
    for places in uses(grants.policy(), key, SecretUse::Jwt) {
        let denied = |target: &Target| grants.token_in_http(key, target).err();
        Hosts { grants, what: "its tokens", way: "" }.write(f, places, denied)?;
    }
    Ok(())
}

/// To which hosts the run's document goes.
pub(super) fn write_document(f: &mut fmt::Formatter<'_>, grants: &Grants) -> fmt::Result {
    let rules = grants.policy().run_documents();
    if !rules.is_empty() {
        writeln!(f, "\ndocument of this run")?;
    }
    for rule in rules {
        let denied = |target: &Target| grants.run_document(target).err();
        let hosts = Hosts { grants, what: "in requests", way: "" };
        hosts.write(f, (&rule.hosts, &rule.position), denied)?;
    }
    Ok(())
}

/// The rules for this use of a secret: their hosts and places.
fn uses<'p>(
    policy: &'p Policy,
    key: &str,
    used: SecretUse,
) -> impl Iterator<Item = (&'p [HostPattern], &'p Position)> {
    let rules = policy.secret_uses().iter().filter(move |rule| {
        rule.uses.contains(&used) && rule.keys.iter().any(|pattern| pattern.matches(key))
    });
    rules.map(|rule| (&*rule.hosts, &rule.position))
}

/// The places that a host's name stands for, by the rules of the policy that mention it; none for a pattern.
fn targets(policy: &Policy, host: &HostPattern) -> Vec<Target> {
    let HostPattern::Name(name) = host else { return Vec::new() };
    let mut targets = Vec::new();
    for rule in policy.http().iter().filter(|rule| rule.hosts().contains(host)) {
        for scheme in rule.schemes() {
            let first = rule.ports().first().map(|ports| *ports.ports().start());
            let port = first.unwrap_or_else(|| scheme.default_port());
            targets.extend(Target::parse(scheme.as_str(), &format!("{name}:{port}")).ok());
        }
    }
    if targets.is_empty() {
        // No rule has this very name; one with a pattern may grant it.
        targets.extend(Target::parse("https", name).ok());
    }
    targets
}
