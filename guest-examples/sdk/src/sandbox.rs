//! The host that is really there: [`Sandbox`].

use crate::bindings::blockhouse::block::types::Secret;
use crate::bindings::blockhouse::block::{configuration, http, jwt, progress};
use crate::host::{Change, Host, StepName};
use crate::http::{Document, HeaderValue, Part, Request, Response};
use crate::{SendError, SignError};
use std::time::{Duration, Instant, SystemTime};

/// The interfaces of `blockhouse:block`.
#[derive(Debug)]
pub struct Sandbox {
    began: Instant,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self { began: Instant::now() }
    }
}

impl Host for Sandbox {
    type Secret = Secret;

    fn aborted(&self) -> bool {
        progress::aborted()
    }

    fn configured(&self, key: &str) -> Option<String> {
        configuration::value(key)
    }

    fn declare(&self, steps: &[StepName]) {
        let declaration = |step: &StepName| progress::StepDeclaration {
            id: step.id.clone(),
            display_name: step.display_name.clone(),
        };
        progress::declare(&steps.iter().map(declaration).collect::<Vec<_>>());
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn pause(&self, time: Duration) -> bool {
        progress::pause(milliseconds(time))
    }

    fn random(&self) -> u64 {
        // WASI always has some. Going on with numbers that can be guessed would be worse than a trap.
        getrandom::u64().unwrap_or_else(|_| std::process::abort())
    }

    fn send(&self, request: &Request<'_, Secret>) -> Result<Response<Secret>, SendError> {
        let headers = request.headers.iter();
        let sent = http::Request {
            method: request.method.to_owned(),
            url: request.url.clone(),
            headers: headers
                .map(|(name, value)| http::Header { name: name.clone(), value: header(value) })
                .collect(),
            body: parts(&request.body),
            timeout_milliseconds: Some(milliseconds(request.timeout)),
            max_response_bytes: Some(request.max_response_bytes),
            interruptible: request.is_interruptible,
            take_secret: request.take_secret.map(str::to_owned),
        };
        // The runner may be restarted meanwhile, and then has to know whether it may repeat it.
        let send = if request.is_repeatable { http::send_repeatable } else { http::send };
        let http::Response { status, headers, body, secret } = send(&sent)?;
        Ok(Response { body, headers, secret, status })
    }

    fn sign(&self, key: &Secret, claims: &str) -> Result<Secret, SignError> {
        jwt::sign(key, jwt::Algorithm::Rs256, claims)
    }

    fn step(&self, step: &StepName, change: Change<'_>) -> Result<(), String> {
        // The host knows it by its id.
        let step = progress::Step::new(&step.id, &step.display_name);
        let taken = match change {
            Change::Fail(message) => step.fail(message),
            Change::Log(text) => step.log(text),
            Change::Start => step.start(),
            Change::Succeed => step.succeed(),
            Change::Tell(text) => step.tell(text),
        };
        taken.map_err(|error| error.to_string())
    }

    fn summarize(&self, text: &str) {
        progress::summarize(text);
    }

    fn uptime(&self) -> Duration {
        self.began.elapsed()
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn header<'a>(value: &HeaderValue<'a, Secret>) -> http::HeaderValue<'a> {
    match value {
        HeaderValue::Basic { user, password } => http::HeaderValue::Basic(http::Credentials {
            user: parts(user),
            password: parts(password),
        }),
        HeaderValue::Parts(pieces) => http::HeaderValue::Parts(parts(pieces)),
    }
}

fn parts<'a>(parts: &[Part<'a, Secret>]) -> Vec<http::Part<'a>> {
    let convert = |part: &Part<'a, Secret>| match part {
        Part::RunDocument(document) => http::Part::RunDocument(form(*document)),
        Part::Secret(secret) => http::Part::Secret(secret),
        Part::SecretInForm(secret) => http::Part::SecretInForm(secret),
        Part::SecretInJson(secret) => http::Part::SecretInJson(secret),
        Part::Text(text) => http::Part::Text(text.clone()),
    };
    parts.iter().map(convert).collect()
}

fn form(document: Document) -> http::DocumentForm {
    let mut form = http::DocumentForm::empty();
    form.set(http::DocumentForm::BASE64, document.base64);
    form.set(http::DocumentForm::WITHOUT_IMPLEMENTATION, document.without_implementation);
    form
}
