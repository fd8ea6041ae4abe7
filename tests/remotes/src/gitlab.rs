//! GitLab: the endpoint that triggers a pipeline. Main type: [`GitLab`].

mod form;
mod project;
mod trigger;

use std::collections::BTreeMap;

use blockhouse_emulator::Fault;
use hyper::Method;

use crate::builder::Builder;
use crate::call::{Answer, Call, segments};
use crate::fake::Fake;

pub use project::Project;

/// A running fake GitLab.
pub type GitLab = Fake<Remote>;

/// The endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// `POST /api/v4/projects/{id}/trigger/pipeline`
    Trigger,
    /// None that is known.
    Unknown,
}

/// What GitLab answers to too many requests: plain text, and when to come again.
#[must_use]
pub fn retry_later(seconds: u32) -> Fault {
    let header = |name: &str, value: String| (name.to_owned(), value);
    let headers = vec![
        header("content-type", "text/plain".to_owned()),
        header("retry-after", seconds.to_string()),
        header("ratelimit-remaining", "0".to_owned()),
    ];
    Fault::Answer { status: 429, headers, body: b"Retry later\n".to_vec() }
}

/// A pipeline that a client triggered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pipeline {
    /// Its number.
    pub id: u64,
    /// The number of its project.
    pub project: u64,
    /// The branch or tag.
    pub reference: String,
    /// `variables[…]`, byte for byte.
    pub variables: BTreeMap<String, String>,
    /// `inputs[…]`, byte for byte.
    pub inputs: BTreeMap<String, String>,
}

/// The service behind it.
#[derive(Debug, Default)]
pub struct Remote {
    projects: Vec<Project>,
    pipelines: Vec<Pipeline>,
    needs_verification: bool,
}

impl Remote {
    /// Every pipeline that was triggered.
    #[must_use]
    pub fn pipelines(&self) -> &[Pipeline] {
        &self.pipelines
    }
}

impl crate::remote::Remote for Remote {
    type Route = Route;

    const NAME: &'static str = "fake-gitlab";

    fn route(&self, method: &Method, path: &str) -> Route {
        let segments = segments(path);
        let parts: Vec<_> = segments.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["api", "v4", "projects", _, "trigger", "pipeline"] if method == Method::POST => {
                Route::Trigger
            }
            _ => Route::Unknown,
        }
    }

    fn answer(&mut self, call: &mut Call<'_, Route>) -> Result<Answer, Answer> {
        match call.route {
            Route::Trigger => self.trigger(call),
            Route::Unknown => {
                call.breach("no such endpoint");
                Err(trigger::failed(404, "404 Not Found"))
            }
        }
    }
}

impl Fake<Remote> {
    /// Starts describing a GitLab.
    #[must_use]
    pub fn builder() -> Builder<Remote> {
        Builder::of(Remote::default())
    }

    /// Every pipeline that was triggered.
    #[must_use]
    pub fn pipelines(&self) -> Vec<Pipeline> {
        self.world().pipelines.clone()
    }

    /// From now on, whether the token's user would have to verify an identity first.
    pub fn require_verification(&self, needs: bool) {
        self.change(|world| world.needs_verification = needs);
    }
}

impl Builder<Remote> {
    /// Has this project.
    #[must_use]
    pub fn project(mut self, project: Project) -> Self {
        self.remote.projects.push(project);
        self
    }
}
