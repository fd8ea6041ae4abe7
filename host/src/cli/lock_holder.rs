//! `blockhouse lock-holder`: what the daemon has started behind Terraform's walls, to hear more of a lock. Not for people.

use super::{START, print, say};
use crate::telemetry::chain;
use crate::terraform::ask_for_holder;
use std::process::ExitCode;

pub(super) fn run() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(format_args!("failed to start: {error}"));
            return ExitCode::from(START);
        }
    };
    match runtime.block_on(ask_for_holder()) {
        Ok(said) => {
            print(String::from_utf8_lossy(&said));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(chain(&error));
            ExitCode::from(START)
        }
    }
}
