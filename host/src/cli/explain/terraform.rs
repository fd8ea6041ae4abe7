//! What `blockhouse policy explain` says of `[terraform]`.

use super::{COLUMNS, TEXT_MAX, line, listed, write_answer, write_wrapped};
use crate::git::{RepositoryUrl, Transports};
use crate::run::{Behavior, Json, Run};
use blockhouse_policy::{GitRule, Grants, Position, TerraformLimits, TerraformRule, TerraformVerb};
use std::fmt::{self, Write as _};

/// What a TERRAFORM run asks of its policy. Texts are as they came.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    repository: Option<String>,
    version: Option<String>,
    verb: TerraformVerb,
    has_script: bool,
    environment: Vec<String>,
}

impl Asked {
    /// `None` for runs of other types.
    pub(super) fn of(run: &Run) -> Option<Self> {
        let implementation = &run.definition.implementation;
        if implementation.kind != "TERRAFORM" {
            return None;
        }
        let text = |field: &str| implementation.settings.get(field).and_then(Json::as_string);
        let environment = run.block.inputs.iter().filter(|input| input.environment);
        Some(Self {
            repository: text("repositoryUrl"),
            version: text("terraformVersion"),
            verb: match run.behavior {
                Behavior::Apply => TerraformVerb::Apply,
                Behavior::Destroy => TerraformVerb::Destroy,
                Behavior::Detect => TerraformVerb::Plan,
            },
            has_script: text("preRunScript").is_some_and(|script| !script.trim().is_empty()),
            environment: environment.map(|input| input.key.clone()).collect(),
        })
    }
}

/// The grants of the section, a line each, with their places and reasons.
pub(super) fn rules(rule: &TerraformRule) -> Vec<(String, &Position, &str)> {
    let mut what =
        format!("run Terraform ({}) on {}", listed(&rule.verbs), listed(&rule.repositories));
    let mut add = |name: &str, items: Option<String>| {
        if let Some(items) = items.filter(|items| !items.is_empty()) {
            let _ = write!(what, ", {name} {items}");
        }
    };
    add("by", rule.tools.as_ref().map(listed));
    add(
        "in versions",
        rule.versions.as_ref().map(|all| {
            let all: Vec<_> = all.iter().map(ToString::to_string).collect();
            all.join(" or ")
        }),
    );
    add("with the providers", rule.providers.as_ref().map(listed));
    add("with modules from", Some(listed(&rule.modules)));
    add("setting the variables", rule.environment.as_ref().map(listed));
    add("only with", Some(listed(&rule.require)));
    let mut rules = vec![(what, &rule.position, &*rule.reason)];
    let mut more = |what: &str| rules.push((what.to_owned(), &rule.position, &*rule.reason));
    if let Some(scripts) = rule.scripts {
        more(if scripts.network {
            "run scripts, with network"
        } else {
            "run scripts, without network"
        });
    }
    if rule.reveal_code {
        more("see sensitive inputs of type CODE in clear");
    }
    if rule.release_locks {
        more("have locks released that a dead process of ours has left");
    }
    rules.extend(rule.git.iter().map(|rule| (git(rule), &rule.position, &*rule.reason)));
    rules
}

fn git(rule: &GitRule) -> String {
    let mut text = format!("fetch from {} by https", listed(&rule.hosts));
    if let Some(file) = &rule.token_file {
        let _ = write!(text, ", with the token in {file}");
    }
    if let Some(user) = &rule.user {
        let _ = write!(text, " of {user}");
    }
    if let Some((certificate, _)) = &rule.client_certificate {
        let _ = write!(text, ", showing {certificate}");
    }
    if let Some(file) = &rule.ca_file {
        let _ = write!(text, ", trusting {file}");
    }
    text
}

/// Each limit of processes that somebody has set, and where; nothing if there is no Terraform.
pub(super) fn write_limits(f: &mut fmt::Formatter<'_>, grants: &Grants) -> fmt::Result {
    let Ok(permit) = grants.terraform() else { return Ok(()) };
    let mut defaults = Vec::new();
    writeln!(f, "  limits of Terraform")?;
    for limit in TerraformLimits::TABLE {
        let value = limit.of(permit.limits());
        match permit.limit_rule(limit.key) {
            Some(at) => writeln!(f, "    {:<18} {value}  [{at}]", limit.key)?,
            None => defaults.push(format!("{} {value}", limit.key)),
        }
    }
    if defaults.is_empty() { Ok(()) } else { write_wrapped(f, "    by default:", &defaults) }
}

/// What the run asks for beside secrets, each with its answer.
pub(super) fn write_asked(
    f: &mut fmt::Formatter<'_>,
    grants: &Grants,
    asked: &Asked,
) -> fmt::Result {
    writeln!(f, "\nwhat this run asks of Terraform")?;
    let permit = match grants.terraform() {
        Ok(permit) => permit,
        Err(denied) => return writeln!(f, "  nothing of it: {}", denied.rule),
    };
    let yes = || permit.rule().clone();
    if let Some(url) = &asked.repository {
        writeln!(f, "  {}", line(&without_secrets(url), COLUMNS))?;
        write_answer(f, "repository", permit.repository(&canonical(url)).map(|()| yes()))?;
    }
    if let Some(version) = &asked.version {
        writeln!(f, "  version {}", line(version, TEXT_MAX))?;
        for tool in ["terraform", "tofu"] {
            let answer = permit.version(tool, version).map(|()| yes());
            write_answer(f, &format!("as {tool}"), answer)?;
        }
    }
    writeln!(f, "  verb")?;
    write_answer(f, &asked.verb.to_string(), permit.verb(asked.verb).map(|()| yes()))?;
    if asked.has_script {
        writeln!(f, "  pre-run script")?;
        write_answer(f, "executed", permit.script().map(|_| yes()))?;
    }
    for name in &asked.environment {
        writeln!(f, "  environment variable {}", line(name, TEXT_MAX))?;
        // Those become variables of the configuration instead.
        if name.starts_with("TF_VAR_") {
            writeln!(f, "    a variable of the configuration")?;
            continue;
        }
        write_answer(f, "set", permit.environment(name).map(|()| yes()))?;
    }
    Ok(())
}

/// The form in which policy is asked; anything that can't be read stays as it is, and is granted by nothing.
fn canonical(url: &str) -> String {
    let parsed = RepositoryUrl::parse(url.trim(), Transports { file: true, http: true });
    parsed.map_or_else(|_| url.trim().to_owned(), |url| url.canonical().to_owned())
}

/// A URL without what stands before its host, which may be a password.
fn without_secrets(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}
