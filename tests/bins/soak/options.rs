//! What the soak is told: [`Options`].

use blockhouse_tests::Kind;
use std::fmt;
use std::time::Duration;

/// Keeps runs of all types in flight while daemons, shims and Terraforms are killed and calls of meshStack's API fail; then looks
/// whether each run has ended once, as it should.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "soak",
    after_help = "Exit code 1 if anything was lost or left; the last line repeats the soak."
)]
pub(crate) struct Options {
    /// How long runs are ordered and things go wrong; it takes until the last run has ended, and then a little longer.
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    pub(crate) minutes: f64,
    /// Where everything that is chosen by chance comes from. When what happens meets what, the machine decides.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Runs in flight.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) concurrent: u32,
    /// One type of runs only: azure, files, github, gitlab, manual, terraform.
    #[arg(long, value_name = "TYPE", value_parser = kind)]
    pub(crate) only: Option<Kind>,
    /// The mean time between two kills; 0s for none.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = humantime::parse_duration)]
    pub(crate) kill_every: Duration,
    /// Percent of the calls of meshStack's API that fail: 503, connections closed before and after, answers cut off.
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    pub(crate) faults: f64,
}

fn kind(text: &str) -> Result<Kind, String> {
    let named = |kind: &&Kind| {
        let name = kind.to_string().to_ascii_lowercase();
        name == text || name.split('_').next() == Some(text)
    };
    let kind = Kind::ALL.iter().find(named).copied();
    kind.ok_or_else(|| "no such type".to_owned())
}

/// As a command that does the same.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { minutes, seed, concurrent, only, kill_every, faults } = self;
        write!(
            f,
            "cargo run -p blockhouse-tests --bin soak -- --minutes {minutes} --seed {seed} \
             --concurrent {concurrent} --kill-every {} --faults {faults}",
            humantime::format_duration(*kill_every)
        )?;
        match only {
            Some(kind) => write!(f, " --only {}", kind.to_string().to_ascii_lowercase()),
            None => Ok(()),
        }
    }
}
