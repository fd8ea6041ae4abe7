//! The fourth stage: the script that the definition runs before the tool.

use crate::bindings::Failure;
use crate::bindings::blockhouse::block::terraform::{self, OperationError};
use crate::failure::failed;
use crate::settings::Settings;
use crate::timeline::Timeline;

pub(crate) fn run(settings: &Settings<'_>, timeline: &mut Timeline) -> Result<(), Failure> {
    let Some(script) = settings.script else {
        return timeline.log("there is no pre-run script");
    };
    // Entered in a browser on Windows; bash would take the carriage returns for parts of words.
    match terraform::run_script(&script.replace("\r\n", "\n")) {
        Err(OperationError::Failed(failure)) => {
            let message = match failure.exit_code {
                Some(code) => format!("pre-run script failed with exit code {code}"),
                None => "pre-run script was ended by a signal".to_owned(),
            };
            if let Some(told) = failure.message {
                timeline.fail(&told)?;
            }
            Err(Failure { message, detail: None })
        }
        result => match result.map_err(|error| failed("The pre-run script", &error))? {
            Some(told) => timeline.tell(&told),
            None => Ok(()),
        },
    }
}
