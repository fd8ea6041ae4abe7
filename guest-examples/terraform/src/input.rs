//! The second stage: what the inputs become.

use crate::bindings::blockhouse::block::terraform::{self, Part as HostPart};
use crate::bindings::blockhouse::block::types::{InputType, Secret, Value};
use crate::bindings::{Behavior, Failure, Run};
use crate::failure::failed;
use crate::file_name::{RUN_VARIABLES, VARIABLES};
use crate::findings::{self, Findings, FutureFile};
use crate::inputs::{self, Entered, Input, Kind, Part, Sorted};
use crate::run_variables;
use crate::settings::Settings;
use crate::source::Sources;
use crate::timeline::Timeline;
use crate::variables::variables_file;
use std::path::Path;

/// The folder that the host has put the sources into.
const WORK: &str = "/work";

/// What the next stage needs to know.
pub(crate) struct Prepared {
    pub(crate) findings: Findings,
    /// Where meshStack keeps the state; none if the configuration says where.
    pub(crate) state_address: Option<String>,
}

pub(crate) fn prepare(
    run: &Run,
    settings: &Settings<'_>,
    sources: &Sources,
    timeline: &Timeline,
) -> Result<Prepared, Failure> {
    let inputs: Vec<_> = run.block.inputs.iter().map(input).collect();
    let sorted = inputs::sort(&inputs).map_err(|error| for_user(error.to_string()))?;
    for note in &sorted.notes {
        timeline.warn(note)?;
    }
    let findings = find(&sorted, sources)?;
    // Before anything is written: without the run's token there is no state, and nothing may be left behind.
    let state_address = state_address(settings, &findings, timeline)?;

    let variables = sorted.variables;
    for (name, content) in sorted.files {
        let replaces = if findings.replaced.iter().any(|replaced| replaced == name) {
            ", which replaces one of the repository"
        } else {
            ""
        };
        timeline.log(&format!("the input `{name}` becomes a file{replaces}"))?;
        write(name, vec![content])?;
    }
    for (name, value) in sorted.environment {
        timeline.log(&format!("the input `{name}` becomes an environment variable"))?;
        terraform::set_environment(name, &[part(value)]).map_err(|error| {
            failed(&format!("Setting the environment variable `{name}`"), &error)
        })?;
    }

    let is_plan = run.behavior == Behavior::Detect || sources.has_plan;
    let configuration = &findings.configuration;
    let run_values = run_variables::values(&run.block.uuid, &run.id, is_plan, configuration);
    let reveal = |secret: &Secret| secret.reveal().map_err(|denied| denied.reason);
    let (file, notes) = variables_file(&variables, run_values, configuration, reveal);
    for note in &notes {
        timeline.warn(note)?;
    }
    write(VARIABLES, file)?;
    let declarations = run_variables::declarations(configuration, &sources.tool.version);
    if let Some(text) = declarations.filter(|_| !findings.has_run_variables) {
        write(RUN_VARIABLES, vec![Part::Text(text)])?;
    }
    Ok(Prepared { findings, state_address })
}

/// Looks around in `/work`; in a run that is resumed, what was found the first time counts.
fn find(sorted: &Sorted<'_, &Secret>, sources: &Sources) -> Result<Findings, Failure> {
    let files: Vec<FutureFile<'_>> = sorted
        .files
        .iter()
        .map(|(name, content)| match content {
            Part::Bytes(bytes) => (*name, Some(bytes.as_slice())),
            _ => (*name, None),
        })
        .collect();
    let found = findings::find(Path::new(WORK), &files, sources.tool.is_tofu);
    let unkept = |cause: serde_json::Error| {
        Failure {
        message: "The run could not be prepared because of a problem of the runner. Please tell the platform team.".to_owned(),
        detail: Some(format!("what was found in the sources can't be kept: {cause}")),
    }
    };
    let text = serde_json::to_string(&found).map_err(unkept)?;
    let kept = terraform::keep(&text).map_err(|error| failed("Preparing the run", &error))?;
    let found: Result<Findings, String> = serde_json::from_str(&kept).map_err(unkept)?;
    found.map_err(for_user)
}

fn state_address(
    settings: &Settings<'_>,
    findings: &Findings,
    timeline: &Timeline,
) -> Result<Option<String>, Failure> {
    if findings.configuration.has_backend {
        return Ok(None);
    }
    if !settings.is_state_in_meshstack {
        timeline.warn("the configuration has no backend: its state ends with this run, and later runs know nothing of what it has made")?;
        return Ok(None);
    }
    terraform::state_address()
        .map(Some)
        .map_err(|error| failed("Keeping the state in meshStack", &error))
}

/// Writes a file into `/work`.
pub(crate) fn write(name: &str, content: Vec<Part<&Secret>>) -> Result<(), Failure> {
    let content: Vec<_> = content.into_iter().map(part).collect();
    terraform::write_file(name, &content)
        .map_err(|error| failed(&format!("Writing the file `{name}`"), &error))
}

fn part(part: Part<&Secret>) -> HostPart<'_> {
    match part {
        Part::Bytes(bytes) => HostPart::Bytes(bytes),
        Part::RunDocument => HostPart::RunDocumentBase64,
        Part::Secret(secret) => HostPart::Secret(secret),
        Part::SecretAsJson(secret) => HostPart::SecretAsJson(secret),
        Part::SecretAsJsonText(secret) => HostPart::SecretAsJsonText(secret),
        Part::SecretContent(secret) => HostPart::SecretContent(secret),
        Part::SecretInJson(secret) => HostPart::SecretInJson(secret),
        Part::Text(text) => HostPart::Text(text),
    }
}

fn input(input: &crate::bindings::blockhouse::block::types::Input) -> Input<'_, &Secret> {
    let kind = match &input.type_ {
        InputType::Code => Kind::Code,
        InputType::File => Kind::File,
        InputType::List => Kind::List,
        InputType::MultiSelect => Kind::MultiSelect,
        InputType::Boolean | InputType::Integer | InputType::Other(_) => Kind::Plain,
        InputType::SingleSelect | InputType::String => Kind::Text,
    };
    let value = match &input.value {
        Value::Json(json) => Entered::Json(json),
        Value::Secret(secret) => Entered::Secret(secret),
        Value::Text(text) => Entered::Text(text),
    };
    Input { key: &input.key, kind, value, is_environment: input.environment }
}

fn for_user(message: String) -> Failure {
    Failure { message, detail: None }
}
