//! The fourth stage: opens what was sealed, and sees to it that it stays hidden. Makes [`PreparedRun`]s.

use crate::admit::{AdmittedRun, Route};
use crate::excerpt::clip;
use crate::outcome::{Failure, Fault, Outcome};
use crate::redact::{self, Matcher, Redactor};
use crate::run::{Json, OpenedDocument, OpenedInput, OpenedRun, Run, Value};
use crate::share::SharedRun;
use crate::shutdown::Abort;
use crate::slots::Place;
use crate::telemetry::chain;
use crate::unseal::PrivateKey;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Runs whose secrets are opened at a time. Each may occupy a core for seconds, and 15 MiB for a moment while what finds its secrets is
/// built: many runs that start together should not add that up.
const AT_A_TIME: usize = 2;

/// The places of those. One per process, as are its cores and its memory.
static OPENING: Semaphore = Semaphore::const_new(AT_A_TIME);

/// What finds the secrets of definitions, and those of inputs, of the runs that are executing: of one process, as is the memory.
static SETTINGS: redact::Shared = redact::Shared::new();
static INPUTS: redact::Shared = redact::Shared::new();

/// Secrets that a run's warnings name in the daemon's log, and bytes of the key of each. Against flooding the log.
const WARNINGS_MAX: usize = 20;
const WARNED_KEY_MAX: usize = 100;

/// A run that only has to be executed.
#[derive(Debug)]
pub struct PreparedRun<'a> {
    /// The run, its secrets opened.
    pub run: OpenedRun,
    /// Its document with its secrets opened, if what executes it may be given the whole of it.
    pub document: Option<Arc<OpenedDocument>>,
    /// Its route.
    pub route: Arc<Route>,
    /// Finds its secrets in what the component says.
    pub redactor: Arc<Redactor>,
    /// Its leave to execute.
    pub place: Place<'a>,
}

/// How the values of a run's document are protected.
#[derive(Clone, Debug)]
pub enum Protection {
    /// Nothing is sealed: the document was decrypted by whoever handed it to us.
    Opened,
    /// Sensitive values are sealed to this key.
    Sealed(Arc<PrivateKey>),
}

/// Opens the run's inputs and settings, unless `abort` stops it.
///
/// # Errors
/// The outcome of a run whose secrets can't be opened; the message names the value and what to do.
pub async fn prepare<'a>(
    shared: SharedRun<'a>,
    protection: Protection,
    abort: &Abort,
) -> Result<PreparedRun<'a>, Outcome> {
    let SharedRun { admitted: AdmittedRun { run, document, route }, place } = shared;
    let secrets = secrets(&run);
    check_number(secrets, route.grants.limits().handles)?;
    let stop = abort.clone();
    let open = move || {
        let run = open(run, &protection, &stop)?;
        // A document that was read can be read again; if not, whoever needs it says so.
        let document = document.and_then(|sealed| OpenedDocument::of(sealed.expose_secret(), &run));
        let (redactor, warnings) = redactor(&run, document.as_ref()).map_err(|error| {
            let detail = chain(&error).to_string();
            Outcome::Faulted(Fault { detail, retryable: false })
        })?;
        Ok((run, document, redactor, warnings))
    };
    // RSA takes milliseconds per value, and large secrets make large redactors; other runs should not wait for either.
    let opened = if secrets > 0 {
        let permit = tokio::select! {
            biased;
            reason = abort.aborted() => return Err(Outcome::Aborted(reason)),
            // It is never closed.
            permit = OPENING.acquire() => permit.ok(),
        };
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            open()
        });
        work.await.map_err(|_| {
            let detail = "opening the run's secrets panicked".to_owned();
            Outcome::Faulted(Fault { detail, retryable: false })
        })?
    } else {
        open()
    };
    let (run, document, redactor, warnings) = opened?;
    warn(&warnings);
    let (document, redactor) = (document.map(Arc::new), Arc::new(redactor));
    Ok(PreparedRun { run, document, route, redactor, place })
}

/// Refuses a run with more secrets than handles before any is opened: it would fail for want of handles after seconds of work.
fn check_number(secrets: usize, allowed: usize) -> Result<(), Outcome> {
    if secrets <= allowed {
        return Ok(());
    }
    let message = format!(
        "The run has {secrets} sensitive inputs and settings; a component can be given {allowed} (the limit \
         `handles`). Please use fewer, or ask the platform team for a higher limit."
    );
    Err(Outcome::Failed(Failure::Input { message }))
}

