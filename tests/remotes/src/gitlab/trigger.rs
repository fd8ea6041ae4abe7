//! Triggers a pipeline, or says what is wrong as GitLab does.

use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use super::form::Form;
use super::project::Project;
use super::{Pipeline, Remote, Route};
use crate::call::{Answer, Call};
use crate::clock;

/// GitLab's default for one value.
const VARIABLE_BYTES_MAX: usize = 1024 * 1024;
/// GitLab refuses pipelines with more.
const VARIABLES_MAX: usize = 200;
/// What the documentation of `spec:inputs` says.
const INPUTS_MAX: usize = 20;

/// An error as most of GitLab's are.
pub(super) fn failed(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({"message": message}))
}

/// An error of the pipeline that would have been made.
fn unmade(message: &str) -> Answer {
    Answer::json(400, &json!({"message": {"base": [message]}}))
}

/// An error of the API's own check of parameters.
fn missing(name: &str) -> Answer {
    Answer::json(400, &json!({"error": format!("{name} is missing")}))
}

impl Remote {
    pub(super) fn trigger(&mut self, call: &mut Call<'_, Route>) -> Result<Answer, Answer> {
        let form = self.form(call)?;
        let token = form.plain.get("token").ok_or_else(|| missing("token"));
        let reference = form.plain.get("ref").ok_or_else(|| missing("ref"));
        let (token, reference) = match (token, reference) {
            (Ok(token), Ok(reference)) => (token, reference),
            (Err(answer), _) | (_, Err(answer)) => {
                call.breach("`token` or `ref` is missing");
                return Err(answer);
            }
        };
        let segments = call.segments("/api/v4/projects/");
        let wanted = segments.first().map_or("", String::as_str);
        let is_wanted =
            |project: &&Project| project.id.to_string() == wanted || project.path == wanted;
        // A wrong token looks like a wrong project: neither is to be told from outside.
        let project = self
            .projects
            .iter()
            .find(is_wanted)
            .filter(|project| project.token == *token)
            .ok_or_else(|| failed(404, "404 Not Found"))?;
        if self.needs_verification {
            let text = "Identity verification is required in order to run CI jobs";
            return Err(unmade(text));
        }
        if !project.references.contains(reference) {
            return Err(unmade("Reference not found"));
        }
        check_variables(&form)?;
        check_inputs(project, &form)?;
        if !project.has_jobs {
            let text = "Pipeline will not run for the selected trigger. The rules configuration \
                        prevented any jobs from being added to the pipeline.";
            return Err(unmade(text));
        }
        let pipeline = Pipeline {
            id: 1_001 + self.pipelines.len() as u64,
            project: project.id,
            reference: reference.clone(),
            variables: form.variables,
            inputs: form.inputs,
        };
        let is_same = |other: &&Pipeline| {
            let mut same = pipeline.clone();
            same.id = other.id;
            **other == same && !other.variables.is_empty()
        };
        if let Some(other) = self.pipelines.iter().find(is_same) {
            call.breach(format!("triggered twice: it is pipeline {} already", other.id));
        }
        let document = document(&pipeline, &project.path, call);
        self.pipelines.push(pipeline);
        Ok(Answer::json(201, &document))
    }

    /// The form, with everything odd about the request noted.
    fn form(&self, call: &mut Call<'_, Route>) -> Result<Form, Answer> {
        if call.headers.contains_key(AUTHORIZATION) || call.headers.contains_key("private-token") {
            call.breach("a header with credentials: the token belongs into the form");
        }
        if call.query.is_some() {
            call.breach("a query: all parameters belong into the form");
        }
        let media = call.header(CONTENT_TYPE.as_str()).unwrap_or_default().to_owned();
        if call.media(CONTENT_TYPE.as_str()) != Some("multipart/form-data") {
            call.breach("not `multipart/form-data`");
            return Err(Answer::json(
                415,
                &json!({"error": "The provided content-type is not supported."}),
            ));
        }
        match Form::read(&media, call.body) {
            Ok(form) => {
                for oddity in &form.oddities {
                    call.breach(oddity);
                }
                let known = |name: &&String| ["ref", "token"].contains(&name.as_str());
                for name in form.plain.keys().filter(|name| !known(name)) {
                    call.breach(format!("an unknown field `{name}`"));
                }
                Ok(form)
            }
            Err(error) => {
                call.breach(format!("a form that can't be read: {error}"));
                Err(failed(400, "400 Bad request"))
            }
        }
    }
}

fn check_variables(form: &Form) -> Result<(), Answer> {
    if form.variables.len() > VARIABLES_MAX {
        return Err(unmade("Too many variables"));
    }
    for (name, value) in &form.variables {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.len() > 255 || !name.chars().all(is_name) {
            let text = "Variables key can contain only letters, digits and '_'.";
            return Err(unmade(text));
        }
        if value.len() > VARIABLE_BYTES_MAX {
            return Err(unmade("Variables value is too long"));
        }
    }
    Ok(())
}

fn check_inputs(project: &Project, form: &Form) -> Result<(), Answer> {
    if form.inputs.len() > INPUTS_MAX {
        return Err(failed(400, &format!("400 Bad request - inputs exceed {INPUTS_MAX}")));
    }
    let Some(declared) = &project.inputs else {
        if form.inputs.is_empty() {
            return Ok(());
        }
        let text =
            "Given inputs not defined in the `spec` section of the included configuration file";
        return Err(unmade(text));
    };
    let unknown: Vec<_> = form
        .inputs
        .keys()
        .filter(|name| !declared.contains_key(*name))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(unmade(&format!("unknown input arguments: {}", unknown.join(", "))));
    }
    let mut required = declared.iter().filter(|(_, is_required)| **is_required);
    match required.find(|(name, _)| !form.inputs.contains_key(*name)) {
        Some((name, _)) => {
            Err(unmade(&format!("`{name}` input: required value has not been provided")))
        }
        None => Ok(()),
    }
}

fn document(pipeline: &Pipeline, path: &str, call: &Call<'_, Route>) -> Value {
    let now = clock::text(call.now);
    json!({
        "id": pipeline.id,
        "iid": pipeline.id,
        "project_id": pipeline.project,
        "sha": "a91957a858320c0e17f3a0eca7cfacbff50ea29a",
        "ref": pipeline.reference,
        "status": "created",
        "source": "trigger",
        "created_at": now,
        "updated_at": now,
        "web_url": format!("{}/{path}/-/pipelines/{}", call.url, pipeline.id),
        "before_sha": "0000000000000000000000000000000000000000",
        "tag": false,
        "yaml_errors": null,
        "user": {"id": 1, "username": "trigger", "name": "Trigger", "state": "active"},
        "started_at": null,
        "finished_at": null,
        "committed_at": null,
        "duration": null,
        "queued_duration": null,
        "coverage": null,
    })
}
