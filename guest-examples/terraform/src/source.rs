//! The first stage: the tool and the sources.

use crate::bindings::blockhouse::block::artifacts;
use crate::bindings::blockhouse::block::sources::{
    self, CheckedOut, CheckoutError, Repository, RevisionKind,
};
use crate::bindings::blockhouse::block::terraform;
use crate::bindings::{Behavior, Failure, Run};
use crate::failure::failed;
use crate::settings::Settings;
use crate::timeline::Timeline;

/// What the run works with.
pub(crate) struct Sources {
    /// Whether a plan must be applied that an earlier run has made.
    pub(crate) has_plan: bool,
    pub(crate) tool: Tool,
}

/// The program.
pub(crate) struct Tool {
    pub(crate) is_tofu: bool,
    pub(crate) version: String,
}

impl Tool {
    /// What people call it.
    pub(crate) fn name(&self) -> &'static str {
        if self.is_tofu { "OpenTofu" } else { "Terraform" }
    }

    /// What people call one of its verbs.
    pub(crate) fn verb(&self, verb: &str) -> String {
        format!("{} {verb}", self.name())
    }
}

pub(crate) fn prepare(
    run: &Run,
    settings: &Settings<'_>,
    timeline: &Timeline,
) -> Result<Sources, Failure> {
    let installed = terraform::install(settings.version);
    let installed = installed
        .map_err(|error| failed(&format!("Installing version {}", settings.version), &error))?;
    let tool = Tool { is_tofu: installed.name == "tofu", version: installed.version };
    timeline.log(&format!("using {} {}", tool.name(), tool.version))?;

    let checked_out = sources::checkout(&Repository {
        url: settings.repository_url.to_owned(),
        revision: settings.revision.clone(),
        path: settings.repository_path.clone(),
        private_key: settings.private_key,
        known_host: settings.known_host.clone(),
    });
    let checked_out = checked_out.map_err(|error| not_checked_out(&error))?;
    timeline.log(&describe(settings, &checked_out))?;
    for note in &checked_out.notes {
        timeline.warn(note)?;
    }
    // Only an `apply` has one to apply; whatever else comes along with other runs is none of theirs.
    let has_plan = run.behavior == Behavior::Apply && artifacts::has_plan();
    Ok(Sources { has_plan, tool })
}

fn describe(settings: &Settings<'_>, checked_out: &CheckedOut) -> String {
    let commit = &checked_out.commit;
    let kind = match checked_out.kind {
        RevisionKind::Branch => "branch",
        RevisionKind::Commit => "commit",
        RevisionKind::DefaultBranch => {
            return format!("checked out the default branch at {commit}");
        }
        RevisionKind::Tag => "tag",
    };
    let revision = settings.revision.as_deref().unwrap_or_default();
    format!("checked out the {kind} `{revision}` at {commit}")
}

fn not_checked_out(error: &CheckoutError) -> Failure {
    let (message, detail) = match error {
        CheckoutError::Aborted => ("The run was stopped while its sources were downloaded; nothing was changed.".to_owned(), None),
        CheckoutError::Denied(rule) => {
            (format!("The sources may not be downloaded here: {rule}. Please ask the platform team."), None)
        }
        CheckoutError::Failed(why) => (
            format!("The sources could not be downloaded: {why}. Please ask the platform team to check the repository and its key."),
            None,
        ),
        CheckoutError::Fault(cause) => (
            "The sources could not be downloaded because of a problem of the runner. Please try again, or tell the platform team.".to_owned(),
            Some(cause.clone()),
        ),
        CheckoutError::Invalid(why) => (
            format!("The sources can't be downloaded: {why}. Please ask the platform team to correct the building block's definition."),
            None,
        ),
        CheckoutError::NotFound(what) => (
            format!("The sources were not found: {what}. Please ask the platform team to correct the building block's definition."),
            None,
        ),
        CheckoutError::Timeout(what) => (format!("The sources took too long to download: {what}. Please try again."), None),
        CheckoutError::TooLarge(what) => (format!("The sources are too large: {what}. Please ask the platform team."), None),
    };
    Failure { message, detail }
}
