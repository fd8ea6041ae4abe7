//! What `blockhouse policy explain` prints: who may do what, and which line says so.

use crate::config::routes::{Component, Route};
use crate::config::rules::Rules;
use crate::daemon::component_bytes;
use crate::excerpt::clip;
use crate::outcome::Bytes;
use crate::run::Run;
use crate::sandbox::anatomy::{Anatomy, Need};
use crate::telemetry::chain;
use blockhouse_policy::{
    Denied, FilesAccess, Grants, HttpRule, Limits, Pattern, Policy, Position, RouteMatch,
    SecretUse, Subject,
};
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// Where lists are wrapped.
const COLUMNS: usize = 110;

/// Bytes of a text from a run that are shown.
const TEXT_MAX: usize = 100;

/// The names of a route's fields, in the order of [`RouteMatch::fields`].
const FIELDS: [&str; 4] = ["implementation type", "definition", "owner", "tenant"];

/// What matters of a run: who ordered what, and the keys of its secrets. No value.
#[derive(Clone, Debug)]
pub(super) struct Order {
    id: String,
    /// In the order of [`FIELDS`].
    fields: [String; 4],
    secrets: Vec<String>,
}

impl Order {
    pub(super) fn of(run: &Run) -> Self {
        let implementation = &run.definition.implementation;
        let inputs = run.block.inputs.iter().filter(|input| input.sensitive || input.is_sealed());
        let sealed = implementation.sealed_fields().iter();
        let settings = sealed.filter(|field| implementation.settings.contains_key(**field));
        Self {
            id: run.id.to_string(),
            fields: [
                &implementation.kind,
                &run.definition.uuid,
                &run.definition.owner,
                &run.block.tenant,
            ]
            .map(|text| clip(text, TEXT_MAX)),
            secrets: inputs
                .map(|input| clip(&input.key, TEXT_MAX))
                .chain(settings.map(|field| (*field).to_owned()))
                .collect(),
        }
    }

    fn subject(&self) -> Subject<'_> {
        let [implementation_type, definition, owner, tenant] = &self.fields;
        Subject { implementation_type, definition, owner, tenant }
    }
}

/// The explanation: of all routes, or of what becomes of one run.
pub(super) struct Explanation<'a> {
    pub(super) rules: &'a Rules,
    pub(super) order: Option<&'a Order>,
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rules.ceiling {
            Some(ceiling) => {
                writeln!(
                    f,
                    "ceiling `{}`: {}",
                    ceiling.policy.name(),
                    ceiling.policy.description()
                )?;
            }
            None => writeln!(f, "no ceiling: each policy counts as it is")?,
        }
        let Some(order) = self.order else {
            return self.rules.routes.iter().try_for_each(|route| write_route(f, route));
        };
        writeln!(f, "\nrun {}", order.id)?;
        for (field, text) in FIELDS.iter().zip(&order.fields) {
            writeln!(f, "  {field:<20} {text}")?;
        }
        writeln!(f)?;
        for route in &self.rules.routes {
            match mismatch(&route.matches, &order.subject()) {
                Some(reason) => writeln!(f, "route `{}` is not for it: {reason}", route.name)?,
                None => {
                    writeln!(f, "route `{}` takes it", route.name)?;
                    write_route(f, route)?;
                    write_needs(f, route)?;
                    return write_secrets(f, &route.grants, order);
                }
            }
        }
        writeln!(f, "no route is for it: the run is reported as failed")
    }
}

/// The first field by which a route is not for a run.
fn mismatch(matches: &RouteMatch, subject: &Subject<'_>) -> Option<String> {
    if matches.matches(subject) {
        return None;
    }
    let texts = [subject.implementation_type, subject.definition, subject.owner, subject.tenant];
    let mut fields = FIELDS.iter().zip(matches.fields()).zip(texts);
    fields.find_map(|((field, patterns), text)| {
        let fits =
            |pattern: &Pattern| pattern.matches(&text.to_lowercase()) || pattern.matches(text);
        let is_wrong = !patterns.is_empty() && !patterns.iter().any(fits);
        is_wrong.then(|| format!("{field} `{text}` is not {}", one_of(patterns)))
    })
}

fn one_of(patterns: &[Pattern]) -> String {
    let texts: Vec<_> = patterns.iter().map(Pattern::as_str).collect();
    texts.join(" or ")
}

