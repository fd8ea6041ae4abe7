//! `blockhouse policy check` and `blockhouse policy explain`.

use super::explain::{Explanation, Order};
use super::inspect::read_policy;
use super::{ConfigFile, USAGE, loaded, print, say};
use crate::capability::http::Outbound;
use crate::daemon::load_rules;
use crate::excerpt::line;
use crate::meshstack::Claim;
use crate::telemetry::chain;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The largest run document that is read; what a claim may have, too.
const RUN_BYTES_MAX: u64 = 32 << 20;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Report every mistake in policy files, and in the certificates and keys that they name.
    Check {
        /// The policy files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Say who may do what: the routes of the configuration with their grants after the ceiling.
    ///
    /// Only `routes`, `ceiling` and `runs.wallTime` of the configuration are read, so that this works where there are no keys.
    Explain {
        #[command(flatten)]
        file: ConfigFile,
        /// Say it for this run: its document as meshStack's API delivers it, sealed or not.
        #[arg(long, value_name = "FILE")]
        run: Option<PathBuf>,
    },
}

pub(super) fn run(command: Command) -> ExitCode {
    match command {
        Command::Check { files } => check(&files),
        Command::Explain { file, run } => explain(file, run.as_deref()),
    }
}

fn check(files: &[PathBuf]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in files {
        match read_policy(path) {
            Ok(policy) => {
                // Not the policy's own idea of its path, which is cut to be shown.
                let directory = path.parent().unwrap_or_else(|| Path::new(""));
                let mistakes = Outbound::mistakes(&policy, directory);
                if mistakes.is_empty() {
                    let description = line(policy.description(), 500);
                    print(format_args!("{}: {description}", policy.file()));
                    continue;
                }
                for mistake in mistakes {
                    say(chain(&mistake));
                }
                code = ExitCode::from(USAGE);
            }
            Err(mistakes) => {
                say(mistakes);
                code = ExitCode::from(USAGE);
            }
        }
    }
    code
}

fn explain(file: ConfigFile, run: Option<&Path>) -> ExitCode {
    let rules = match loaded(load_rules(file.config)) {
        Ok(rules) => rules,
        Err(code) => return code,
    };
    let order = match run.map(read_run).transpose() {
        Ok(order) => order,
        Err(error) => {
            say(format_args!("error: {error}"));
            return ExitCode::from(USAGE);
        }
    };
    print(Explanation { rules: &rules, order: order.as_ref() });
    ExitCode::SUCCESS
}

fn read_run(path: &Path) -> Result<Order, String> {
    let shown = line(&path.to_string_lossy(), 200);
    let bytes = super::read_file(path, RUN_BYTES_MAX)
        .map_err(|error| format!("failed to read `{shown}`: {}", chain(&error)))?;
    let run = Claim::parse(&bytes).and_then(|claim| claim.run());
    let run = run.map_err(|error| format!("`{shown}` holds no run: {}", chain(&error)))?;
    Ok(Order::of(&run))
}
