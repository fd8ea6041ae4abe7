//! `blockhouse config check` and `blockhouse config show`.

use super::{ConfigFile, USAGE, print, say};
use crate::daemon::load_config;
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
    let (config, warnings) = match load_config(file.config) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            say(mistakes);
            return ExitCode::from(USAGE);
        }
    };
    for warning in warnings {
        say(format_args!("warning: {warning}"));
    }
    if is_shown {
        print(config.show());
    } else {
        say("the configuration is valid");
    }
    ExitCode::SUCCESS
}
