//! Runs and jobs as GitHub writes them.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::run::{Run, RunStatus};
use crate::clock;
use crate::progress::Phase;

fn time(at: Option<OffsetDateTime>) -> Value {
    at.map(clock::text).map_or(Value::Null, Value::String)
}

impl Run {
    pub(super) fn document(&self, url: &str, prefix: &str) -> Value {
        let Self { id, repository, .. } = self;
        let api = format!("{url}{prefix}/repos/{repository}/actions");
        let html = format!("{url}/{repository}/actions/runs/{id}");
        json!({
            "id": id,
            "name": self.workflow.1,
            "node_id": format!("WFR_{id}"),
            "head_branch": self.branch,
            "head_sha": "a91957a858320c0e17f3a0eca7cfacbff50ea29a",
            "path": format!(".github/workflows/{}", self.workflow.1),
            "display_title": self.title,
            "run_number": self.number,
            "run_attempt": 1,
            "event": self.event,
            "status": self.status().as_str(),
            "conclusion": self.conclusion().map(super::Conclusion::as_str),
            "workflow_id": self.workflow.0,
            "url": format!("{api}/runs/{id}"),
            "html_url": html,
            "created_at": clock::text(self.created),
            "run_started_at": clock::text(self.created),
            "updated_at": time(self.progress.changed()),
            "jobs_url": format!("{api}/runs/{id}/jobs"),
            "cancel_url": format!("{api}/runs/{id}/cancel"),
            "workflow_url": format!("{api}/workflows/{}", self.workflow.0),
            "repository": {"full_name": repository},
        })
    }

    /// None while the run is queued.
    pub(super) fn job_documents(&self, url: &str, prefix: &str) -> Vec<Value> {
        if self.progress.whole() == Phase::Waiting {
            return Vec::new();
        }
        let jobs = self.plan.jobs.iter().enumerate();
        jobs.map(|(index, (name, _))| self.job(index, name, url, prefix)).collect()
    }

    fn job(&self, index: usize, name: &str, url: &str, prefix: &str) -> Value {
        let Self { id: run, repository, progress, .. } = self;
        let id = run + 1 + index as u64;
        let started = progress.started(index);
        json!({
            "id": id,
            "run_id": run,
            "run_attempt": 1,
            "run_url": format!("{url}{prefix}/repos/{repository}/actions/runs/{run}"),
            "url": format!("{url}{prefix}/repos/{repository}/actions/jobs/{id}"),
            "html_url": format!("{url}/{repository}/actions/runs/{run}/job/{id}"),
            "workflow_name": self.workflow.1,
            "head_branch": self.branch,
            "name": name,
            "status": RunStatus::of(progress.part(index)).as_str(),
            "conclusion": self.job_conclusion(index).map(super::Conclusion::as_str),
            "created_at": time(progress.created()),
            "started_at": time(started.or_else(|| progress.created())),
            "completed_at": time(progress.finished(index)),
            "steps": [],
            "labels": ["ubuntu-latest"],
            "runner_name": started.map(|_| "GitHub Actions 1"),
        })
    }
}
