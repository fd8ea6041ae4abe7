//! Launches a pipeline, or says what is wrong as Azure DevOps does.

use std::collections::BTreeMap;

use hyper::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::run::Run;
use super::{Pipeline, Remote, Route, failed, invalid};
use crate::call::{Answer, Call};
use crate::progress::Progress;

/// Fields that the API knows. We send the first and the second.
const FIELDS: &[&str] =
    &["resources", "templateParameters", "previewRun", "stagesToSkip", "variables", "yamlOverride"];

impl Remote {
    pub(super) fn pipeline(&self, project: &str, id: &str) -> Result<&Pipeline, Answer> {
        let is_wanted =
            |pipeline: &&Pipeline| pipeline.is_in(project) && pipeline.id.to_string() == id;
        self.pipelines.iter().find(is_wanted).ok_or_else(|| {
            let text = format!("TF215016: The build definition {id} does not exist. Specify a valid build definition and try again.");
            failed(404, "Microsoft.TeamFoundation.Build.WebApi", "DefinitionNotFoundException", &text)
        })
    }

    pub(super) fn launch(
        &mut self,
        call: &mut Call<'_, Route>,
        project: &str,
        pipeline: &str,
    ) -> Result<Answer, Answer> {
        let pipeline = self.pipeline(project, pipeline)?.clone();
        let body = read(call)?;
        let parameters = parameters(call, body.get("templateParameters"))?;
        let reference = reference(call, body.get("resources"))?;
        let branch = reference.strip_prefix("refs/heads/").unwrap_or(&reference);
        if !pipeline.branches.iter().any(|known| known == branch) {
            let text = format!(
                "/azure-pipelines.yml: Could not get the latest source version for repository {project} hosted on \
                 Azure Repos using ref refs/heads/{branch}."
            );
            return Err(invalid(&text));
        }
        if let Some(name) = parameters.keys().find(|name| !pipeline.parameters.contains_key(*name))
        {
            return Err(invalid(&format!("Unexpected parameter '{name}'")));
        }
        let mut required = pipeline.parameters.iter().filter(|(_, is_required)| **is_required);
        if let Some((name, _)) = required.find(|(name, _)| !parameters.contains_key(*name)) {
            let text = format!("A value for the '{name}' parameter must be provided.");
            return Err(invalid(&text));
        }
        let plan = if self.next_plans.is_empty() {
            pipeline.plan.clone()
        } else {
            self.next_plans.remove(0)
        };
        let run = Run {
            id: 501 + self.runs.len() as u64,
            project: pipeline.project,
            pipeline: (pipeline.id, pipeline.name),
            reference: format!("refs/heads/{branch}"),
            parameters,
            progress: Progress::new(plan.stages.len(), plan.pace, call.now),
            plan,
            created: call.now,
        };
        let document = run.document(call.url, &self.organization);
        self.runs.push(run);
        Ok(Answer::json(200, &document))
    }
}

fn read(call: &mut Call<'_, Route>) -> Result<Map<String, Value>, Answer> {
    if call.media(CONTENT_TYPE.as_str()) != Some("application/json") {
        call.breach("Content-Type is not `application/json`");
        return Err(Answer::json(415, &serde_json::json!({"message": "Unsupported Media Type"})));
    }
    let Some(Value::Object(body)) = call.json() else {
        call.breach("the body is no JSON object");
        return Err(unreadable());
    };
    for name in body.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        call.breach(format!("an unknown field `{name}`"));
    }
    Ok(body)
}

fn unreadable() -> Answer {
    let text = "TF400898: An Internal Error Occurred. The request body could not be read.";
    failed(400, "System", "ArgumentException", text)
}

/// Strings only: other values are what the real service answers with an error about its own types.
fn parameters(
    call: &mut Call<'_, Route>,
    given: Option<&Value>,
) -> Result<BTreeMap<String, String>, Answer> {
    let given = match given {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(given)) => given,
        Some(_) => {
            call.breach("`templateParameters` is no object");
            return Err(unreadable());
        }
    };
    let mut parameters = BTreeMap::new();
    for (name, value) in given {
        let Value::String(value) = value else {
            call.breach(format!("the template parameter `{name}` is no string"));
            return Err(unreadable());
        };
        parameters.insert(name.clone(), value.clone());
    }
    Ok(parameters)
}

fn reference(call: &mut Call<'_, Route>, resources: Option<&Value>) -> Result<String, Answer> {
    let Some(resources) = resources else { return Ok("main".to_owned()) };
    match resources.pointer("/repositories/self/refName") {
        Some(Value::String(reference)) if !reference.is_empty() => Ok(reference.clone()),
        _ => {
            call.breach("`resources` without `repositories.self.refName`");
            Err(unreadable())
        }
    }
}
