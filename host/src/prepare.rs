//! The fourth stage: opens what was sealed, and sees to it that it stays hidden. Makes [`PreparedRun`]s.

use crate::admit::{AdmittedRun, Route};
use crate::outcome::{Failure, Fault, Outcome};
use crate::redact::{self, Redactor};
use crate::run::{Json, OpenedInput, OpenedRun, Run, Value};
use crate::share::SharedRun;
use crate::slots::Place;
use crate::telemetry::chain;
use crate::unseal::PrivateKey;
use secrecy::SecretString;
use std::sync::Arc;

/// A run that only has to be executed.
#[derive(Debug)]
pub struct PreparedRun<'a> {
    /// The run, its secrets opened.
    pub run: OpenedRun,
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

/// Opens the run's inputs and settings.
///
/// # Errors
/// The outcome of a run whose secrets can't be opened; the message names the value and what to do.
pub async fn prepare(
    shared: SharedRun<'_>,
    protection: Protection,
) -> Result<PreparedRun<'_>, Outcome> {
    let SharedRun { admitted: AdmittedRun { run, route }, place } = shared;
    let has_secrets = has_secrets(&run);
    let open = move || {
        let run = open(run, &protection)?;
        let (redactor, warnings) = redactor(&run).map_err(|error| {
            let detail = chain(&error).to_string();
            Outcome::Faulted(Fault { detail, retryable: false })
        })?;
        Ok((run, redactor, warnings))
    };
    // RSA takes milliseconds per value, and large secrets make large redactors; other runs should not wait for either.
    let opened = if has_secrets {
        tokio::task::spawn_blocking(open).await.map_err(|_| {
            let detail = "opening the run's secrets panicked".to_owned();
            Outcome::Faulted(Fault { detail, retryable: false })
        })?
    } else {
        open()
    };
    let (run, redactor, warnings) = opened?;
    for redact::Warning { key, omission } in warnings {
        tracing::warn!(key, reason = omission.reason(), "a secret is not redacted everywhere");
    }
    Ok(PreparedRun { run, route, redactor: Arc::new(redactor), place })
}

/// What finds the run's secrets, and those that it won't find.
///
/// # Errors
/// If it can't be built. The run must not be executed then.
pub fn redactor(run: &OpenedRun) -> Result<(Redactor, Vec<redact::Warning>), redact::BuildError> {
    let inputs = run.inputs.iter().map(|input| (&input.key, &input.value));
    let settings = run.settings.iter().map(|(key, value)| (key, value));
    let secrets = inputs.chain(settings).filter_map(|(key, value)| match value {
        Value::Secret(secret) => Some((key.as_str(), secret)),
        Value::Json(_) | Value::Text(_) => None,
    });
    Redactor::new(secrets)
}

fn has_secrets(run: &Run) -> bool {
    run.block.inputs.iter().any(|input| input.sensitive)
        || !run.definition.implementation.sealed_fields().is_empty()
}

fn open(run: Run, protection: &Protection) -> Result<OpenedRun, Outcome> {
    let inputs = run.block.inputs.iter().map(|input| {
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