fn write_route(f: &mut fmt::Formatter<'_>, route: &Route) -> fmt::Result {
    let policy = route.grants.policy();
    writeln!(f, "\nroute `{}`", route.name)?;
    for (field, patterns) in FIELDS.iter().zip(route.matches.fields()) {
        if !patterns.is_empty() {
            writeln!(f, "  {field:<20} {}", one_of(patterns))?;
        }
    }
    match &route.component {
        Component::Embedded { name } => writeln!(f, "  component            `{name}`, embedded")?,
        Component::File { given, digest, .. } => {
            writeln!(f, "  component            {} ({digest})", given.display())?;
        }
    }
    writeln!(f, "  policy               `{}`: {}", policy.name(), policy.description())?;
    write_grants(f, policy)?;
    write_excess(f, &route.grants)?;
    write_limits(f, &route.grants)
}

/// What the policy grants: a line for each grant with its place, then its reason.
fn write_grants(f: &mut fmt::Formatter<'_>, policy: &Policy) -> fmt::Result {
    let mut grants: Vec<(String, &Position, &str)> = Vec::new();
    for rule in policy.http() {
        grants.push((http(rule), rule.position(), rule.reason()));
    }
    if let Some(rule) = policy.files() {
        let grant = rule.grant;
        let quota = match grant.access {
            FilesAccess::ReadOnly => String::new(),
            FilesAccess::ReadWrite => {
                format!(", up to {} in {} files", Bytes(grant.quota_bytes), grant.quota_files)
            }
        };
        let what = format!("files in /work, {}{quota}", grant.access.as_str());
        grants.push((what, &rule.position, &rule.reason));
    }
    for rule in policy.reveals() {
        let what = format!("see the secrets {} in clear", listed(&rule.keys));
        grants.push((what, &rule.position, &rule.reason));
    }
    for rule in policy.secret_uses() {
        let keys = rule.keys.iter().map(Pattern::as_str);
        let places = rule.uses.iter().map(|place| match place {
            SecretUse::Http => format!("requests to {}", listed(&rule.hosts)),
            SecretUse::Outputs => "outputs".to_owned(),
        });
        let what = format!("use the secrets {} in {}", listed(keys), listed(places));
        grants.push((what, &rule.position, &rule.reason));
    }
    if let Some(rule) = policy.configuration() {
        let values = rule.values.iter().map(|(key, value)| format!("{key}={value:?}"));
        let what = format!("configuration {}", listed(values));
        grants.push((what, &rule.position, &rule.reason));
    }
    if grants.is_empty() {
        return writeln!(f, "  may compute and report, nothing else");
    }
    writeln!(f, "  may")?;
    grants.iter().try_for_each(|(what, at, reason)| {
        writeln!(f, "    {what}  [{at}]")?;
        writeln!(f, "        {reason}")
    })
}

/// One rule for outbound HTTP.
fn http(rule: &HttpRule) -> String {
    let mut text = format!("reach {} by {}", listed(rule.hosts()), listed(rule.schemes()));
    if !rule.ports().is_empty() {
        let _ = write!(text, ", ports {}", listed(rule.ports()));
    }
    if !rule.private().is_empty() {
        let _ = write!(text, ", also at private addresses in {}", listed(rule.private()));
    }
    if let Some(file) = rule.ca_file() {
        let _ = write!(text, ", trusting {file}");
    }
    if let Some((certificate, _)) = rule.client_certificate() {
        let _ = write!(text, ", showing {certificate}");
    }
    for header in rule.headers() {
        let _ = write!(text, ", with the header {} from the secret {}", header.name, header.secret);
    }
    text
}

