//! Looks at a run, its timeline, and cancels it.

use hyper::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::run::{Run, RunState};
use super::{Remote, Route, failed, invalid};
use crate::call::{Answer, Call};
use crate::clock;

impl Remote {
    fn run_mut(&mut self, project: &str, id: &str) -> Result<&mut Run, Answer> {
        let is_wanted =
            |run: &&mut Run| run.id.to_string() == id && run.project.eq_ignore_ascii_case(project);
        self.runs.iter_mut().find(is_wanted).ok_or_else(|| {
            let text = format!("The requested build {id} could not be found.");
            failed(404, "Microsoft.TeamFoundation.Build.WebApi", "BuildNotFoundException", &text)
        })
    }

    /// A poll: what moves a run on, after it was answered.
    pub(super) fn watch(
        &mut self,
        call: &mut Call<'_, Route>,
        project: &str,
        pipeline: &str,
        id: &str,
    ) -> Result<Answer, Answer> {
        let pipeline = self.pipeline(project, pipeline)?.id;
        let organization = self.organization.clone();
        let run = self.run_mut(project, id)?;
        if run.pipeline() != pipeline {
            return Err(failed(
                404,
                "Microsoft.Azure.Pipelines.WebApi",
                "RunNotFoundException",
                &format!("Run {id} was not found on pipeline {pipeline}."),
            ));
        }
        let answer = Answer::json(200, &run.document(call.url, &organization));
        run.progress.polled(call.now);
        Ok(answer)
    }

    pub(super) fn timeline(
        &mut self,
        call: &mut Call<'_, Route>,
        project: &str,
        id: &str,
    ) -> Result<Answer, Answer> {
        let organization = self.organization.clone();
        let run = self.run_mut(project, id)?;
        let timeline = run.timeline(call.url, &organization);
        Ok(timeline.map_or_else(|| Answer::empty(204), |timeline| Answer::json(200, &timeline)))
    }

    pub(super) fn cancel(
        &mut self,
        call: &mut Call<'_, Route>,
        project: &str,
        id: &str,
    ) -> Result<Answer, Answer> {
        let is_json = call.media(CONTENT_TYPE.as_str()) == Some("application/json");
        let body = call.json().filter(|_| is_json).unwrap_or_default();
        let run = self.run_mut(project, id)?;
        // The documentation's word has two `l`; the service takes any case.
        let wanted = body.get("status").and_then(Value::as_str).unwrap_or_default();
        let is_only = body.as_object().is_some_and(|body| body.len() == 1);
        if !wanted.eq_ignore_ascii_case("cancelling") || !is_only {
            call.breach("the body is not `{\"status\": \"cancelling\"}`");
            return Err(invalid("The build could not be updated."));
        }
        if run.state() == RunState::Completed {
            let text = format!("TF215051: Build {id} is completed and can't be changed.");
            return Err(failed(
                400,
                "Microsoft.TeamFoundation.Build.WebApi",
                "BuildStatusInvalidChangeException",
                &text,
            ));
        }
        run.progress.cancel();
        Ok(Answer::json(200, &build(run)))
    }
}

/// The build that the run is.
fn build(run: &Run) -> Value {
    json!({
        "id": run.id,
        "buildNumber": format!("20260101.{}", run.id),
        "status": "cancelling",
        "queueTime": clock::text(run.created),
        "definition": {"id": run.pipeline.0, "name": run.pipeline.1},
    })
}
