//! What `blockhouse policy explain` prints: who may do what, and which line says so.

mod requests;
mod terraform;

use crate::config::routes::{Component, Route};
use crate::config::rules::Rules;
use crate::daemon::component_bytes;
use crate::excerpt::line;
use crate::outcome::Bytes;
use crate::run::{InputKind, Run};
use crate::sandbox::anatomy::{Anatomy, Need};
use crate::telemetry::chain;
use blockhouse_policy::{
    Denied, FilesAccess, Grants, HttpRule, Limits, Pattern, Position, RouteMatch, SecretUse,
    Subject,
};
use std::fmt::{self, Write as _};

/// Where lists are wrapped.
const COLUMNS: usize = 110;

/// Bytes of a text from a run that are shown.
const TEXT_MAX: usize = 100;

/// The names of a route's fields, in the order of [`RouteMatch::fields`].
const FIELDS: [&str; 4] = ["implementation type", "definition", "owner", "tenant"];

/// What matters of a run: who ordered what, and the keys of its secrets. No value. Texts are as they came, since they are
/// compared; they are made harmless when they are shown.
#[derive(Clone, Debug)]
pub(super) struct Order {
    id: String,
    /// In the order of [`FIELDS`].
    fields: [String; 4],
    secrets: Vec<Secret>,
    terraform: Option<terraform::Asked>,
}

/// A sensitive input or setting.
#[derive(Clone, Debug)]
struct Secret {
    key: String,
    /// An input that is parsed, which takes seeing it.
    is_code: bool,
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
            .map(Clone::clone),
            secrets: inputs
                .map(|input| Secret {
                    key: input.key.clone(),
                    is_code: matches!(input.kind, InputKind::Code | InputKind::List),
                })
                .chain(settings.map(|field| Secret { key: (*field).to_owned(), is_code: false }))
                .collect(),
            terraform: terraform::Asked::of(run),
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
                let (name, what) = (ceiling.policy.name(), shown(ceiling.policy.description()));
                writeln!(f, "ceiling `{name}`: {what}")?;
            }
            None => writeln!(f, "no ceiling: each policy counts as it is")?,
        }
        let Some(order) = self.order else {
            return self.rules.routes.iter().try_for_each(|route| write_route(f, route));
        };
        writeln!(f, "\nrun {}", order.id)?;
        for (field, text) in FIELDS.iter().zip(&order.fields) {
            writeln!(f, "  {field:<20} {}", line(text, TEXT_MAX))?;
        }
        writeln!(f)?;
        for route in &self.rules.routes {
            match mismatch(&route.matches, order) {
                Some(reason) => {
                    writeln!(f, "route `{}` is not for it: {reason}", shown(&route.name))?
                }
                None => {
                    writeln!(f, "route `{}` takes it", shown(&route.name))?;
                    write_route(f, route)?;
                    write_needs(f, route)?;
                    if let Some(asked) = &order.terraform {
                        terraform::write_asked(f, &route.grants, asked)?;
                    }
                    write_secrets(f, &route.grants, order)?;
                    return requests::write_document(f, &route.grants);
                }
            }
        }
        writeln!(f, "no route is for it: the run is reported as failed")
    }
}

/// The first field by which a route is not for a run, in words.
fn mismatch(matches: &RouteMatch, order: &Order) -> Option<String> {
    let index = matches.mismatch(&order.subject())?;
    let (field, text) = (FIELDS.get(index)?, order.fields.get(index)?);
    let patterns = matches.fields().get(index).copied()?;
    Some(format!("{field} `{}` is not {}", line(text, TEXT_MAX), one_of(patterns)))
}

fn one_of(patterns: &[Pattern]) -> String {
    let texts: Vec<_> = patterns.iter().map(Pattern::as_str).collect();
    texts.join(" or ")
}

fn write_route(f: &mut fmt::Formatter<'_>, route: &Route) -> fmt::Result {
    let policy = route.grants.policy();
    writeln!(f, "\nroute `{}`", shown(&route.name))?;
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
    writeln!(f, "  policy               `{}`: {}", policy.name(), shown(policy.description()))?;
    write_grants(f, &route.grants)?;
    write_excess(f, &route.grants)?;
    write_limits(f, &route.grants)?;
    terraform::write_limits(f, &route.grants)
}

