//! A host for native tests of components: [`Script`].
//!
//! It answers requests as the test says, and keeps what the component did. Its clock stands still but for pauses, which take no time.
//! Secrets are texts here: in what was sent they stand as `<secret NAME>`.

use crate::host::{Change, Host, StepName};
use crate::http::{HeaderValue, Part, Request, Response};
use crate::{SendError, SignError};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, SystemTime};

/// A request as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// With marks in place of secrets and documents.
    pub body: String,
    /// With marks in place of secrets.
    pub headers: Vec<(String, String)>,
    /// `GET`, `POST` and so on.
    pub method: &'static str,
    /// For the whole exchange.
    pub timeout: Duration,
    /// Absolute.
    pub url: String,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The body.
    pub body: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The status.
    pub status: u16,
}

/// How far a step has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It ended badly.
    Failed,
    /// It is being worked on.
    InProgress,
    /// It has not begun.
    Pending,
    /// It ended well.
    Succeeded,
}

/// A step as the user would see it.
#[derive(Clone, Debug)]
pub struct SeenStep {
    /// What the user reads.
    pub display_name: String,
    /// Its id.
    pub id: String,
    /// Lines for the operator.
    pub log: Vec<String>,
    /// The newest message.
    pub message: String,
    /// How far it has got.
    pub status: Status,
}

type Answering<'a> = dyn FnMut(&Sent, usize) -> Result<Answer, SendError> + 'a;

/// A host that answers as a test says.
pub struct Script<'a> {
    abort_at: Cell<Option<Duration>>,
    abort_at_request: Cell<Option<usize>>,
    answer: RefCell<Box<Answering<'a>>>,
    configuration: BTreeMap<String, String>,
    requests: RefCell<Vec<Sent>>,
    steps: RefCell<Vec<SeenStep>>,
    summary: RefCell<String>,
    uptime: Cell<Duration>,
}

impl fmt::Debug for Script<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("uptime", &self.uptime).finish_non_exhaustive()
    }
}

impl Sent {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(found, _)| found == name);
        header.map(|(_, value)| value.as_str())
    }
}

impl Answer {
    /// A response without headers.
    pub fn new(status: u16, body: &str) -> Self {
        Self { body: body.to_owned(), headers: Vec::new(), status }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl<'a> Script<'a> {
    /// Answers by `answer`, which gets the request and how many there were, this one included.
    pub fn new(answer: impl FnMut(&Sent, usize) -> Result<Answer, SendError> + 'a) -> Self {
        Self {
            abort_at: Cell::default(),
            abort_at_request: Cell::default(),
            answer: RefCell::new(Box::new(answer)),
            configuration: BTreeMap::new(),
            requests: RefCell::default(),
            steps: RefCell::default(),
            summary: RefCell::default(),
            uptime: Cell::default(),
        }
    }

    /// Answers nothing.
    pub fn silent() -> Self {
        Self::new(|_, _| Err(SendError::Network("nobody is there".to_owned())))
    }

    /// With a value of the policy.
    #[must_use]
    pub fn configure(mut self, key: &str, value: &str) -> Self {
        self.configuration.insert(key.to_owned(), value.to_owned());
        self
    }

    /// What it would answer, for a script that stands before this one.
    ///
    /// # Errors
    /// Why there would be no answer.
    pub fn answer(&self, sent: &Sent) -> Result<Answer, SendError> {
        self.requests.borrow_mut().push(sent.clone());
        let count = self.requests.borrow().len();
        (self.answer.borrow_mut())(sent, count)
    }

    /// The user stops the run when this time has passed.
    pub fn abort_after(&self, time: Duration) {
        self.abort_at.set(Some(time));
    }

    /// The user stops the run while this request, counted from one, is under way.
    pub fn abort_at_request(&self, request: usize) {
        self.abort_at_request.set(Some(request));
    }

    /// What was sent.
    pub fn requests(&self) -> Vec<Sent> {
        self.requests.borrow().clone()
    }

    /// All steps in their order.
    pub fn steps(&self) -> Vec<SeenStep> {
        self.steps.borrow().clone()
    }

    /// The step of this id.
    pub fn find(&self, id: &str) -> Option<SeenStep> {
        self.steps.borrow().iter().find(|step| step.id == id).cloned()
    }

    /// The line for the whole run.
    pub fn summary(&self) -> String {
        self.summary.borrow().clone()
    }
}

impl Host for Script<'_> {
    type Secret = String;

    fn aborted(&self) -> bool {
        let sent = self.requests.borrow().len();
        self.abort_at.get().is_some_and(|time| self.uptime.get() >= time)
            || self.abort_at_request.get().is_some_and(|request| sent >= request)
    }

    fn configured(&self, key: &str) -> Option<String> {
        self.configuration.get(key).cloned()
    }

    fn declare(&self, steps: &[StepName]) {
        let mut known = self.steps.borrow_mut();
        for StepName { id, display_name } in steps {
            if !known.iter().any(|step| step.id == *id) {
                known.push(SeenStep {
                    display_name: display_name.clone(),
                    id: id.clone(),
                    log: Vec::new(),
                    message: String::new(),
                    status: Status::Pending,
                });
            }
        }
    }

    fn now(&self) -> SystemTime {
        // 2026-11-02, 10:00 UTC.
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_793_613_600) + self.uptime.get()
    }

