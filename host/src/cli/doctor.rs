//! `blockhouse doctor`.

mod machine;

use super::{ConfigFile, START, USAGE, print, say};
use crate::config::Config;
use crate::confine::{self, Mechanism};
use crate::daemon::load_config;
use blockhouse_policy::Requirement;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::ExitCode;

/// Columns of text in the table.
const WIDTH: usize = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    name: String,
    is_fine: bool,
    /// What it is good for, or what was found.
    means: String,
    /// Why it is not fine; a detail if it is.
    why: Option<String>,
    /// What to do if it is not.
    remedy: Option<String>,
    /// Policies, or the daemon itself.
    required_by: Vec<String>,
}

impl Check {
    fn fine(name: &str, means: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            is_fine: true,
            means: means.into(),
            why: None,
            remedy: None,
            required_by: Vec::new(),
        }
    }

    fn bad(name: &str, means: &str, why: impl Into<String>, remedy: &str) -> Self {
        let (why, remedy) = (Some(why.into()), Some(remedy.to_owned()));
        Self { is_fine: false, why, remedy, ..Self::fine(name, means) }
    }

    fn required_by(mut self, who: &str) -> Self {
        self.required_by.push(who.to_owned());
        self
    }

    fn is_serious(&self) -> bool {
        !self.is_fine && !self.required_by.is_empty()
    }
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    let is_named = arguments.file.config.is_some();
    let config = match load_config(arguments.file.config) {
        Ok((config, _)) => Some(config),
        Err(mistakes) if is_named => {
            say(mistakes);
            return ExitCode::from(USAGE);
        }
        Err(_) => {
            say(
                "there is no configuration that could be loaded (see `blockhouse config check`): only the machine is looked at",
            );
            None
        }
    };
    let report = Report { checks: checks(config.as_ref()) };
    if arguments.json {
        match serde_json::to_string_pretty(&report) {
            Ok(text) => print(text),
            Err(error) => say(format_args!("error: {error}")),
        }
    } else {
        print(&report);
    }
    if report.checks.iter().any(Check::is_serious) {
        ExitCode::from(START)
    } else {
        ExitCode::SUCCESS
    }
}

fn checks(config: Option<&Config>) -> Vec<Check> {
    let required = config.map(required).unwrap_or_default();
    let mechanisms = confine::facts().into_iter().map(|fact| {
        let policies = fact.mechanism.and_then(|mechanism| required.get(&mechanism));
        Check {
            name: fact.name,
            is_fine: fact.is_active,
            means: fact.means.to_owned(),
            why: fact.why,
            remedy: (!fact.is_active).then(|| fact.remedy.to_owned()),
            required_by: policies.into_iter().flatten().cloned().collect(),
        }
    });
    mechanisms.chain(machine::checks(config)).collect()
}

/// Who requires what: the files of policies.
fn required(config: &Config) -> BTreeMap<Mechanism, BTreeSet<String>> {
    let mut required: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for route in &config.rules.routes {
        let Ok(permit) = route.grants.terraform() else { continue };
        for requirement in permit.required() {
            let file = route.grants.policy().file().to_string();
            required.entry(mechanism(requirement)).or_default().insert(file);
        }
    }
    required
}

fn mechanism(requirement: Requirement) -> Mechanism {
    match requirement {
        Requirement::Cgroup => Mechanism::Cgroup,
        Requirement::Landlock => Mechanism::Landlock,
        Requirement::NoNetwork => Mechanism::NoNetwork,
        Requirement::NoNewPrivileges => Mechanism::NoNewPrivileges,
        Requirement::Users => Mechanism::Users,
    }
}

#[derive(Serialize)]
struct Report {
    checks: Vec<Check>,
}

impl fmt::Display for Report {
    /// A block per check: state and name, then what it means, why it is not fine and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        for check in &self.checks {
            let state = match check {
                check if check.is_fine => "ok",
                check if check.is_serious() => "MISSING",
                _ => "missing",
            };
            let indent = 9 + width + 2;
            let mut lines = vec![check.means.clone()];
            lines.extend(check.why.as_ref().map(|why| format!("({why})")));
            lines.extend(check.remedy.as_ref().map(|remedy| format!("-> {remedy}")));
            if !check.required_by.is_empty() {
                lines.push(format!("required by {}", check.required_by.join(", ")));
            }
            write!(f, "{state:<9}{:<width$}  ", check.name)?;
            let lines: Vec<_> = lines.iter().flat_map(|line| wrapped(line)).collect();
            writeln!(f, "{}", lines.join(&format!("\n{:indent$}", "")))?;
        }
        let serious = self.checks.iter().filter(|check| check.is_serious()).count();
        match serious {
            0 => write!(f, "everything that is required is there"),
            1 => write!(f, "1 thing that is required is missing"),
            count => write!(f, "{count} things that are required are missing"),
        }
    }
}

/// Lines of words.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let missing = || Check::bad("cgroup", "limits memory", "not delegated", "delegate it");
        let checks = vec![
            Check::fine("landlock", "confines files"),
            missing(),
            missing().required_by("policies/a.toml"),
        ];
        Report { checks }
    }

    #[test]
    fn only_what_somebody_requires_is_serious() {
        let serious: Vec<_> = report().checks.iter().map(Check::is_serious).collect();
        assert_eq!(serious, [false, false, true]);
    }

    #[test]
    fn the_table_says_why_and_what_to_do() {
        let expected = "\
ok       landlock  confines files
missing  cgroup    limits memory
                   (not delegated)
                   -> delegate it
MISSING  cgroup    limits memory
                   (not delegated)
                   -> delegate it
                   required by policies/a.toml
1 thing that is required is missing";
        assert_eq!(report().to_string(), expected);
    }

    #[test]
    fn json_has_the_same() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["checks"][2]["requiredBy"][0], "policies/a.toml");
        assert_eq!(json["checks"][1]["isFine"], false);
    }

    #[test]
    fn long_text_is_wrapped_at_words() {
        let text = "word ".repeat(50);
        assert!(wrapped(text.trim()).iter().all(|line| line.len() <= WIDTH));
        assert_eq!(wrapped(text.trim()).join(" "), text.trim());
    }

    #[test]
    fn every_mechanism_is_looked_at_without_a_configuration() {
        let checks = checks(None);
        for name in
            ["cgroup", "landlock", "no-network", "no-new-privileges", "users", "git", "ssh", "bash"]
        {
            assert!(checks.iter().any(|check| check.name == name), "{name}");
        }
        assert!(checks.iter().all(|check| check.is_fine || check.remedy.is_some()));
    }
}