fn listed(items: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

fn write_excess(f: &mut fmt::Formatter<'_>, grants: &Grants) -> fmt::Result {
    let excess = grants.excess();
    if excess.is_empty() {
        return Ok(());
    }
    writeln!(f, "  beyond the ceiling, so not granted")?;
    excess.iter().try_for_each(|excess| writeln!(f, "    {}  [{}]", excess.what, excess.at))
}

/// Each limit that somebody has set, and where; the others are defaults.
fn write_limits(f: &mut fmt::Formatter<'_>, grants: &Grants) -> fmt::Result {
    let given = |policy: &Policy, key: &str| {
        let limits = policy.limits()?.limits().iter();
        let limit = limits.into_iter().find(|given| given.limit().key == key)?;
        Some((limit.value(), limit.position().clone()))
    };
    let mut defaults = Vec::new();
    writeln!(f, "  limits")?;
    for limit in Limits::TABLE {
        let value = limit.of(grants.limits());
        let bound = grants.ceiling().and_then(|ceiling| given(ceiling, limit.key));
        let own = given(grants.policy(), limit.key);
        let at = [own, bound].into_iter().flatten().find(|(given, _)| *given == value);
        match at {
            Some((_, at)) => writeln!(f, "    {:<18} {value}  [{at}]", limit.key)?,
            None => defaults.push(format!("{} {value}", limit.key)),
        }
    }
    write_wrapped(f, "    by default:", &defaults)
}

/// Items behind a heading, in lines that fit a terminal.
fn write_wrapped(f: &mut fmt::Formatter<'_>, heading: &str, items: &[String]) -> fmt::Result {
    let mut line = heading.to_owned();
    for (index, item) in items.iter().enumerate() {
        let comma = if index + 1 < items.len() { "," } else { "" };
        if line.len() + item.len() > COLUMNS {
            writeln!(f, "{line}")?;
            " ".repeat(heading.len()).clone_into(&mut line);
        }
        let _ = write!(line, " {item}{comma}");
    }
    writeln!(f, "{line}")
}

/// What becomes of each of the run's secrets, and which rule says so.
fn write_secrets(f: &mut fmt::Formatter<'_>, grants: &Grants, order: &Order) -> fmt::Result {
    if order.secrets.is_empty() {
        return writeln!(f, "\nthe run has no secrets");
    }
    writeln!(f, "\nsecrets of this run")?;
    for key in &order.secrets {
        writeln!(f, "  {key}")?;
        write_answer(f, "seen in clear", grants.reveal(key).err(), grants)?;
        write_answer(f, "in outputs", grants.secret_in_output(key).err(), grants)?;
        let headers = grants.policy().http().iter().flat_map(|rule| {
            let headers = rule.headers().iter().filter(|header| header.secret == *key);
            headers.map(move |header| (rule, header))
        });
        let mut is_sent = false;
        for (rule, header) in headers {
            is_sent = true;
            let (name, hosts) = (&header.name, listed(rule.hosts()));
            writeln!(f, "    in requests    yes: as {name}, to {hosts}  [{}]", rule.position())?;
        }
        for rule in grants.policy().secret_uses() {
            let is_meant = rule.keys.iter().any(|pattern| pattern.matches(key));
            if is_meant && rule.uses.contains(&SecretUse::Http) {
                is_sent = true;
                let hosts = listed(&rule.hosts);
                writeln!(f, "    in requests    yes: to {hosts}  [{}]", rule.position)?;
            }
        }
        if !is_sent {
            let file = grants.policy().file();
            writeln!(f, "    in requests    no: the policy grants it to no host  [{file}]")?;
        }
    }
    Ok(())
}

fn write_answer(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    denied: Option<Denied>,
    grants: &Grants,
) -> fmt::Result {
    let Some(denied) = denied else { return writeln!(f, "    {what:<14} yes") };
    // What is not granted at all stands on no line, but in a file.
    let says_no = |policy: &&Arc<Policy>| *policy.name() == denied.policy;
    let file = [Some(grants.policy()), grants.ceiling()].into_iter().flatten().find(says_no);
    let at = match (&denied.at, file) {
        (Some(at), _) => at.to_string(),
        (None, Some(policy)) => policy.file().to_string(),
        (None, None) => denied.policy.to_string(),
    };
    writeln!(f, "    {what:<14} no: {}  [{at}]", denied.rule)
}

/// What the component asks for, as far as it takes a grant.
fn write_needs(f: &mut fmt::Formatter<'_>, route: &Route) -> fmt::Result {
    writeln!(f, "\nwhat the component needs")?;
    let bytes = match component_bytes(&route.component) {
        Ok(bytes) => bytes,
        Err(error) => return writeln!(f, "  not known: {}", chain(&error)),
    };
    let anatomy = match Anatomy::read(&bytes) {
        Ok(anatomy) => anatomy,
        Err(error) => return writeln!(f, "  not known: {error}"),
    };
    for (import, need) in anatomy.needs() {
        let (what, denied) = match need {
            Need::Files => ("files, if it uses them", route.grants.allows_files().err()),
            Need::Http => ("outbound HTTP", route.grants.allows_http().err()),
            Need::HttpWhenUsed => {
                ("outbound HTTP, if it uses it", route.grants.allows_http().err())
            }
            Need::Nothing | Need::Unknown => ("something that is not offered", None),
        };
        let answer = denied.map_or_else(|| "granted".to_owned(), |denied| denied.rule);
        writeln!(f, "  {import}: {what}: {answer}")?;
    }
    Ok(())
}
