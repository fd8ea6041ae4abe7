//! `blockhouse state`: Terraform states that could not be written where they belong.

use super::{ConfigFile, START, loaded, print, say};
use crate::config::{Config, Mode};
use crate::daemon::load_config;
use crate::os;
use crate::telemetry::chain;
use crate::terraform::open_sealed;
use crate::unseal::PrivateKey;
use clap::Subcommand;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where copies are, below the state directory.
const FOLDER: &str = "quarantine";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the copies that are kept.
    List {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Open a copy with the runner's private key, to push it with `terraform state push`.
    ///
    /// A state holds secrets in clear: remove what you have opened.
    Open {
        #[command(flatten)]
        file: ConfigFile,
        /// The copy.
        copy: PathBuf,
        /// Where to write the state; a file of that name must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

pub(super) fn run(command: Command) -> ExitCode {
    let (Command::List { file } | Command::Open { file, .. }) = &command;
    let config = match loaded(load_config(file.config.clone())) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let done = match &command {
        Command::List { .. } => list(&config),
        Command::Open { copy, out, .. } => open(&config, copy, out),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::from(START)
        }
    }
}

fn list(config: &Config) -> Result<(), String> {
    let folder = config.state.directory.join(FOLDER);
    let mut paths = match fs::read_dir(&folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(format!("failed to list `{}`: {error}", folder.display())),
    };
    paths.sort_unstable();
    for path in paths {
        print(path.display());
    }
    Ok(())
}

fn open(config: &Config, copy: &Path, out: &Path) -> Result<(), String> {
    let Mode::Daemon { private_key, .. } = &config.mode else {
        return Err("copies are sealed to the key of the daemon, and this configuration is for a single run".to_owned());
    };
    let key = PrivateKey::from_pem(private_key).map_err(|error| chain(&error).to_string())?;
    let state = open_sealed(copy, &key).map_err(|error| chain(&error).to_string())?;
    let written = os::create_private_file(out).and_then(|mut file| {
        file.write_all(&state)?;
        file.sync_all()
    });
    written.map_err(|error| format!("failed to write `{}`: {error}", out.display()))?;
    say(format_args!(
        "wrote the state to `{}`: push it from the block's configuration with `terraform state push`, then remove it and the copy",
        out.display()
    ));
    Ok(())
}
