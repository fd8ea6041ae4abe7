//! `blockhouse compile`: what the daemon starts to have a component compiled. Not for people.
//!
//! Digest and component come from the standard input, and code goes to the standard output.

use super::{START, say};
use crate::os;
use crate::sandbox::precompile;
use crate::telemetry::chain;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How much address space this process may have from now on.
    #[arg(long)]
    memory_bytes: u64,
    /// How much time on a processor, in seconds.
    #[arg(long)]
    cpu_seconds: u64,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let cpu = Duration::from_secs(arguments.cpu_seconds);
    // Before anything else is done.
    // SECURITY: walls::compiling_ends_with_its_memory
    if let Err(error) = os::limit_this_process(arguments.memory_bytes, cpu) {
        say(format_args!("failed to limit this process: {error}"));
        return ExitCode::from(START);
    }
    let code = match precompile(io::stdin().lock()) {
        Ok(code) => code,
        Err(error) => {
            say(chain(&error));
            return ExitCode::from(error.exit_code());
        }
    };
    match io::stdout().lock().write_all(&code) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("failed to write the code: {error}"));
            ExitCode::from(START)
        }
    }
}
