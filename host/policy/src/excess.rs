//! What a policy asks for beyond its ceiling: [`Excess`]. A report for the operator; decisions ask both instead.

use crate::denied::Part;
use crate::given::GivenLimits;
use crate::host_pattern::HostPattern;
use crate::http::HttpRule;
use crate::mistake::quoted;
use crate::pattern::Pattern;
use crate::policy::Policy;
use crate::ports::PortRange;
use crate::position::Position;
use crate::secrets::{SecretUse, SecretUseRule};
use crate::terraform;
use std::sync::Arc;

/// Something that a policy asks for beyond its ceiling, and does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// Where the policy asks for it.
    pub at: Position,
    /// What, in one sentence.
    pub what: String,
}

pub(crate) fn of(policy: &Policy, ceiling: &Arc<Policy>) -> Vec<Excess> {
    let name = Part::Ceiling(ceiling).to_string();
    let mut found = Vec::new();
    let mut add = |at: &Position, what: String| found.push(Excess { at: at.clone(), what });
    limits(policy.limits(), ceiling.limits(), &name, &mut add);
    for rule in policy.http() {
        http(rule, ceiling, &name, &mut add);
    }
    if let Some(rule) = policy.files() {
        let at = &rule.position;
        match ceiling.files().map(|rule| rule.grant) {
            None => add(at, format!("{name} grants no files")),
            Some(most) if most.access < rule.grant.access => {
                add(at, format!("{name} grants files {} only", most.access.as_str()));
            }
            Some(most) => {
                let mib = |bytes: u64| bytes >> 20;
                if most.quota_bytes < rule.grant.quota_bytes {
                    let (most, asked) = (mib(most.quota_bytes), mib(rule.grant.quota_bytes));
                    add(at, format!("`quota_mib` is {asked}; {name} grants {most}"));
                }
                if most.quota_files < rule.grant.quota_files {
                    let (most, asked) = (most.quota_files, rule.grant.quota_files);
                    add(at, format!("`quota_files` is {asked}; {name} grants {most}"));
                }
            }
        }
    }
    for rule in policy.reveals() {
        let revealed = |key: &&String| !ceiling.reveals().iter().any(|r| r.keys.contains(key));
        for key in rule.keys.iter().filter(revealed) {
            add(&rule.position, format!("{name} does not reveal the secret {}", quoted(key)));
        }
    }
    if let Some(rule) = policy.terraform() {
        terraform::excess::of(rule, ceiling.terraform(), &name, &mut add);
    }
    for rule in policy.run_documents() {
        let beyond = |host: &&HostPattern| {
            let mut most = ceiling.run_documents().iter().flat_map(|most| &most.hosts);
            !most.any(|wide| wide.covers(host))
        };
        for host in rule.hosts.iter().filter(beyond) {
            add(&rule.position, format!("{name} does not give the run's document to `{host}`"));
        }
    }
    for rule in policy.secret_uses() {
        secret_use(rule, ceiling, &name, &mut add);
    }
    if let (Some(rule), None) = (policy.configuration(), ceiling.configuration()) {
        add(&rule.position, format!("{name} grants no configuration"));
    }
    found
}

pub(crate) fn limits<L>(
    asked: Option<&GivenLimits<L>>,
    most: Option<&GivenLimits<L>>,
    name: &str,
    add: &mut impl FnMut(&Position, String),
) {
    let Some((asked, most)) = asked.zip(most) else { return };
    for asked in asked.limits() {
        let key = asked.limit().key;
        let most = most.limits().iter().find(|most| most.limit().key == key);
        if let Some(most) = most.filter(|most| most.base() < asked.base()) {
            let (asked_for, granted) = (asked.value(), most.value());
            add(asked.position(), format!("`{key}` is {asked_for}; {name} grants {granted}"));
        }
    }
}

fn http(rule: &HttpRule, ceiling: &Policy, name: &str, add: &mut impl FnMut(&Position, String)) {
    let at = rule.position();
    for host in rule.hosts() {
        let covering = || {
            let covers = |most: &&HttpRule| most.hosts().iter().any(|wide| wide.covers(host));
            ceiling.http().iter().filter(covers)
        };
        if covering().next().is_none() {
            add(at, format!("{name} does not grant `{host}`"));
            continue;
        }
        for scheme in rule.schemes() {
            let granted: Vec<PortRange> = covering()
                .filter(|most| most.schemes().contains(scheme))
                .flat_map(|most| most.ports_for(*scheme))
                .collect();
            for ports in rule.ports_for(*scheme).filter(|ports| !ports.is_within(&granted)) {
                add(at, format!("{name} does not grant `{host}` by {scheme} on port {ports}"));
            }
        }
        let is_net = matches!(host, HostPattern::Net(_));
        for private in rule.private().iter().filter(|_| !is_net) {
            let mut granted = covering().flat_map(HttpRule::private);
            if !granted.any(|wide| wide.contains(private)) {
                add(at, format!("{name} does not grant `{host}` in {private}"));
            }
        }
        for header in rule.headers() {
            let in_header = covering().flat_map(HttpRule::headers);
            let mut granted = in_header.map(|most| &*most.secret);
            let key = Pattern::new(&*header.secret);
            let is_used = || uses_for(ceiling, &key, SecretUse::Http, host);
            if !granted.any(|secret| secret == header.secret) && !is_used() {
                let secret = quoted(&header.secret);
                add(at, format!("{name} does not grant the secret {secret} to `{host}`"));
            }
        }
    }
}

fn secret_use(
    rule: &SecretUseRule,
    ceiling: &Policy,
    name: &str,
    add: &mut impl FnMut(&Position, String),
) {
    let at = &rule.position;
    for key in &rule.keys {
        let shown = quoted(key.as_str());
        for (used, place) in [(SecretUse::Outputs, "outputs"), (SecretUse::Terraform, "Terraform")]
        {
            let grants = |most: &SecretUseRule| {
                most.uses.contains(&used) && most.keys.iter().any(|k| k.covers(key))
            };
            if rule.uses.contains(&used) && !ceiling.secret_uses().iter().any(grants) {
                add(at, format!("{name} does not grant the secret {shown} in {place}"));
            }
        }
        for (used, what) in
            [(SecretUse::Http, "the secret"), (SecretUse::Jwt, "tokens signed with the secret")]
        {
            let beyond = |host: &&HostPattern| !uses_for(ceiling, key, used, host);
            for host in rule.hosts.iter().filter(|_| rule.uses.contains(&used)).filter(beyond) {
                add(at, format!("{name} does not grant {what} {shown} to `{host}`"));
            }
        }
    }
}

fn uses_for(ceiling: &Policy, key: &Pattern, used: SecretUse, host: &HostPattern) -> bool {
    ceiling.secret_uses().iter().any(|most| {
        most.uses.contains(&used)
            && most.keys.iter().any(|wide| wide.covers(key))
            && most.hosts.iter().any(|wide| wide.covers(host))
    })
}
