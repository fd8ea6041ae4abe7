//! Everything that is known of a run, but for secrets.

use super::table::word;
use crate::daemon::inventory::{FileSize, KnownRun, Operation, Phase};
use crate::excerpt::line;
use crate::meshstack::wire::{Output, RunStatus, Step, StepStatus};
use crate::outcome::Bytes;
use crate::run::{Behavior, Input, Run};
use crate::shim::{End, Exit, Sight, StopReason};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

/// What stands in the place of a value that is not shown.
const HIDDEN: &str = "<sensitive>";

/// Bytes of a value that are shown to people.
const VALUE_MAX: usize = 200;

/// A point in time as it is shown.
pub(super) fn date(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// What is shown of a run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    run: String,
    phase: Phase,
    claimed: Option<String>,
    ended: Option<String>,
    order: Option<Order>,
    steps: Vec<StepReport>,
    outcome: Option<RunStatus>,
    summary: Option<String>,
    rejection: Option<RejectionReport>,
    directory: Option<PathBuf>,
    files: Vec<FileSize>,
    operations: Vec<OperationReport>,
    copies: Vec<PathBuf>,
}

/// What was ordered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    number: u64,
    behavior: &'static str,
    implementation_type: String,
    block: String,
    block_name: String,
    tenant: String,
    project: Option<String>,
    definition: String,
    definition_version: u64,
    owner: String,
    inputs: Vec<Value>,
}