fn warn(warnings: &[redact::Warning]) {
    for redact::Warning { key, omission } in warnings.iter().take(WARNINGS_MAX) {
        let key = clip(key, WARNED_KEY_MAX);
        tracing::warn!(key, reason = omission.reason(), "a secret is not redacted everywhere");
    }
    let more = warnings.len().saturating_sub(WARNINGS_MAX);
    if more > 0 {
        tracing::warn!(more, "more secrets are not redacted everywhere");
    }
}

/// What finds the run's secrets, and those that it won't find. The run token is one of them if the document may be given away: whoever
/// gets it may repeat it.
///
/// # Errors
/// If it can't be built. The run must not be executed then.
pub fn redactor(
    run: &OpenedRun,
    document: Option<&OpenedDocument>,
) -> Result<(Redactor, Vec<redact::Warning>), redact::BuildError> {
    // Inputs and settings apart: those of the definition are the same in all its runs.
    let inputs = run.inputs.iter().map(|input| (input.key.as_str(), &input.value));
    let settings = run.settings.iter().map(|(key, value)| (key.as_str(), value));
    let (settings, mut warnings) = SETTINGS.matcher(&secrets_of(settings))?;
    let (inputs, more) = INPUTS.matcher(&secrets_of(inputs))?;
    warnings.extend(more);
    // SECURITY: walls::the_run_token_that_a_server_repeats_is_in_no_text_that_is_shown
    let token = match document.and_then(OpenedDocument::run_token) {
        Some(token) => Matcher::of_token("run token", &token)?.map(Arc::new),
        None => None,
    };
    Ok((Redactor::of(settings.into_iter().chain(inputs).chain(token)), warnings))
}

/// The same for a run that is not to be executed, but told about. Blocks.
///
/// # Errors
/// What keeps a secret from being opened: nothing of what such a run's programs have printed must be shown then.
pub fn redactor_of(run: Run, protection: &Protection) -> Result<Redactor, Outcome> {
    let opened = open(run, protection, &Abort::default())?;
    let (redactor, warnings) = redactor(&opened, None).map_err(|error| {
        let detail = chain(&error).to_string();
        Outcome::Faulted(Fault { detail, retryable: false })
    })?;
    warn(&warnings);
    Ok(redactor)
}

fn secrets_of<'v>(
    values: impl Iterator<Item = (&'v str, &'v Value)>,
) -> Vec<(&'v str, &'v SecretString)> {
    let secrets = values.filter_map(|(key, value)| match value {
        Value::Secret(secret) => Some((key, secret)),
        Value::Json(_) | Value::Text(_) => None,
    });
    secrets.collect()
}

/// How many values will be secrets.
fn secrets(run: &Run) -> usize {
    let inputs = run.block.inputs.iter().filter(|input| input.sensitive && !input.value.is_null());
    let sealed = run.definition.implementation.sealed_fields();
    let settings = &run.definition.implementation.settings;
    let settings =
        settings.iter().filter(|(key, value)| sealed.contains(&key.as_str()) && !value.is_null());
    inputs.count() + settings.count()
}

fn open(run: Run, protection: &Protection, abort: &Abort) -> Result<OpenedRun, Outcome> {
    let go_on = || abort.reason().map_or(Ok(()), |reason| Err(Outcome::Aborted(reason)));
    let inputs = run.block.inputs.iter().map(|input| {
        go_on()?;
        let what = || format!("The input `{}`", input.key);
        let value = if input.is_sealed() {
            secret(&input.value, protection, what)?
        } else if input.sensitive && !input.value.is_null() {
            Value::Secret(plain_text(&input.value, input.kind.is_text()))
        } else {
            plain(&input.value, input.kind.is_text())
        };
        Ok(OpenedInput {
            key: input.key.clone(),
            kind: input.kind.clone(),
            value,
            environment: input.environment,
        })
    });
    let inputs = inputs.collect::<Result<_, Outcome>>()?;
    let sealed_fields = run.definition.implementation.sealed_fields();
    let settings = run.definition.implementation.settings.iter().map(|(key, value)| {
        go_on()?;
        let what = || format!("The setting `{key}` of the building block definition");
        let value = if sealed_fields.contains(&key.as_str()) && !value.is_null() {
            secret(value, protection, what)?
        } else {
            plain(value, true)
        };
        Ok((key.clone(), value))
    });
    let settings = settings.collect::<Result<_, Outcome>>()?;
    Ok(OpenedRun { inputs, settings, run })
}

