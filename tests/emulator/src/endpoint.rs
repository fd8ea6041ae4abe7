//! The endpoints, one file each. Main type: [`Call`].

mod artifact;
mod claim;
mod login;
mod register;
mod register_runner;
mod state;
mod update;

use bytes::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, USER_AGENT};
use hyper::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::answer::{Answer, Refused};
use crate::route::{Route, Target};
use crate::world::World;

/// A request on its way through its endpoint.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) route: Route,
    pub(crate) run: Option<Uuid>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Option<&'a str>,
    pub(crate) body: &'a Bytes,
}

/// Checks and processes a request.
pub(crate) fn answer(target: &Target, mut call: Call<'_>) -> Answer {
    let result = match target {
        Target::Artifact { run } => artifact::answer(&mut call, *run),
        Target::Claim => claim::answer(&mut call),
        Target::Login => login::answer(&mut call),
        Target::Register { run } => register::answer(&mut call, *run),
        Target::RegisterRunner { runner } => register_runner::answer(&mut call, *runner),
        Target::State { route, address } => state::answer(&mut call, *route, address),
        Target::Unknown => Err(Refused::violation(StatusCode::NOT_FOUND, "no such endpoint")),
        Target::Update { run, source } => update::answer(&mut call, *run, source),
    };
    match result {
        Ok(answer) => answer,
        Err(refused) => call.world.refuse(call.route, call.run, refused),
    }
}

impl Call<'_> {
    /// The headers that every meshObject call has. All mistakes are recorded, the last is answered.
    fn expect_headers(&mut self, accept: &str, content_type: Option<&str>) -> Result<(), Refused> {
        let mut mistakes = Vec::new();
        if !self.is_media(&ACCEPT, accept) {
            mistakes.push((StatusCode::NOT_ACCEPTABLE, format!("Accept is not `{accept}`")));
        }
        if let Some(expected) = content_type
            && !self.is_media(&CONTENT_TYPE, expected)
        {
            let text = format!("Content-Type is not `{expected}`");
            mistakes.push((StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        let names = [USER_AGENT.as_str(), "x-meshcloud-runner-name", "x-meshcloud-runner-version"];
        for name in names {
            if self.text(name).is_none_or(str::is_empty) {
                mistakes.push((StatusCode::BAD_REQUEST, format!("no {name} header")));
            }
        }
        let runner = self.world.config.runner;
        let node = self
            .text("x-block-runner-node-id")
            .and_then(|id| id.strip_prefix(runner.to_string().as_str())?.strip_prefix('-'));
        if node.is_none_or(str::is_empty) {
            let text = "X-Block-Runner-Node-Id is not `<runner uuid>-<node>`".to_owned();
            mistakes.push((StatusCode::BAD_REQUEST, text));
        }
        let Some((status, last)) = mistakes.pop() else { return Ok(()) };
        for (_, mistake) in mistakes {
            self.world.violated(self.route, self.run, mistake);
        }
        Err(Refused::violation(status, last))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the header is this media type; parameters such as `charset` don't matter.
    fn is_media(&self, name: &HeaderName, expected: &str) -> bool {
        let essence = self.text(name.as_str()).and_then(|text| text.split(';').next());
        essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(expected))
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        serde_json::from_slice(self.body).map_err(|err| {
            Refused::violation(StatusCode::BAD_REQUEST, format!("the body does not fit: {err}"))
        })
    }

    /// A runner reports under its own uuid.
    fn expect_source(&self, source: &str) -> Result<(), Refused> {
        if Uuid::try_parse(source).is_ok_and(|id| id == self.world.config.runner) {
            return Ok(());
        }
        let text = format!("source `{source}` is not the runner");
        Err(Refused::violation(StatusCode::BAD_REQUEST, text))
    }
}
