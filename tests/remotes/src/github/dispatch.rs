//! Dispatches a workflow, or says what is wrong as GitHub does.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::repository::{Repository, Workflow};
use super::run::Run;
use super::{Remote, Route, RunPlan, failed, not_found};
use crate::call::{Answer, Call};
use crate::progress::Progress;

/// GitHub's limit today.
pub(super) const INPUTS_MAX: usize = 25;
/// GitHub's limit until 2025, and that of older servers.
pub(super) const INPUTS_MAX_OLD: usize = 10;
const PAYLOAD_CHARS_MAX: usize = 65_535;

/// What a dispatch asks for.
struct Order {
    reference: String,
    inputs: Map<String, Value>,
    wants_details: bool,
}

/// A run that is to be made.
pub(super) struct Start<'a> {
    pub(super) workflow: (u64, &'a Workflow),
    pub(super) reference: &'a str,
    pub(super) event: &'static str,
    pub(super) inputs: Map<String, Value>,
    pub(super) title: String,
    pub(super) plan: RunPlan,
}

impl Remote {
    pub(super) fn dispatch(
        &mut self,
        call: &mut Call<'_, Route>,
        repository: &Repository,
        workflow: &str,
    ) -> Result<Answer, Answer> {
        let order = self.order(call)?;
        let (id, workflow) = repository.find_workflow(workflow).ok_or_else(not_found)?;
        if !repository.has_branch(&order.reference) {
            return Err(failed(422, &format!("No ref found for: {}", order.reference)));
        }
        if !workflow.is_enabled {
            let text = "Cannot trigger a 'workflow_dispatch' on a disabled workflow";
            return Err(failed(422, text));
        }
        if !workflow.is_dispatched {
            return Err(failed(422, "Workflow does not have 'workflow_dispatch' trigger"));
        }
        check_inputs(workflow, &order.inputs)?;
        let is_same = |run: &&Run| {
            run.inputs == order.inputs && run.workflow() == workflow.file && !run.inputs.is_empty()
        };
        if let Some(run) = self.runs.iter().find(is_same) {
            call.breach(format!("dispatched twice: it is run {} already", run.id));
        }
        let plan = if self.next_plans.is_empty() {
            workflow.plan.clone()
        } else {
            self.next_plans.remove(0)
        };
        let run = self.begin(
            repository,
            call.now,
            Start {
                workflow: (id, workflow),
                reference: &order.reference,
                event: "workflow_dispatch",
                title: workflow.title(&order.inputs),
                inputs: order.inputs,
                plan,
            },
        );
        if !order.wants_details {
            return Ok(Answer::empty(204));
        }
        let name = repository.full_name();
        Ok(Answer::json(
            200,
            &json!({
                "workflow_run_id": run,
                "run_url": format!("{}{}/repos/{name}/actions/runs/{run}", call.url, self.prefix),
                "html_url": format!("{}/{name}/actions/runs/{run}", call.url),
            }),
        ))
    }

    /// Reads the body.
    fn order(&self, call: &mut Call<'_, Route>) -> Result<Order, Answer> {
        let Some(Value::Object(mut body)) = call.json() else {
            call.breach("the body is no JSON object");
            return Err(failed(400, "Problems parsing JSON"));
        };
        let details = match body.remove("return_run_details") {
            // Older servers check strictly, before they do anything.
            Some(_) if !self.knows_run_details => {
                let text = "Invalid request.\n\n\"return_run_details\" is not a permitted key.";
                return Err(failed(422, text));
            }
            other => other,
        };
        let (reference, inputs) = (body.remove("ref"), body.remove("inputs"));
        let mut refuse = |text: String| {
            call.breach(text.clone());
            Err(failed(422, &format!("Invalid request.\n\n{text}")))
        };
        if let Some(key) = body.keys().next() {
            return refuse(format!("\"{key}\" is not a permitted key."));
        }
        let Some(Value::String(reference)) = reference else {
            return refuse("\"ref\" wasn't supplied.".to_owned());
        };
        let wants_details = match details {
            None => false,
            Some(Value::Bool(wants)) => wants,
            Some(_) => return refuse("\"return_run_details\" is not a boolean.".to_owned()),
        };
        let inputs = match inputs {
            None => Map::new(),
            Some(Value::Object(inputs)) => inputs,
            Some(_) => return refuse("\"inputs\" is not an object.".to_owned()),
        };
        // Which inputs a run has is not up to the client, so too many or too long ones are no breach.
        if inputs.len() > self.inputs_max {
            let (max, count) = (self.inputs_max, inputs.len());
            let text = format!("No more than {max} properties are allowed; {count} were supplied.");
            return Err(failed(422, &format!("Invalid request.\n\n{text}")));
        }
        if Value::Object(inputs.clone()).to_string().chars().count() > PAYLOAD_CHARS_MAX {
            return Err(failed(422, "inputs are too large."));
        }
        Ok(Order { reference, inputs, wants_details })
    }

    /// Makes a run and gives its number.
    pub(super) fn begin(
        &mut self,
        repository: &Repository,
        now: OffsetDateTime,
        start: Start<'_>,
    ) -> u64 {
        let number = self.runs.len() as u64 + 1;
        // Room for the numbers of jobs, and so much for reversed ones that they never meet others.
        let in_order = 70_000_000 + number * 1_000;
        let reversed = self.reversed.take().filter(|(left, _)| *left > 0);
        let (id, created) = match reversed {
            None => (in_order, now),
            Some((left, since)) => {
                self.reversed = Some((left - 1, since));
                (in_order + left * 1_000_000_000, since)
            }
        };
        let branch = start.reference.strip_prefix("refs/heads/").unwrap_or(start.reference);
        self.runs.push(Run {
            id,
            number,
            repository: repository.full_name(),
            workflow: (start.workflow.0, start.workflow.1.file.clone()),
            branch: branch.to_owned(),
            event: start.event,
            title: start.title,
            inputs: start.inputs,
            progress: Progress::new(start.plan.jobs.len(), start.plan.pace, created),
            hidden: start.plan.hidden,
            plan: start.plan,
            created,
        });
        id
    }
}

fn check_inputs(workflow: &Workflow, inputs: &Map<String, Value>) -> Result<(), Answer> {
    let unknown: Vec<_> =
        inputs.keys().filter(|name| !workflow.inputs.contains_key(*name)).collect();
    if !unknown.is_empty() {
        return Err(failed(422, &format!("Unexpected inputs provided: {}", json!(unknown))));
    }
    let is_given = |name: &str| inputs.get(name).is_some_and(|value| *value != json!(""));
    let mut required = workflow.inputs.iter().filter(|(_, is_required)| **is_required);
    match required.find(|(name, _)| !is_given(name)) {
        Some((name, _)) => Err(failed(422, &format!("Required input '{name}' not provided"))),
        None => Ok(()),
    }
}