/// A value that meshStack seals.
fn secret(
    value: &Json,
    protection: &Protection,
    what: impl Fn() -> String,
) -> Result<Value, Outcome> {
    let fail = |message: String| Outcome::Failed(Failure::Input { message });
    if value.is_null() {
        return Ok(Value::Json(value.text().to_owned()));
    }
    let text = value.as_string().ok_or_else(|| fail(format!("{} is not text.", what())))?;
    match protection {
        Protection::Opened => Ok(Value::Secret(SecretString::from(text))),
        Protection::Sealed(key) => key.unseal(&text).map(Value::Secret).map_err(|error| {
            fail(format!("{} can't be decrypted: {error}. {}", what(), error.advice()))
        }),
    }
}

/// A value that anybody may see.
fn plain(value: &Json, text: bool) -> Value {
    match value.as_string() {
        Some(string) if text => Value::Text(string),
        _ => Value::Json(value.text().to_owned()),
    }
}

/// A sensitive value that meshStack sends in clear nonetheless.
fn plain_text(value: &Json, text: bool) -> SecretString {
    let string = value.as_string().filter(|_| text);
    SecretString::from(string.unwrap_or_else(|| value.text().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::AbortReason;
    use crate::redact::Omission;
    use crate::run::{Behavior, Block, Definition, Implementation, Input, InputKind, RunId};
    use std::collections::BTreeMap;
    use std::io::{Read as _, Seek as _};
    use std::sync::Mutex;

    fn input(key: &str, value: Json, sensitive: bool) -> Input {
        Input { key: key.to_owned(), kind: InputKind::String, value, sensitive, environment: false }
    }

    fn run(inputs: Vec<Input>) -> Run {
        let settings = [("appPem", "sealed"), ("owner", "plain")];
        let settings = settings.map(|(key, value)| (key.to_owned(), Json::string(value)));
        let implementation = Implementation {
            kind: "GITHUB_WORKFLOW".to_owned(),
            settings: BTreeMap::from(settings),
        };
        Run {
            id: RunId::parse("1").unwrap(),
            number: 1,
            behavior: Behavior::Apply,
            trigger: None,
            block: Block {
                uuid: "block".to_owned(),
                display_name: "A block".to_owned(),
                tenant: "tenant".to_owned(),
                project: None,
                platform: None,
                inputs,
                parents: Vec::new(),
            },
            definition: Definition {
                uuid: "definition".to_owned(),
                owner: "owner".to_owned(),
                version: 1,
                implementation,
            },
            links: Vec::new(),
        }
    }

    #[test]
    fn more_secrets_than_handles_are_refused() {
        let run = run(vec![
            input("one", Json::string("x"), true),
            input("none", Json::null(), true),
            input("plain", Json::string("x"), false),
        ]);
        // The sensitive input and the sealed setting.
        assert_eq!(secrets(&run), 2);
        assert_eq!(check_number(2, 2), Ok(()));
        let outcome = check_number(3, 2).unwrap_err();
        assert!(matches!(outcome, Outcome::Failed(Failure::Input { .. })), "{outcome:?}");
        assert!(outcome.user_message().unwrap().contains("has 3 sensitive inputs"), "{outcome:?}");
    }

    #[test]
    fn no_more_values_are_opened_for_a_run_that_is_aborted() {
        let abort = Abort::default();
        let run = run(vec![input("one", Json::string("x"), true)]);
        assert!(open(run.clone(), &Protection::Opened, &abort).is_ok());
        abort.abort(AbortReason::ByUser);
        let outcome = open(run, &Protection::Opened, &abort).unwrap_err();
        assert_eq!(outcome, Outcome::Aborted(AbortReason::ByUser));
    }

    #[test]
    fn warnings_are_few_and_short() {
        let key = "k".repeat(1000);
        let warning = redact::Warning { key, omission: Omission::TooShort };
        let mut file = tempfile::tempfile().unwrap();
        let writer = Mutex::new(file.try_clone().unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(writer).finish();
        tracing::subscriber::with_default(subscriber, || warn(&vec![warning; 1000]));
        let mut log = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut log).unwrap();
        assert_eq!(log.lines().count(), 21, "{log}");
        assert!(log.lines().all(|line| line.len() < 400) && log.contains("980"), "{log}");
    }
}
