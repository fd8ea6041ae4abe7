//! The `GITHUB_WORKFLOW` implementation type: dispatches a workflow of GitHub Actions, and shows its jobs unless the workflow reports
//! itself.
//!
//! See `README.md` for what the workflow gets and what a policy must grant.

mod api;
mod dispatch;
mod find;
mod follow;
mod job;
mod refusal;
mod settings;
mod token;

#[cfg(test)]
mod tests;

use blockhouse_sdk::bindings;
use blockhouse_sdk::{Failure, Guest, Host, Polling, Run, Sandbox, Step, Verdict, failure};
use settings::Settings;

struct GithubWorkflow;

impl Guest for GithubWorkflow {
    fn execute(run: bindings::Run) -> Result<Verdict, Failure> {
        carry_out(&Sandbox::default(), &Run::of(&run))
    }
}

blockhouse_sdk::export!(GithubWorkflow);

fn carry_out<H: Host>(host: &H, run: &Run<'_, H::Secret>) -> Result<Verdict, Failure> {
    let step = Step::start(host, "gh-trigger", "Trigger GitHub Action")?;
    let settings = Settings::read(&run.fields, run.behavior)?;
    // What is wrong with it shall be known before anything has begun.
    let polling = Polling::configured(host)?;
    let mut api = api::Api::new(host, &settings);
    api.authenticate().map_err(|error| error.into_failure("GitHub"))?;
    if host.aborted() {
        return Err(failure("The run was stopped before the workflow was dispatched."));
    }
    let dispatched = dispatch::dispatch(host, &mut api, run)?;
    // GitHub's answer was waited for; a workflow that nobody wants any more is neither handed over nor followed.
    if host.aborted() {
        return Err(find::stopped(&mut api, run.id, dispatched.details.as_ref()));
    }
    if settings.is_async {
        let told = format!("The workflow was dispatched{}", dispatched.place());
        step.tell(&told)?;
        step.succeed()?;
        host.summarize(&told);
        return Ok(Verdict::HandedOver);
    }
    let found = find::find(host, &mut api, run.id, dispatched, &step)?;
    let told = format!("The workflow is running{}", found.place());
    step.tell(&told)?;
    step.succeed()?;
    host.summarize(&told);
    let followed = follow::follow(host, &mut api, &found, polling);
    host.summarize(match &followed {
        Ok(()) => "The workflow has succeeded.",
        Err(failure) => &failure.message,
    });
    followed.map(|()| Verdict::Succeeded)
}