    fn pause(&self, time: Duration) -> bool {
        let wake = self.uptime.get() + time;
        let stop = self.abort_at.get().map(|abort| abort.max(self.uptime.get()));
        self.uptime.set(stop.map_or(wake, |stop| wake.min(stop)));
        self.aborted()
    }

    fn random(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }

    fn send(&self, request: &Request<'_, String>) -> Result<Response<String>, SendError> {
        if request.is_interruptible && self.aborted() {
            return Err(SendError::Aborted);
        }
        let sent = Sent {
            body: shown(&request.body),
            headers: request
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), shown_header(value)))
                .collect(),
            method: request.method,
            timeout: request.timeout,
            url: request.url.clone(),
        };
        let Answer { mut body, headers, status } = self.answer(&sent)?;
        let mut secret = None;
        if let Some(pointer) = request.take_secret.filter(|_| (200..300).contains(&status)) {
            let mut json: Value = serde_json::from_str(&body).unwrap_or_default();
            if let Some(Value::String(text)) = json.pointer_mut(pointer) {
                secret = Some(std::mem::take(text));
                body = json.to_string();
            }
        }
        Ok(Response { body: body.into_bytes(), headers, secret, status })
    }

    fn sign(&self, key: &String, claims: &str) -> Result<String, SignError> {
        Ok(format!("{claims} signed by {key}"))
    }

    fn step(&self, step: &StepName, change: Change<'_>) -> Result<(), String> {
        self.declare(std::slice::from_ref(step));
        let mut steps = self.steps.borrow_mut();
        let found = steps.iter_mut().find(|found| found.id == step.id);
        let found = found.ok_or_else(|| "not declared".to_owned())?;
        match (found.status, change) {
            (Status::Failed | Status::Succeeded, _) => return Err("ended".to_owned()),
            (_, Change::Start) => found.status = Status::InProgress,
            (Status::Pending, _) => return Err("not started".to_owned()),
            (_, Change::Fail(message)) => {
                found.status = Status::Failed;
                found.message = message.to_owned();
            }
            (_, Change::Log(text)) => found.log.push(text.to_owned()),
            (_, Change::Succeed) => found.status = Status::Succeeded,
            (_, Change::Tell(text)) => found.message = text.to_owned(),
        }
        Ok(())
    }

    fn summarize(&self, text: &str) {
        text.clone_into(&mut self.summary.borrow_mut());
    }

    fn uptime(&self) -> Duration {
        self.uptime.get()
    }
}

fn shown(parts: &[Part<'_, String>]) -> String {
    let part = |part: &Part<'_, String>| match part {
        Part::RunDocument(document) => {
            let base64 = if document.base64 { " base64" } else { "" };
            let without =
                if document.without_implementation { " without-implementation" } else { "" };
            format!("<run document{base64}{without}>")
        }
        Part::Secret(name) | Part::SecretInForm(name) | Part::SecretInJson(name) => {
            format!("<secret {name}>")
        }
        Part::Text(text) => text.clone(),
    };
    parts.iter().map(part).collect()
}

fn shown_header(value: &HeaderValue<'_, String>) -> String {
    match value {
        HeaderValue::Basic { user, password } => {
            format!("Basic {}:{}", shown(user), shown(password))
        }
        HeaderValue::Parts(parts) => shown(parts),
    }
}
