//! `blockhouse shim`: what the daemon starts to have a program supervised. Not for people.
//!
//! What to do comes from the standard input, and what became of it goes into the directory.

use super::{START, USAGE, say};
use crate::crash;
use crate::shim::serve;
use crate::telemetry::chain;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where the operation's records are.
    directory: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    if let Err(error) = crash::arm() {
        say(error);
        return ExitCode::from(USAGE);
    }
    match serve(&arguments.directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(chain(&error));
            ExitCode::from(START)
        }
    }
}
