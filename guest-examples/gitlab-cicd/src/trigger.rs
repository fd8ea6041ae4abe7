//! The one thing that is done: [`trigger`].

use crate::answer::read;
use crate::settings::Settings;
use blockhouse_sdk::{
    Client, Document, Entered, Failure, Form, Host, Request, Run, Step, Verdict, failure, unclear,
};

/// What pipelines find in the variables of these names.
const LINKS: [(&str, &str); 4] = [
    ("MESHSTACK_BASE_URL", "meshstackBaseUrl"),
    ("MESHSTACK_REGISTER_SOURCE_URL", "registerSource"),
    ("MESHSTACK_SELF_URL", "self"),
    ("MESHSTACK_UPDATE_SOURCE_URL", "updateSource"),
];

const BEHAVIOR: &str = "MESHSTACK_BEHAVIOR";
const DOCUMENT: &str = "MESHSTACK_RUN";

/// Triggers the pipeline, and leaves the rest to it.
pub(crate) fn trigger<H: Host>(host: &H, run: &Run<'_, H::Secret>) -> Result<Verdict, Failure> {
    let step = Step::start(host, "gl-trigger", "Trigger GitLab CI/CD")?;
    let settings = Settings::read(&run.fields)?;
    let (content_type, body) = form(host, run, &settings, &step)?.finish();
    if host.aborted() {
        return Err(failure("The run was stopped before the pipeline was triggered."));
    }
    let url =
        settings.base.below(&["api", "v4", "projects", settings.project, "trigger", "pipeline"]);
    let client = Client::new(host, "blockhouse").with_header("accept", "application/json");
    let answer = client.send(Request::act("POST", url).body(content_type, body));
    let answer = answer.map_err(|error| unclear("GitLab", "the pipeline was triggered", error))?;
    let pipeline = read(&answer)?;
    step.log(&format!("pipeline {} was created", pipeline.id))?;
    let place = pipeline.link().map(|link| format!(": {link}")).unwrap_or_else(|| ".".to_owned());
    // A trigger token can't cancel anything, and the pipeline is told when it reports.
    let told = if host.aborted() {
        format!(
            "The pipeline was triggered before the run was stopped, and the runner can't cancel it. Please do so in GitLab{place}"
        )
    } else {
        format!("The pipeline was triggered and will report the result{place}")
    };
    step.tell(&told)?;
    step.succeed()?;
    host.summarize(&told);
    Ok(Verdict::HandedOver)
}

/// What GitLab is told: who we are, which revision, and everything about the run.
fn form<'a, H: Host>(
    host: &H,
    run: &Run<'a, H::Secret>,
    settings: &Settings<'a, H::Secret>,
    step: &Step<'_, H>,
) -> Result<Form<'a, H::Secret>, Failure> {
    let mut form = Form::new(host)
        .entered("token", Entered::Secret(settings.token))
        .entered("ref", Entered::Text(settings.revision))
        .entered(&variable(BEHAVIOR), Entered::Text(run.behavior_name()))
        .document(&variable(DOCUMENT), Document::default());
    for (name, link) in LINKS {
        if let Some(address) = run.link(link) {
            form = form.entered(&variable(name), Entered::Text(address));
        }
    }
    // An input that was left out has nothing to pass on.
    for input in run.inputs.iter().filter(|input| !input.value.is_null()) {
        let is_ours = [BEHAVIOR, DOCUMENT].contains(&input.key)
            || LINKS.iter().any(|(name, _)| *name == input.key);
        if input.is_environment && is_ours {
            step.log(&format!(
                "warning: the input `{}` is not passed on: the runner sets the variable of this name",
                input.key
            ))?;
            continue;
        }
        let name = if input.is_environment {
            variable(input.key)
        } else {
            format!("inputs[{}]", input.key)
        };
        form = form.entered(&name, input.value);
    }
    Ok(form)
}

fn variable(name: &str) -> String {
    format!("variables[{name}]")
}
