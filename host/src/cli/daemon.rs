//! `blockhouse daemon`.

use super::{ConfigFile, START, UNREPORTED, USAGE, say};
use crate::config::Config;
use crate::config::log::Format;
use crate::crash;
use crate::daemon::{Assembled, Stopped, assemble, load_config};
use crate::os::{StopSignal, StopSignals};
use crate::report::Delivery;
use crate::shutdown::Shutdown;
use crate::telemetry::{self, chain};
use std::error::Error;
use std::io::IsTerminal as _;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Run under the Windows service control manager.
    #[cfg(windows)]
    #[arg(long)]
    windows_service: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    #[cfg(windows)]
    if arguments.windows_service {
        let file = arguments.file.config.clone();
        return match crate::os::service::run(move |shutdown| start(file, shutdown)) {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                say(format_args!("error: {}", chain(&error)));
                ExitCode::from(START)
            }
        };
    }
    ExitCode::from(start(arguments.file.config.clone(), Shutdown::default()))
}

/// Runs the daemon to its end; returns the exit code.
fn start(file: Option<std::path::PathBuf>, shutdown: Shutdown) -> u8 {
    if let Err(error) = crash::arm() {
        say(format_args!("error: {error}"));
        return USAGE;
    }
    let (config, warnings) = match load_config(file) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            say(mistakes);
            return USAGE;
        }
    };
    if let Err(error) = telemetry::start(&log_config(&config)) {
        return failed(&error);
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let signals = watch_signals(shutdown.clone());
    match assemble(config, shutdown) {
        Ok(Assembled::Daemon(daemon)) => match daemon.run(signals) {
            Stopped::Drained | Stopped::HandedOver => 0,
            Stopped::Unreported => UNREPORTED,
        },
        Ok(Assembled::SingleRun(run)) => match run.run(signals) {
            Delivery::Accepted | Delivery::Pointless => 0,
            Delivery::Postponed(_) | Delivery::Rejected(_) => UNREPORTED,
        },
        Err(error) => failed(&error),
    }
}

/// Without a terminal, somebody's log collector reads along, and wants JSON.
fn log_config(config: &Config) -> telemetry::Config {
    let format = match config.log.format {
        Format::Auto if std::io::stderr().is_terminal() => telemetry::Format::Human,
        Format::Human => telemetry::Format::Human,
        Format::Auto | Format::Json => telemetry::Format::Json,
    };
    telemetry::Config { format, level: config.log.level.clone() }
}

fn failed(error: &(dyn Error + 'static)) -> u8 {
    say(format_args!("error: {}", chain(error)));
    START
}

/// The first signal drains, the second aborts; one of its own makes way for the next process at once.
async fn watch_signals(shutdown: Shutdown) {
    let mut signals = match StopSignals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            return tracing::error!(%error, "can't listen for signals; stopping is abrupt");
        }
    };
    let mut is_draining = false;
    loop {
        match signals.next().await {
            StopSignal::HandOver(signal) => {
                tracing::info!(signal, "told to hand over: the next start goes on with the runs");
                return shutdown.hand_over();
            }
            StopSignal::Stop(signal) if is_draining => {
                tracing::warn!(signal, "told to stop again: aborting the runs");
                return shutdown.abort();
            }
            StopSignal::Stop(signal) => {
                tracing::info!(signal, "told to stop: draining; a second signal aborts the runs");
                is_draining = true;
                shutdown.drain();
            }
        }
    }
}
