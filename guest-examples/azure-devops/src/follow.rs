//! Waiting for the pipeline's end: [`follow`].

use crate::api::Api;
use crate::stage::{NAMING, part};
use crate::start::{Started, cancelled};
use blockhouse_sdk::{Failure, Host, Mirror, Polled, Polling, failure, one_line};

/// With the trigger and the rest below the policy's `steps`.
const STAGES_MAX: usize = 50;

/// Shows the stages until the pipeline has ended; an error unless it has succeeded.
pub(crate) fn follow<H: Host>(
    host: &H,
    api: &Api<'_, '_, H>,
    started: &Started,
    polling: Polling,
) -> Result<(), Failure> {
    let mut mirror = Mirror::new(host, NAMING, STAGES_MAX);
    let link = started.link.as_deref();
    let polled = polling.wait(host, || {
        // First the run: once that has ended, the stages are final.
        let run = api.run(started.id)?;
        match api.stages(started.id) {
            Ok(stages) => {
                let parts: Vec<_> = stages.into_iter().map(|stage| part(stage, link)).collect();
                mirror.show(&parts, 0)?;
            }
            Err(error) if error.is_aborted() => return Err(error),
            // The run can be followed without them.
            Err(_) => {}
        }
        let is_over = run.state.as_deref() == Some("completed");
        Ok(is_over.then(|| run.result.unwrap_or_else(|| "unknown".to_owned())))
    });
    let polled = polled.map_err(|error| {
        let Failure { message, detail } = error.into_failure("Azure DevOps");
        let message = format!(
            "The pipeline was started, but can't be followed any more. {message} It goes on{}",
            started.place()
        );
        Failure { message, detail }
    })?;
    match polled {
        Polled::Aborted => Err(cancelled(api, started)),
        Polled::Ended(result) => {
            mirror.finish()?;
            if result == "succeeded" {
                return Ok(());
            }
            Err(failure(format!(
                "The pipeline ended with the result `{}`{}",
                one_line(&result, 40),
                started.place()
            )))
        }
        Polled::TimedOut => Err(failure(format!(
            "The pipeline did not end within {}, and the runner waits no longer. It goes on{}",
            polling.limit_in_words(),
            started.place()
        ))),
    }
}
