//! Azure DevOps: pipeline runs, their builds and timelines. Main type: [`AzureDevOps`].

mod access;
mod build;
mod document;
mod hand;
mod launch;
mod pipeline;
mod run;

use hyper::Method;
use serde_json::json;

use crate::call::{Answer, Call, segments};
use crate::fake::Fake;

pub use access::BadToken;
pub use hand::RunView;
pub use pipeline::{Outcome, Pipeline, RunPlan};
pub use run::{Run, RunState};

/// A running fake Azure DevOps.
pub type AzureDevOps = Fake<Remote>;

/// The endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// `PATCH …/_apis/build/builds/{run}`
    Cancel,
    /// `POST …/_apis/pipelines/{id}/runs`
    Launch,
    /// `GET …/_apis/pipelines/{id}/runs/{run}`
    Run,
    /// `GET …/_apis/build/builds/{run}/timeline`
    Timeline,
    /// None that is known.
    Unknown,
}

/// The service behind it.
#[derive(Debug, Default)]
pub struct Remote {
    organization: String,
    tokens: Vec<String>,
    bad_token: BadToken,
    pipelines: Vec<Pipeline>,
    runs: Vec<Run>,
    /// Plans for the next runs.
    next_plans: Vec<RunPlan>,
    is_delayed: bool,
}

impl Remote {
    /// Every pipeline run, in the order of their launches.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }
}

/// An error as Azure DevOps writes them. The kind is the name of an exception, with the namespace it lives in.
fn failed(status: u16, namespace: &str, kind: &str, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({
            "$id": "1",
            "innerException": null,
            "message": message,
            "typeName": format!("{namespace}.{kind}, {namespace}"),
            "typeKey": kind,
            "errorCode": 0,
            "eventId": 3000,
        }),
    )
}

/// An error of the pipeline that would have been run.
fn invalid(message: &str) -> Answer {
    failed(400, "Microsoft.Azure.Pipelines.WebApi", "PipelineValidationException", message)
}

fn no_endpoint() -> Answer {
    Answer::text(404, "text/html; charset=utf-8", "<html><body>Page not found</body></html>")
}

impl crate::remote::Remote for Remote {
    type Route = Route;

    const NAME: &'static str = "fake-azure-devops";

    fn route(&self, method: &Method, path: &str) -> Route {
        let segments = segments(path);
        let parts: Vec<_> = segments.iter().map(String::as_str).collect();
        match (method.as_str(), parts.as_slice()) {
            ("POST", [_, _, "_apis", "pipelines", _, "runs"]) => Route::Launch,
            ("GET", [_, _, "_apis", "pipelines", _, "runs", _]) => Route::Run,
            ("GET", [_, _, "_apis", "build", "builds", _, "timeline"]) => Route::Timeline,
            ("PATCH", [_, _, "_apis", "build", "builds", _]) => Route::Cancel,
            _ => Route::Unknown,
        }
    }

    fn answer(&mut self, call: &mut Call<'_, Route>) -> Result<Answer, Answer> {
        if call.route == Route::Unknown {
            call.breach("no such endpoint");
            return Err(no_endpoint());
        }
        self.check_token(call)?;
        access::check_version(call)?;
        let segments = call.segments("");
        let parts: Vec<_> = segments.iter().map(String::as_str).collect();
        let [organization, project, _, rest @ ..] = parts.as_slice() else {
            return Err(no_endpoint());
        };
        self.check_project(organization, project)?;
        let answer = match rest {
            ["pipelines", pipeline, "runs"] => self.launch(call, project, pipeline),
            ["pipelines", pipeline, "runs", run] => self.watch(call, project, pipeline, run),
            ["build", "builds", run, "timeline"] => self.timeline(call, project, run),
            ["build", "builds", run] => self.cancel(call, project, run),
            _ => Err(no_endpoint()),
        }?;
        // So says a server that is about to slow its client down.
        Ok(if self.is_delayed {
            answer
                .with("x-ratelimit-resource", "Core")
                .with("x-ratelimit-delay", "1.5")
                .with("x-ratelimit-limit", "200")
                .with("x-ratelimit-remaining", "0")
                .with("retry-after", "1")
        } else {
            answer
        })
    }
}
