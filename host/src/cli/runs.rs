//! `blockhouse runs`: what the state directory knows of runs, and what can be done about them.

mod show;
mod table;

use super::{ConfigFile, START, UNREPORTED, loaded, print, say};
use crate::config::{Config, Mode};
use crate::daemon::inventory::{Inventory, KnownRun, Logs, Phase};
use crate::daemon::offline::{Offline, Recovered};
use crate::daemon::{assemble_offline, load_config};
use crate::prepare::Protection;
use crate::telemetry::{self, chain};
use crate::unseal::PrivateKey;
use clap::Subcommand;
use serde::Serialize;
use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the runs that are not settled: claimed, executing, ended but not delivered, rejected, or with something left on the disk.
    ///
    /// Works beside a daemon as well.
    #[command(alias = "list")]
    Ls {
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show everything that is known of a run, but for secrets.
    ///
    /// Works beside a daemon as well.
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// The run's id, or how it begins.
        run: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print what is on the disk of what a run has told: the messages of its final status, and what its programs have printed, redacted.
    ///
    /// Works beside a daemon as well.
    Logs {
        #[command(flatten)]
        file: ConfigFile,
        /// The run's id, or how it begins.
        run: String,
        /// Only of this step, or of this operation of a program, such as `0007-apply`.
        #[arg(long, value_name = "STEP")]
        step: Option<String>,
    },
    /// Deliver final statuses that meshStack has not accepted, also those that it has rejected before. No daemon must be running.
    ///
    /// Claims and executes nothing: runs without a final status are for the next daemon. Exit code 75 if something is left that was to be
    /// delivered.
    Recover {
        #[command(flatten)]
        file: ConfigFile,
        /// Only these runs: each by its id, or how it begins.
        runs: Vec<String>,
        /// How long to try.
        #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
        patience: Duration,
    },
    /// Give a run up: nobody goes on with it, its final status is not delivered, its directory is removed. No daemon must be running.
    ///
    /// Refused if the final status is not delivered, a program of the run is running, or a copy of its Terraform state is kept. What
    /// meshStack has rejected is discarded at once.
    Discard {
        #[command(flatten)]
        file: ConfigFile,
        /// The run's id, or how it begins.
        run: String,
        /// All the same. Programs are interrupted and waited for, as when a run is aborted; copies of states stay where they are.
        #[arg(long)]
        force: bool,
    },
}

pub(super) fn run(command: Command) -> ExitCode {
    let (Command::Ls { file, .. }
    | Command::Show { file, .. }
    | Command::Logs { file, .. }
    | Command::Recover { file, .. }
    | Command::Discard { file, .. }) = &command;
    let config = match loaded(load_config(file.config.clone())) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let done = match command {
        Command::Ls { json, .. } => look(&config, |inventory, _| list(inventory, json)),
        Command::Show { run, json, .. } => {
            look(&config, |inventory, _| show_one(inventory.find(&run)?, json))
        }
        Command::Logs { run, step, .. } => {
            look(&config, |inventory, key| logs(inventory.find(&run)?, step.as_deref(), key))
        }
        Command::Recover { runs, patience, .. } => recover(config, &runs, patience),
        Command::Discard { run, force, .. } => discard(config, &run, force),
    };
    done.unwrap_or_else(|error| {
        say(format_args!("error: {}", chain(&*error)));
        ExitCode::from(START)
    })
}

type Done = Result<ExitCode, Box<dyn Error>>;

/// Does something with what there is, without the lock. What can't be read is told beside it.
fn look(config: &Config, work: impl FnOnce(&Inventory, Arc<PrivateKey>) -> Done) -> Done {
    let Mode::Daemon { private_key, .. } = &config.mode else {
        return Err("this configuration is for a single run, which has no state directory".into());
    };
    let key = Arc::new(PrivateKey::from_pem(private_key)?);
    let inventory = Inventory::take(&config.state.directory, &key)?;
    tell_unreadable(&inventory);
    work(&inventory, key)
}

fn tell_unreadable(inventory: &Inventory) {
    for error in &inventory.unreadable {
        say(format_args!("warning: {}", chain(error)));
    }
}

fn list(inventory: &Inventory, json: bool) -> Done {
    if json {
        return print_json(&table::rows(inventory));
    }
    match &inventory.owner {
        Some(owner) => say(format_args!("a daemon works with the state directory: {owner}")),
        None => say("no daemon is known to work with the state directory"),
    }
    print(table::Table(inventory));
    Ok(ExitCode::SUCCESS)
}

fn show_one(run: &KnownRun, json: bool) -> Done {
    let report = show::Report::of(run);
    if json {
        return print_json(&report);
    }
    print(&report);
    Ok(ExitCode::SUCCESS)
}

fn print_json(value: &impl Serialize) -> Done {
    print(serde_json::to_string_pretty(value)?);
    Ok(ExitCode::SUCCESS)
}

fn logs(run: &KnownRun, step: Option<&str>, key: Arc<PrivateKey>) -> Done {
    let logs = Logs::of(run, &Protection::Sealed(key));
    let mut out = io::stdout().lock();
    match logs.write(step, &mut out).and_then(|is_any| out.flush().map(|()| is_any)) {
        Ok(true) => {}
        Ok(false) => say("nothing of what it has told is on the disk"),
        // Nobody reads on.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// What goes on is told while it does: it may take a while.
fn offline(config: Config) -> Result<Offline, Box<dyn Error>> {
    let log = telemetry::Config { format: telemetry::Format::Human, level: "warn".to_owned() };
    telemetry::start(&log)?;
    Ok(assemble_offline(config)?)
}

fn recover(config: Config, wanted: &[String], patience: Duration) -> Done {
    let offline = offline(config)?;
    let inventory = offline.inventory()?;
    tell_unreadable(&inventory);
    let runs: Vec<_> = if wanted.is_empty() {
        inventory.runs.iter().collect()
    } else {
        wanted.iter().map(|prefix| inventory.find(prefix)).collect::<Result<_, _>>()?
    };
    let recovered = tokio::runtime::Runtime::new()?.block_on(offline.recover(&runs, patience));
    let mut is_left = !inventory.unreadable.is_empty();
    for (run, outcome) in recovered {
        is_left |= outcome.is_left();
        print(format_args!("{run}  {}", told(&outcome)));
    }
    Ok(if is_left { ExitCode::from(UNREPORTED) } else { ExitCode::SUCCESS })
}

fn told(outcome: &Recovered) -> String {
    match outcome {
        Recovered::Delivered => "delivered".to_owned(),
        Recovered::Over => "is over in meshStack; kept no longer".to_owned(),
        Recovered::Rejected(rejection) => format!("rejected: {}", rejection.text),
        Recovered::Waiting => "not accepted yet; kept".to_owned(),
        Recovered::Undecided => "has not ended; the next daemon sees to it".to_owned(),
        Recovered::Nothing => "nothing to be delivered".to_owned(),
        Recovered::Failed(text) => format!("failed: {text}"),
    }
}

fn discard(config: Config, run: &str, force: bool) -> Done {
    let offline = offline(config)?;
    let inventory = offline.inventory()?;
    tell_unreadable(&inventory);
    let run = inventory.find(run)?;
    match tokio::runtime::Runtime::new()?.block_on(offline.discard(run, force)) {
        Ok(told) => {
            told.iter().for_each(say);
            say(format_args!("discarded run {}", run.id));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            say(format_args!("error: {}", chain(&error)));
            if !force && run.phase != Phase::Kept {
                say("hint: `--force` discards it all the same");
            }
            Ok(ExitCode::from(START))
        }
    }
}
