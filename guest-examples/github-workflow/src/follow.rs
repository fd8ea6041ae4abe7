//! Waiting for the workflow's end: [`follow`].

use crate::api::Api;
use crate::find::Found;
use crate::job::{NAMING, part};
use blockhouse_sdk::{Failure, Host, Mirror, Polled, Polling, failure, one_line};

/// With the trigger and the rest below the policy's `steps`.
const JOBS_MAX: usize = 50;

/// Shows the jobs until the workflow has ended; an error unless it has succeeded.
pub(crate) fn follow<H: Host>(
    host: &H,
    api: &mut Api<'_, '_, H>,
    found: &Found,
    polling: Polling,
) -> Result<(), Failure> {
    let mut mirror = Mirror::new(host, NAMING, JOBS_MAX);
    let polled = polling.wait(host, || {
        // First the run: once that has ended, the jobs are final.
        let run = api.run(found.id)?;
        match api.jobs(found.id) {
            Ok((jobs, unseen)) => {
                let parts: Vec<_> = jobs.into_iter().map(part).collect();
                mirror.show(&parts, unseen)?;
            }
            Err(error) if error.is_aborted() => return Err(error),
            // The run can be followed without them.
            Err(_) => {}
        }
        let is_over = run.status.as_deref() == Some("completed");
        Ok(is_over.then(|| run.conclusion.unwrap_or_else(|| "unknown".to_owned())))
    });
    let polled = polled.map_err(|error| {
        let Failure { message, detail } = error.into_failure("GitHub");
        let message = format!(
            "The workflow was dispatched, but can't be followed any more. {message} It goes on{}",
            found.place()
        );
        Failure { message, detail }
    })?;
    match polled {
        Polled::Aborted => {
            api.stop();
            Err(cancelled(api, found))
        }
        Polled::Ended(conclusion) => {
            mirror.finish()?;
            if conclusion == "success" {
                return Ok(());
            }
            Err(failure(format!(
                "The workflow ended with the conclusion `{}`{}",
                one_line(&conclusion, 40),
                found.place()
            )))
        }
        Polled::TimedOut => Err(failure(format!(
            "The workflow did not end within {}, and the runner waits no longer. It goes on{}",
            polling.limit_in_words(),
            found.place()
        ))),
    }
}

/// The run was stopped, and so was the workflow if it is ours and GitHub has taken the request.
pub(crate) fn cancelled<H: Host>(api: &mut Api<'_, '_, H>, found: &Found) -> Failure {
    let place = found.place();
    if !found.is_sure {
        return failure(format!(
            "The run was stopped. The workflow was not cancelled, since it is only a guess which run of it is ours; please cancel it yourself{place}"
        ));
    }
    match api.cancel(found.id) {
        Ok(()) => failure(format!(
            "The run was stopped, and GitHub was told to cancel the workflow{place}"
        )),
        Err(error) => {
            let Failure { message, detail } = error.into_failure("GitHub");
            let message = format!(
                "The run was stopped, but the workflow could not be cancelled and goes on. Please cancel it yourself{place} ({message})"
            );
            Failure { message, detail }
        }
    }
}
