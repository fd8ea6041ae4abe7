//! `blockhouse keygen`.

use super::{START, USAGE, say};
use crate::keygen::{Bits, DEFAULT_VALIDITY, KeygenError, Subject, generate};
use crate::telemetry::chain;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to write the two files.
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    out: PathBuf,
    /// The name in the certificate; meshStack only shows it.
    #[arg(long, default_value = "blockhouse")]
    name: String,
    /// How long the certificate is valid, such as `5years` [default: 10years].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    validity: Option<Duration>,
    /// Replace an existing key: everything that was sealed to it becomes unreadable.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let subject = Subject { common_name: arguments.name.clone() };
    let validity = arguments.validity.unwrap_or(DEFAULT_VALIDITY);
    let written = generate(&subject, Bits::default(), validity)
        .and_then(|pair| pair.write(&arguments.out, arguments.force));
    match written {
        Ok(written) => {
            say(format_args!(
                "wrote the private key to `{}`: keep it secret, and keep it, since secrets are sealed to it\n\
                 wrote the certificate to `{}`: enter it as the runner's public key in meshStack",
                written.private_key.display(),
                written.certificate.display()
            ));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(format_args!("error: {}", chain(&error)));
            ExitCode::from(if matches!(error, KeygenError::Exists { .. }) { USAGE } else { START })
        }
    }
}
