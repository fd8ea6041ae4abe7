//! The command line.
//!
//! Exit codes: 0 all went well; 1 could not start; 64 the command line or the configuration is wrong; 75 stopped with final
//! statuses that meshStack has not accepted yet (the next start delivers them).

mod check;
mod compile;
mod daemon;
mod doctor;
mod explain;
mod inspect;
mod keygen;
mod lock_holder;
mod policy;
mod runs;
mod shim;
mod state;

use crate::config::{Mistakes, Warning};
use crate::outcome::Bytes;
use clap::{Parser, Subcommand};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Could not start (a port, a directory, the address space).
const START: u8 = 1;
/// The command line or the configuration is wrong; `EX_USAGE` of sysexits.
const USAGE: u8 = 64;
/// Try again later; `EX_TEMPFAIL` of sysexits.
const UNREPORTED: u8 = 75;

const EXIT_CODES: &str = "\
Exit codes:
  0   all went well
  1   could not start
  64  the command line or the configuration is wrong
  75  stopped before meshStack had accepted every final status; the next start delivers them";

/// A self-hosted runner for meshStack: executes building-block runs as sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "blockhouse", version, about, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compile a component for the daemon, which starts this itself.
    #[command(hide = true)]
    Compile(compile::Arguments),
    /// Claim and execute runs until told to stop.
    ///
    /// The first SIGTERM or SIGINT (Ctrl-C, service stop on Windows) drains: no more runs are claimed, and those that are
    /// executing are finished. The second aborts them. With EXECUTION_MODE=single-run, executes the one run in
    /// RUN_JSON_FILE_PATH and exits.
    #[command(after_help = EXIT_CODES)]
    Daemon(daemon::Arguments),
    /// Look at the configuration without starting anything.
    Config {
        #[command(subcommand)]
        command: check::Command,
    },
    /// Say which walls around programs this machine has, which policies require them, and what else is needed.
    ///
    /// Exit code 1 if something is missing that a policy requires, or that the daemon can't do without.
    Doctor(doctor::Arguments),
    /// Look at a component: what it asks for, how large it is, and what a policy would refuse.
    Inspect(inspect::Arguments),
    /// Make the key pair and certificate that meshStack seals secrets to.
    Keygen(keygen::Arguments),
    /// Ask a state backend who holds a lock, which the daemon starts itself.
    #[command(hide = true)]
    LockHolder,
    /// Look at policies without starting anything.
    Policy {
        #[command(subcommand)]
        command: policy::Command,
    },
    /// Look at runs that are not settled, deliver their final statuses, or give them up.
    Runs {
        #[command(subcommand)]
        command: runs::Command,
    },
    /// Supervise a program for the daemon, which starts this itself.
    #[command(hide = true)]
    Shim(shim::Arguments),
    /// Look at Terraform states that could not be written where they belong.
    State {
        #[command(subcommand)]
        command: state::Command,
    },
}

/// Which configuration to use.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration file [default: RUNNER_CONFIG_FILE, or ./runner-config.yml if it exists].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Failing to print has no better place to be told.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match arguments.command {
        Command::Compile(arguments) => compile::run(&arguments),
        Command::Config { command } => check::run(command),
        Command::Daemon(arguments) => daemon::run(&arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Keygen(arguments) => keygen::run(&arguments),
        Command::LockHolder => lock_holder::run(),
        Command::Policy { command } => policy::run(command),
        Command::Runs { command } => runs::run(command),
        Command::Shim(arguments) => shim::run(&arguments),
        Command::State { command } => state::run(command),
    }
}

/// What was loaded of the configuration, its warnings told; or, all mistakes told, the exit code.
fn loaded<T>(result: Result<(T, Vec<Warning>), Mistakes>) -> Result<T, ExitCode> {
    let (value, warnings) = result.map_err(|mistakes| {
        say(mistakes);
        ExitCode::from(USAGE)
    })?;
    for warning in warnings {
        say(format_args!("warning: {warning}"));
    }
    Ok(value)
}

/// A line for the person at the terminal. If nobody reads it, there is nobody to tell.
fn say(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The command's result, likewise.
fn print(text: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Reads a whole file of at most `limit` bytes.
fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        let message = format!("it is larger than {}", Bytes(limit));
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}
