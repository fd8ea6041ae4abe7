//! Looks at a run, and cancels it.

use super::listing::page;
use super::repository::Repository;
use super::run::{Run, RunStatus};
use super::{Remote, Route, failed, not_found};
use crate::call::{Answer, Call};
use serde_json::json;

impl Remote {
    fn run_mut(&mut self, repository: &Repository, id: &str) -> Result<&mut Run, Answer> {
        let name = repository.full_name();
        let is_wanted = |run: &&mut Run| run.id.to_string() == id && run.repository == name;
        self.runs.iter_mut().find(is_wanted).ok_or_else(not_found)
    }

    /// A poll: what moves a run on, after it was answered.
    pub(super) fn watch_run(
        &mut self,
        call: &mut Call<'_, Route>,
        repository: &Repository,
        id: &str,
    ) -> Result<Answer, Answer> {
        let prefix = self.prefix;
        let run = self.run_mut(repository, id)?;
        let answer = Answer::json(200, &run.document(call.url, prefix));
        run.progress.polled(call.now);
        Ok(answer)
    }

    pub(super) fn watch_jobs(
        &mut self,
        call: &mut Call<'_, Route>,
        repository: &Repository,
        id: &str,
    ) -> Result<Answer, Answer> {
        let prefix = self.prefix;
        let documents = self.run_mut(repository, id)?.job_documents(call.url, prefix);
        Ok(page(call, "jobs", documents))
    }

    pub(super) fn cancel(
        &mut self,
        _: &mut Call<'_, Route>,
        repository: &Repository,
        id: &str,
    ) -> Result<Answer, Answer> {
        let run = self.run_mut(repository, id)?;
        if run.status() == RunStatus::Completed {
            return Err(failed(409, "Cannot cancel a workflow run that is completed."));
        }
        run.progress.cancel();
        Ok(Answer::json(202, &json!({})))
    }
}