/// What the policy grants: a line for each grant with its place, then its reason.
fn write_grants(f: &mut fmt::Formatter<'_>, grants: &Grants) -> fmt::Result {
    let policy = grants.policy();
    let excess = grants.excess();
    let mut rules: Vec<(String, &Position, &str)> = Vec::new();
    for rule in policy.http() {
        rules.push((http(rule), rule.position(), rule.reason()));
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
        rules.push((what, &rule.position, &rule.reason));
    }
    for rule in policy.reveals() {
        let what = format!("see the secrets {} in clear", listed(&rule.keys));
        rules.push((what, &rule.position, &rule.reason));
    }
    for rule in policy.secret_uses() {
        let keys = rule.keys.iter().map(Pattern::as_str);
        let places = rule.uses.iter().map(|place| match place {
            SecretUse::Http => format!("requests to {}", listed(&rule.hosts)),
            SecretUse::Jwt => format!("tokens for {}", listed(&rule.hosts)),
            SecretUse::Outputs => "outputs".to_owned(),
            SecretUse::Terraform => "Terraform".to_owned(),
        });
        let what = format!("use the secrets {} in {}", listed(keys), listed(places));
        rules.push((what, &rule.position, &rule.reason));
    }
    for rule in policy.run_documents() {
        let what = format!("have the run's document given to {}", listed(&rule.hosts));
        rules.push((what, &rule.position, &rule.reason));
    }
    if let Some(rule) = policy.configuration() {
        let values = rule.values.iter().map(|(key, value)| format!("{key}={value:?}"));
        let what = format!("configuration {}", listed(values));
        rules.push((what, &rule.position, &rule.reason));
    }
    rules.extend(policy.terraform().into_iter().flat_map(terraform::rules));
    if rules.is_empty() {
        return writeln!(f, "  may compute and report, nothing else");
    }
    writeln!(f, "  may")?;
    rules.iter().try_for_each(|(what, at, reason)| {
        let is_bounded = excess.iter().any(|excess| excess.at == **at);
        let bounded = if is_bounded { ", as far as the ceiling lets it (see below)" } else { "" };
        writeln!(f, "    {what}{bounded}  [{at}]")?;
        writeln!(f, "        {}", shown(reason))
    })
}

/// A text of a file on one line.
fn shown(text: &str) -> String {
    line(text, 500)
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
    let mut defaults = Vec::new();
    writeln!(f, "  limits")?;
    for limit in Limits::TABLE {
        let value = limit.of(grants.limits());
        match grants.limit_rule(limit.key) {
            Some(at) => writeln!(f, "    {:<18} {value}  [{at}]", limit.key)?,
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
    let terraform = grants.terraform().ok();
    let reveals_code = terraform.as_ref().filter(|permit| permit.reveals_code());
    for Secret { key, is_code } in &order.secrets {
        writeln!(f, "  {}", line(key, TEXT_MAX))?;
        let answer = grants.reveal(key).map(|permit| permit.rule().clone());
        let code = reveals_code.filter(|_| *is_code).map(|permit| permit.rule().clone());
        write_answer(f, "seen in clear", answer.or_else(|denied| code.ok_or(denied)))?;
        if grants.policy().terraform().is_some() {
            let answer = grants.secret_in_terraform(key).map(|permit| permit.rule().clone());
            write_answer(f, "in Terraform", answer)?;
        }
        let answer = grants.secret_in_output(key).map(|permit| permit.rule().clone());
        write_answer(f, "in outputs", answer)?;
        requests::write_secret(f, grants, key)?;
        if grants.policy().secret_uses().iter().any(|rule| rule.uses.contains(&SecretUse::Jwt)) {
            let answer = grants.secret_in_jwt(key).map(|permit| permit.rule().clone());
            write_answer(f, "signs tokens", answer)?;
            requests::write_tokens(f, grants, key)?;
        }
    }
    Ok(())
}

fn write_answer(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    answer: Result<Position, Denied>,
) -> fmt::Result {
    match answer {
        Ok(at) => writeln!(f, "    {what:<14} yes  [{at}]"),
        Err(denied) => write_denied(f, what, &denied),
    }
}

/// What is not granted at all stands on no line, but in a file.
fn write_denied(f: &mut fmt::Formatter<'_>, what: &str, denied: &Denied) -> fmt::Result {
    let at = denied.at.as_ref().map_or_else(|| denied.file.to_string(), ToString::to_string);
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
    if anatomy.needs().next().is_none() {
        writeln!(f, "  nothing that a policy grants")?;
    }
    for (import, need) in anatomy.needs() {
        let (what, denied) = match need {
            Need::Files => ("files, if it uses them", route.grants.allows_files().err()),
            Need::Http => ("outbound HTTP", route.grants.allows_http().err()),
            Need::HttpWhenUsed => {
                ("outbound HTTP, if it uses it", route.grants.allows_http().err())
            }
            Need::Jwt => ("to sign tokens", route.grants.allows_jwt().err()),
            Need::Terraform => ("Terraform", route.grants.terraform().err()),
            Need::Nothing | Need::Unknown => {
                writeln!(f, "  {import}: not offered to components")?;
                continue;
            }
        };
        let answer = denied.map_or_else(|| "granted".to_owned(), |denied| denied.rule);
        writeln!(f, "  {import}: {what}: {answer}")?;
    }
    Ok(())
}
