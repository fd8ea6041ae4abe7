//! The `GITLAB_CICD` implementation type: triggers a pipeline of GitLab, which finishes the run through meshStack's API.
//!
//! See `README.md` for what the pipeline gets and what a policy must grant.

mod answer;
mod settings;
mod trigger;

#[cfg(test)]
mod tests;

use blockhouse_sdk::bindings;
use blockhouse_sdk::{Failure, Guest, Run, Sandbox, Verdict};

struct GitlabCicd;

impl Guest for GitlabCicd {
    fn execute(run: bindings::Run) -> Result<Verdict, Failure> {
        trigger::trigger(&Sandbox::default(), &Run::of(&run))
    }
}

blockhouse_sdk::export!(GitlabCicd);