#[derive(Debug, Serialize)]
struct Value {
    key: String,
    value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StepReport {
    id: String,
    name: Option<String>,
    status: StepStatus,
    outputs: Vec<Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RejectionReport {
    when: String,
    status: Option<u16>,
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OperationReport {
    name: String,
    directory: PathBuf,
    state: &'static str,
    details: String,
}

impl Report {
    pub(super) fn of(run: &KnownRun) -> Self {
        let history = run.history();
        let rejection = run.rejection().map(|rejection| RejectionReport {
            when: date(rejection.when),
            status: rejection.status,
            text: rejection.text.clone(),
        });
        Self {
            run: run.id.to_string(),
            phase: run.phase,
            claimed: history.claimed.map(date),
            ended: history.ended.map(date),
            order: run.run().map(Order::of),
            steps: run.steps().into_iter().map(StepReport::of).collect(),
            outcome: run.outcome(),
            summary: history.end.as_ref().and_then(|end| end.summary.clone()),
            rejection,
            directory: run.directory.clone(),
            files: run.files(),
            operations: run.operations().iter().map(OperationReport::of).collect(),
            copies: run.copies.clone(),
        }
    }
}

impl Order {
    /// Not the settings of the implementation: which of them are secret is known of the types that we know only.
    fn of(run: &Run) -> Self {
        let behavior = match run.behavior {
            Behavior::Apply => "APPLY",
            Behavior::Destroy => "DESTROY",
            Behavior::Detect => "DETECT",
        };
        Self {
            number: run.number,
            behavior,
            implementation_type: run.definition.implementation.kind.clone(),
            block: run.block.uuid.clone(),
            block_name: run.block.display_name.clone(),
            tenant: run.block.tenant.clone(),
            project: run.block.project.clone(),
            definition: run.definition.uuid.clone(),
            definition_version: run.definition.version,
            owner: run.definition.owner.clone(),
            inputs: run.block.inputs.iter().map(input).collect(),
        }
    }
}

fn input(input: &Input) -> Value {
    // SECURITY: e2e::runs::what_is_shown_of_a_run_holds_no_secret
    let value = if input.sensitive { HIDDEN } else { input.value.text() };
    Value { key: input.key.clone(), value: value.to_owned() }
}

fn output((key, output): (&String, &Output)) -> Value {
    // SECURITY: e2e::runs::what_is_shown_of_a_run_holds_no_secret
    let value = if output.sensitive { HIDDEN } else { output.value.text() };
    Value { key: key.clone(), value: value.to_owned() }
}

impl StepReport {
    fn of(step: &Step) -> Self {
        Self {
            id: step.id.clone(),
            name: step.display_name.clone(),
            status: step.status,
            outputs: step.outputs.iter().map(output).collect(),
        }
    }
}

impl OperationReport {
    fn of(operation: &Operation) -> Self {
        let (state, details) = match &operation.sight {
            Ok(Sight::Ended(end)) => ("ended", ended(end)),
            Ok(Sight::Lost { since }) => {
                ("lost", format!("since {}; nobody has seen its end", date(*since)))
            }
            Ok(Sight::NotStarted) => ("not started", String::new()),
            Ok(Sight::Running { since, program, is_stopping }) => {
                let process = program.map(|pid| format!(", process {pid}")).unwrap_or_default();
                let stopping = if *is_stopping { ", told to stop" } else { "" };
                ("running", format!("since {}{process}{stopping}", date(*since)))
            }
            Err(error) => ("unknown", error.clone()),
        };
        Self {
            name: operation.name.clone(),
            directory: operation.directory.clone(),
            state,
            details,
        }
    }
}

/// How an operation ended, in words.
fn ended(end: &End) -> String {
    let exit = match &end.exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::NotStarted(why) => format!("could not be started: {why}"),
        Exit::Unseen => "nobody has seen how".to_owned(),
    };
    let stop = end.stop.map(|stop| {
        let killed = if stop.killed { ", then killed" } else { "" };
        format!(
            "; stopped ({}), interrupted {} times{killed}",
            reason(stop.reason),
            stop.interrupts
        )
    });
    format!("{exit}{}, {}", stop.unwrap_or_default(), date(end.ended))
}

fn reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::ByUser => "by its user",
        StopReason::Cpu => "processor time",
        StopReason::Disk => "disk space",
        StopReason::Memory => "memory",
        StopReason::Orphaned => "its daemon died",
        StopReason::Output => "output",
        StopReason::Processes => "processes",
        StopReason::Shutdown => "shutdown",
        StopReason::Time => "time",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![("run", self.run.clone()), ("phase", word(self.phase).to_owned())];
        rows.extend(self.claimed.clone().map(|date| ("claimed", date)));
        rows.extend(self.ended.clone().map(|date| ("ended", date)));
        if let Some(order) = &self.order {
            let Order { block, block_name, definition, definition_version, .. } = order;
            rows.push((
                "order",
                format!(
                    "{} by {}, number {}",
                    order.behavior, order.implementation_type, order.number
                ),
            ));
            rows.push(("block", format!("{block_name} ({block})")));
            rows.push(("tenant", order.tenant.clone()));
            rows.extend(order.project.clone().map(|project| ("project", project)));
            let definition =
                format!("{definition}, version {definition_version}, of {}", order.owner);
            rows.push(("definition", definition));
        }
        rows.extend(self.outcome.map(|status| ("outcome", outcome_word(status).to_owned())));
        rows.extend(self.summary.clone().map(|summary| ("summary", summary)));
        if let Some(RejectionReport { when, text, .. }) = &self.rejection {
            rows.push(("rejected", format!("{when}: {text}")));
        }
        let directory = self.directory.as_ref().map(|path| path.display().to_string());
        rows.extend(directory.map(|path| ("directory", path)));
        rows.extend(self.copies.iter().map(|path| ("state copy", path.display().to_string())));
        for (index, (name, value)) in rows.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{name:<12}{}", line(value, 4 * VALUE_MAX))?;
        }
        let inputs = self.order.iter().flat_map(|order| &order.inputs);
        list(f, "inputs", inputs.map(|Value { key, value }| format!("{key} = {value}")))?;
        let steps = self.steps.iter().flat_map(|step| {
            let StepReport { id, name, status, outputs } = step;
            let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            let outputs = outputs.iter().map(|Value { key, value }| format!("  {key} = {value}"));
            std::iter::once(format!("{id}{name}: {}", status_word(*status))).chain(outputs)
        });
        list(f, "steps", steps)?;
        let operations = self.operations.iter();
        list(
            f,
            "operations",
            operations.map(|it| format!("{}: {} {}", it.name, it.state, it.details)),
        )?;
        let more = |file: &FileSize| if file.is_more { " at least" } else { "" };
        let files = self.files.iter();
        list(
            f,
            "files",
            files.map(|file| format!("{}:{} {}", file.name, more(file), Bytes(file.bytes))),
        )
    }
}

fn list(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    lines: impl Iterator<Item = String>,
) -> fmt::Result {
    for (index, text) in lines.enumerate() {
        if index == 0 {
            write!(f, "\n{title}")?;
        }
        write!(f, "\n  {}", line(&text, VALUE_MAX))?;
    }
    Ok(())
}

fn outcome_word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Failed => "FAILED",
        // Something outside finishes it.
        RunStatus::InProgress => "IN_PROGRESS",
        RunStatus::Succeeded => "SUCCEEDED",
    }
}

fn status_word(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Failed => "FAILED",
        StepStatus::InProgress => "IN_PROGRESS",
        StepStatus::Pending => "PENDING",
        StepStatus::Succeeded => "SUCCEEDED",
    }
}
