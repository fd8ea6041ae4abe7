//! The `AZURE_DEVOPS` implementation type: runs a pipeline of Azure DevOps, and shows its stages unless the pipeline reports itself.
//!
//! See `README.md` for what the pipeline gets and what a policy must grant.

mod api;
mod follow;
mod settings;
mod stage;
mod start;

#[cfg(test)]
mod tests;

use blockhouse_sdk::bindings;
use blockhouse_sdk::{Failure, Guest, Host, Polling, Run, Sandbox, Step, Verdict, failure};
use settings::Settings;

struct AzureDevops;

impl Guest for AzureDevops {
    fn execute(run: bindings::Run) -> Result<Verdict, Failure> {
        carry_out(&Sandbox::default(), &Run::of(&run))
    }
}

blockhouse_sdk::export!(AzureDevops);

fn carry_out<H: Host>(host: &H, run: &Run<'_, H::Secret>) -> Result<Verdict, Failure> {
    let step = Step::start(host, "azure-devops-trigger", "Trigger Azure DevOps Pipeline")?;
    let settings = Settings::read(&run.fields)?;
    // What is wrong with it shall be known before anything has begun.
    let polling = Polling::configured(host)?;
    let api = api::Api::new(host, &settings);
    if host.aborted() {
        return Err(failure("The run was stopped before the pipeline was started."));
    }
    let started = start::start(&api, run, &step)?;
    let told = format!("The pipeline was started{}", started.place());
    step.tell(&told)?;
    step.succeed()?;
    host.summarize(&told);
    // Who stops a run while it begins does not want the pipeline either, whoever follows it.
    let followed = if host.aborted() {
        Err(start::cancelled(&api, &started))
    } else if settings.is_async {
        return Ok(Verdict::HandedOver);
    } else {
        follow::follow(host, &api, &started, polling)
    };
    host.summarize(match &followed {
        Ok(()) => "The pipeline has succeeded.",
        Err(failure) => &failure.message,
    });
    followed.map(|()| Verdict::Succeeded)
}
