//! What `[terraform]` of a policy asks for beyond its ceiling.

use super::{ProviderPattern, TerraformRule, versions};
use crate::excess;
use crate::position::Position;
use std::fmt::Display;

/// Lists and answers that a policy leaves out are the ceiling's to decide, so they are nothing that it asks for.
pub(crate) fn of(
    rule: &TerraformRule,
    ceiling: Option<&TerraformRule>,
    name: &str,
    add: &mut impl FnMut(&Position, String),
) {
    let at = &rule.position;
    let Some(most) = ceiling else {
        return add(at, format!("{name} grants no Terraform"));
    };
    let mut lacking = |what: &str, item: &dyn Display| {
        let what = if what.is_empty() { String::new() } else { format!("the {what} ") };
        add(at, format!("{name} does not grant {what}`{item}`"));
    };
    for verb in rule.verbs.iter().filter(|verb| !most.verbs.contains(verb)) {
        lacking("", verb);
    }
    for tool in rule.tools.iter().flatten() {
        if most.tools.as_ref().is_some_and(|tools| !tools.contains(tool)) {
            lacking("", tool);
        }
    }
    for version in rule.versions.iter().flatten() {
        if most.versions.as_ref().is_some_and(|wide| !versions::is_within(version, wide)) {
            lacking("versions", version);
        }
    }
    for narrow in &rule.repositories {
        if !most.repositories.iter().any(|wide| wide.covers(narrow)) {
            lacking("repositories", narrow);
        }
    }
    for narrow in rule.providers.iter().flatten() {
        let covers = |wide: &ProviderPattern| wide.covers(narrow);
        if most.providers.as_ref().is_some_and(|all| !all.iter().any(covers)) {
            lacking("providers", narrow);
        }
    }
    for narrow in &rule.modules {
        if !most.modules.iter().any(|wide| wide.covers(narrow)) {
            lacking("modules", narrow);
        }
    }
    for narrow in rule.environment.iter().flatten() {
        if !most.grants_environment(narrow) {
            lacking("environment variables", narrow);
        }
    }
    match (rule.scripts, most.scripts) {
        (Some(_), None) => add(at, format!("{name} grants no scripts")),
        (Some(asked), Some(most)) if asked.network && !most.network => {
            add(at, format!("{name} grants scripts no network"));
        }
        _ => {}
    }
    if rule.reveal_code && !most.reveal_code {
        add(at, format!("{name} does not let sensitive code be seen"));
    }
    if rule.release_locks && !most.release_locks {
        add(at, format!("{name} does not let locks be released"));
    }
    excess::limits(rule.limits.as_ref(), most.limits.as_ref(), name, add);
}
