//! `soak`: many runs of all types at once, for minutes, while daemons, shims and Terraforms are killed and calls fail; then whether
//! nothing was lost. Real HTTP, real Terraform. What is chosen by chance comes from the seed.
//!
//! The daemon is this very program, called with the daemon's arguments.

#[cfg(target_os = "linux")]
mod blocks;
#[cfg(target_os = "linux")]
mod judge;
#[cfg(target_os = "linux")]
mod killer;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod orders;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod soak;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let first = std::env::args().nth(1).unwrap_or_default();
    if ["compile", "daemon", "lock-holder", "shim"].contains(&first.as_str()) {
        return blockhouse::cli::main();
    }
    let options = <options::Options as clap::Parser>::parse();
    match soak::run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("the soak failed: {error:#}\nto repeat: {options}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    say("the soak finds the processes that it kills in /proc: it needs Linux");
    ExitCode::FAILURE
}

#[expect(clippy::print_stdout, reason = "the soak is for people to read")]
fn say(line: &str) {
    println!("{line}");
}
