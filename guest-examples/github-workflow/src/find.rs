//! Which run of the workflow is ours: [`find`].

use crate::api::{Api, WorkflowRun};
use crate::dispatch::{Details, Dispatched};
use crate::follow::cancelled;
use blockhouse_sdk::{CallError, Failure, Host, Polled, Polling, Step, failure, web_link};
use std::time::{Duration, SystemTime};

/// GitHub takes some seconds to create a run.
const SEARCH: Polling =
    Polling { interval: Duration::from_secs(3), limit: Duration::from_secs(120) };

/// So long, only a run that shows our run's id is taken.
const NO_GUESS: Duration = Duration::from_secs(12);

/// By how much GitHub's clock may be behind ours.
const CLOCKS: Duration = Duration::from_secs(30);

/// The run of the workflow.
pub(crate) struct Found {
    pub(crate) id: u64,
    /// Whether it is sure enough to be cancelled: nobody else's run shall be.
    pub(crate) is_sure: bool,
    pub(crate) link: Option<String>,
}

impl Found {
    /// Where people can look at it, as the end of a sentence.
    pub(crate) fn place(&self) -> String {
        self.link.as_ref().map_or_else(|| ".".to_owned(), |link| format!(": {link}"))
    }

    fn named(details: &Details) -> Self {
        let link = details.html_url.as_deref().and_then(web_link).map(str::to_owned);
        Self { id: details.workflow_run_id, is_sure: true, link }
    }

    fn of(run: &WorkflowRun, is_sure: bool) -> Self {
        let link = run.html_url.as_deref().and_then(web_link).map(str::to_owned);
        Self { id: run.id, is_sure, link }
    }
}

/// The run that GitHub has named; or the one that shows our run's id in its name or title; or, at last, the newest one.
pub(crate) fn find<H: Host>(
    host: &H,
    api: &mut Api<'_, '_, H>,
    run_id: &str,
    dispatched: Dispatched,
    step: &Step<'_, H>,
) -> Result<Found, Failure> {
    if let Some(details) = dispatched.details {
        return Ok(Found::named(&details));
    }
    step.log("GitHub has not said which run it has created, so it is searched for")?;
    let began = host.uptime();
    let polled = SEARCH.wait(host, || {
        let runs = api.runs()?;
        if let Some(run) = runs.iter().find(|run| shows(run, run_id)) {
            return Ok(Some(Found::of(run, true)));
        }
        if host.uptime().saturating_sub(began) < NO_GUESS {
            return Ok(None);
        }
        guess(&runs, dispatched.at, step)
    });
    let polled = polled.map_err(|error| {
        let Failure { message, detail } = error.into_failure("GitHub");
        let message = format!("The workflow was dispatched, but can't be followed. {message}");
        Failure { message, detail }
    })?;
    match polled {
        Polled::Aborted => Err(stopped(api, run_id, None)),
        Polled::Ended(found) => Ok(found),
        Polled::TimedOut => Err(failure(
            "The workflow was dispatched, but GitHub shows no run of it. Please look there, or ask the platform team.",
        )),
    }
}

/// The run was stopped before it was known which run of the workflow is ours. There is time for one look.
pub(crate) fn stopped<H: Host>(
    api: &mut Api<'_, '_, H>,
    run_id: &str,
    details: Option<&Details>,
) -> Failure {
    api.stop();
    let ours = details.map(Found::named).or_else(|| {
        let runs = api.runs().unwrap_or_default();
        runs.iter().find(|run| shows(run, run_id)).map(|run| Found::of(run, true))
    });
    match ours {
        Some(found) => cancelled(api, &found),
        None => failure(
            "The run was stopped after the workflow had been dispatched, and it is not known which run of the workflow is ours. Please cancel it in GitHub yourself.",
        ),
    }
}

/// The newest run since the dispatch. With more than one dispatch at a time it may be another one's.
fn guess<H: Host>(
    runs: &[WorkflowRun],
    dispatched: SystemTime,
    step: &Step<'_, H>,
) -> Result<Option<Found>, CallError> {
    let candidates = runs.iter().filter_map(|run| {
        let created = humantime::parse_rfc3339(run.created_at.as_deref()?).ok()?;
        (created + CLOCKS >= dispatched).then_some((created, run))
    });
    let candidates: Vec<_> = candidates.collect();
    let Some((_, newest)) = candidates.iter().max_by_key(|(created, run)| (*created, run.id))
    else {
        return Ok(None);
    };
    step.log(&format!(
        "warning: that run {} is ours is a guess: it is the newest of {} that were dispatched since. Let `run-name` of the workflow show the id of the building block's run, and it is found by that",
        newest.id,
        candidates.len()
    ))?;
    Ok(Some(Found::of(newest, candidates.len() == 1)))
}

fn shows(run: &WorkflowRun, run_id: &str) -> bool {
    let has = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains(run_id));
    has(&run.display_title) || has(&run.name)
}
