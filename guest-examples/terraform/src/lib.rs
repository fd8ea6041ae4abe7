//! The `TERRAFORM` implementation type: brings a building block's sources, inputs, backend and state together, and has Terraform or
//! OpenTofu apply, plan or destroy them.
//!
//! The tool itself runs outside, supervised by the host; this component tells it what to do by the verbs of `wit/terraform.wit`. What
//! comes from repositories and users is read here, inside the sandbox. See `README.md` for the timeline and what a policy must grant.
//!
//! A run may be resumed after a crash of the host: `execute` is called again, and must make the same calls. So everything that is decided
//! from the content of `/work` is decided once, before anything else writes there ([`findings`]).

mod bindings {
    #![expect(unsafe_code, reason = "generated from the WIT package")]
    wit_bindgen::generate!({ path: "../../wit", world: "implementation" });
    use super::Terraform;
    pub(crate) use blockhouse::block::types::Behavior;
    export!(Terraform);
}

mod configuration;
mod data_url;
mod diagnostics;
mod execute;
mod expression;
mod failure;
mod file_name;
mod findings;
mod initialize;
mod input;
mod inputs;
mod literal;
mod output;
mod outputs;
mod run_variables;
mod script;
mod settings;
mod source;
mod timeline;
mod variables;
mod workspace_name;

use bindings::blockhouse::block::progress::summarize;
use bindings::{Behavior, Failure, Guest, Run, Verdict};
use settings::Settings;
use timeline::{Stage, Timeline};

struct Terraform;

impl Guest for Terraform {
    fn execute(run: Run) -> Result<Verdict, Failure> {
        let settings = Settings::read(&run.definition.settings);
        // The timeline is shown whatever the settings are like.
        let is_async = settings.as_ref().is_ok_and(|settings| settings.is_async);
        let mut timeline = Timeline::declare(run.behavior, is_async);
        timeline.enter(Stage::Sources)?;
        carry_out(&run, &settings?, &mut timeline)
    }
}

/// The stages in their order. A failure ends the run, and the step that is running with it.
fn carry_out(
    run: &Run,
    settings: &Settings<'_>,
    timeline: &mut Timeline,
) -> Result<Verdict, Failure> {
    let sources = source::prepare(run, settings, timeline)?;
    timeline.enter(Stage::Input)?;
    let prepared = input::prepare(run, settings, &sources, timeline)?;
    timeline.enter(Stage::Initialize)?;
    let workspace = initialize::initialize(run, &sources, &prepared, timeline)?;
    timeline.enter(Stage::Script)?;
    script::run(settings, timeline)?;
    timeline.enter(Stage::Execute)?;
    let told = execute::execute(run, settings, &sources, timeline)?;
    if run.behavior != Behavior::Detect {
        timeline.enter(Stage::Output)?;
        output::collect(run, &sources.tool, workspace.as_deref(), timeline)?;
    }
    timeline.finish()?;
    // Not before: it stands beside the status of the run, which may still fail.
    summarize(told);
    // A dry run triggers nothing outside, so nobody else would end it.
    let is_handed_over = settings.is_async && run.behavior != Behavior::Detect;
    Ok(if is_handed_over { Verdict::HandedOver } else { Verdict::Succeeded })
}
