//! How Terraform is run on this machine: [`Config`].

use super::environment;
use super::users::Users;
use crate::shim::{Ladder, Orphan};
use crate::unseal::PublicKey;
use blockhouse_policy::TerraformLimits;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How Terraform is run on this machine. What a run may take is its permit's business.
#[derive(Clone, Debug)]
pub struct Config {
    /// What a run may take where neither its policy nor the ceiling says.
    pub defaults: TerraformLimits,
    /// How verbs that write state are stopped: `apply`, `destroy`, `state push`.
    pub writing: Ladder,
    /// How everything else is stopped, unless it only [looks](Config::looking).
    pub reading: Ladder,
    /// Between a failed `init` and its only repetition.
    pub init_pause: Duration,
    /// How long a verb tries to get a state lock that another one holds. Zero: once.
    pub lock_wait: Duration,
    /// How state is pushed again that could not be written.
    pub pushing: Pushing,
    /// What processes inherit: see [`Config::inherited`].
    pub environment: Vec<(String, String)>,
    /// The program for scripts; found at start. None: no scripts on this machine.
    pub bash: Option<PathBuf>,
    /// `<state>/quarantine`: state that could not be written, sealed.
    pub quarantine: PathBuf,
    /// `<state>/locks`: what is known about locks that dead processes may have left.
    pub locks: PathBuf,
    /// Users that programs run as, one per tenant; ours if there are none.
    pub users: Option<Arc<Users>>,
    /// Whom quarantined state is sealed to. None: it is kept as it is, readable for us only.
    pub key: Option<Arc<PublicKey>>,
    /// The most bytes that a checkout may have.
    pub sources_max_bytes: u64,
    /// The most files that a checkout may have.
    pub sources_max_files: u64,
}

/// How often and when state is pushed again. The delays are even: there is one state, not a crowd of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushing {
    /// Tries, with the first.
    pub tries: u32,
    /// Before the second; it doubles.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// For one try.
    pub timeout: Duration,
    /// After which no other try begins: a backend that never answers must not hold the run for hours.
    pub total: Duration,
}

impl Config {
    /// The ladder of writing verbs, unless the operator says otherwise: a provider may need minutes to finish a call.
    pub const WRITING: Ladder = Ladder {
        grace: Duration::from_secs(10 * 60),
        stall: Some(Duration::from_secs(60)),
        limit: Duration::from_secs(60 * 60),
        force: Duration::from_secs(30),
        orphan: Orphan::Continues,
    };

    /// See [`Config::looking`]: they write nothing but the run's own data directory, and take no lock. One that waits for a download does not hear the interrupt, and whoever aborts a run waits for nothing.
    const LOOKING: Ladder = Ladder {
        grace: Duration::from_secs(2),
        stall: None,
        limit: Duration::from_secs(2),
        force: Duration::from_secs(2),
        orphan: Orphan::Continues,
    };

    /// The ladder of everything else: no state is at stake, but perhaps its lock.
    pub const READING: Ladder = Ladder {
        grace: Duration::from_secs(30),
        stall: None,
        limit: Duration::from_secs(30),
        force: Duration::from_secs(10),
        orphan: Orphan::Continues,
    };

    /// Six tries within about five minutes; ten, if the backend does not answer.
    pub const PUSHING: Pushing = Pushing {
        tries: 6,
        first_pause: Duration::from_secs(10),
        longest_pause: Duration::from_secs(120),
        timeout: Duration::from_secs(120),
        total: Duration::from_secs(10 * 60),
    };

    /// How `init`, `output`, and listing and selecting workspaces are stopped.
    #[must_use]
    pub fn looking(&self) -> Ladder {
        Ladder { orphan: self.reading.orphan, ..Self::LOOKING }
    }

    /// Of the environment of this process, what processes of runs inherit.
    #[must_use]
    pub fn inherited(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Vec<(String, String)> {
        let is_inherited = |name: &str| environment::INHERITED.contains(&name);
        variables.into_iter().filter(|(name, _)| is_inherited(name)).collect()
    }
}
