//! `blockhouse config check` and `blockhouse config show`.

use super::{ConfigFile, USAGE, loaded, print, say};
use crate::capability::http::{BuildError, Outbound};
use crate::config::rules::Rules;
use crate::daemon::load_config;
use crate::telemetry::chain;
use std::collections::HashSet;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Report every mistake in the configuration.
    Check(ConfigFile),
    /// Print the effective configuration, secrets redacted, with the origin of each value.
    Show(ConfigFile),
}

pub(super) fn run(command: Command) -> ExitCode {
    let (file, is_shown) = match command {
        Command::Check(file) => (file, false),
        Command::Show(file) => (file, true),
    };
    let config = match loaded(load_config(file.config)) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if is_shown {
        print(config.show());
        return ExitCode::SUCCESS;
    }
    let mistakes = in_files_of_policies(&config.rules);
    if !mistakes.is_empty() {
        for mistake in mistakes {
            say(chain(&mistake));
        }
        return ExitCode::from(USAGE);
    }
    say("the configuration is valid");
    ExitCode::SUCCESS
}

/// The mistakes in the certificates and keys that policies name, each once, however many routes have the policy.
fn in_files_of_policies(rules: &Rules) -> Vec<BuildError> {
    let mut seen = HashSet::new();
    let policies = rules.routes.iter().map(|route| route.grants.policy());
    let policies = policies.filter(|policy| seen.insert(policy.file()));
    policies.flat_map(|policy| Outbound::mistakes(policy, Outbound::directory(policy))).collect()
}
