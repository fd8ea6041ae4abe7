//! The runner's own calls: [`Client`].

use std::sync::Arc;

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use uuid::Uuid;

use super::auth::Authority;
use super::call::{ANSWER_MAX, Caller, RUN_MEDIA_TYPE};
use super::config::Config;
use super::contact::Contact;
use super::document::Claim;
use super::error::{BodyError, BuildError, CallError, CallErrorKind, LinkError, Operation};
use super::lifetime::Lifetime;
use super::links::{Base, Paths};
use super::run_client::RunClient;
use super::transport::{Request, Transport};
use super::wire::{RunnerObject, RunnerRegistration};

const RUNNER_MEDIA_TYPE: &str =
    "application/vnd.meshcloud.api.meshbuildingblockrunner.v1-preview.hal+json";

/// How many bytes a claimed run may have: inputs may hold whole files, as base64.
const CLAIM_MAX: usize = 32 * 1024 * 1024;

/// Speaks for the runner: claims runs and registers the runner. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    caller: Caller,
    base: Base,
    runner: Uuid,
}

impl Client {
    /// Checks the configuration and sets up HTTP; connects to nothing yet.
    ///
    /// # Errors
    /// [`BuildError`] naming the setting that can't be used.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        let Config { base_url, credentials, runner, http } = config;
        let base = Base::parse(&base_url).ok_or(BuildError::BaseUrl)?;
        let authority = Authority::of_runner(credentials, &base, &http.retry)?;
        let caller = Caller {
            transport: Arc::new(Transport::new(&base, &runner, &http)?),
            authority: Arc::new(authority),
            retry: http.retry,
        };
        Ok(Self { caller, base, runner: runner.uuid })
    }

    /// Takes the next run, if there is one for us. From then on nobody else gets it.
    ///
    /// Never repeated (but for a 401), since the answer to a claim that was already acted on would be lost with its
    /// run: errors go to the caller, who backs off.
    ///
    /// # Errors
    /// [`CallError`]. After `Interrupted`, `Timeout` and `Body` a run may have been claimed and lost; meshStack ends it
    /// by its own timeout.
    pub async fn claim(&self) -> Result<Option<Claim>, CallError> {
        let request = Request {
            method: Method::POST,
            url: self.base.claim(self.runner),
            accept: RUN_MEDIA_TYPE,
            content_type: Some(RUN_MEDIA_TYPE),
            body: Bytes::new(),
            limit: CLAIM_MAX,
            transfer: false,
            confidential: false,
        };
        let none = [StatusCode::NOT_FOUND, StatusCode::CONFLICT];
        let answer = self.caller.call(Operation::Claim, &request, &none).await?;
        let kind = match answer.status {
            status if none.contains(&status) => return Ok(None),
            StatusCode::OK | StatusCode::CREATED => match Claim::parse(&answer.body) {
                Ok(claim) => return Ok(Some(claim)),
                Err(error) => CallErrorKind::Body(BodyError::Document(error)),
            },
            _ => answer.into_failure(|_| String::new()),
        };
        Err(CallError { operation: Operation::Claim, kind })
    }

    /// Tells meshStack this runner's name, certificate and identities.
    ///
    /// # Errors
    /// [`CallError`]; [`CallErrorKind::UnknownRunner`] if the runner must first be created in meshStack.
    pub async fn register_runner(
        &self,
        registration: &RunnerRegistration,
    ) -> Result<(), CallError> {
        let operation = Operation::RegisterRunner;
        let object = RunnerObject::new(self.runner, registration);
        let body = serde_json::to_vec(&object).map_err(|error| CallError {
            operation,
            kind: CallErrorKind::Encode(Arc::new(error)),
        })?;
        let request = Request {
            method: Method::PUT,
            url: self.base.runner(self.runner),
            accept: RUNNER_MEDIA_TYPE,
            content_type: Some(RUNNER_MEDIA_TYPE),
            body: body.into(),
            limit: ANSWER_MAX,
            transfer: false,
            confidential: false,
        };
        let unknown = StatusCode::NOT_FOUND;
        let answer = self.caller.call_repeatedly(operation, &request, &[unknown]).await?;
        if answer.status == unknown {
            return Err(CallError { operation, kind: CallErrorKind::UnknownRunner });
        }
        Ok(())
    }

    /// When meshStack last answered properly, to this client or to one for a run.
    #[must_use]
    pub fn contact(&self) -> Contact {
        self.caller.transport.contact.clone()
    }

    /// A client for the calls about one run, with the run's token if it brought one, else with the runner's credentials.
    /// It shares this client's connections. Links that leave our origin are not followed (see the module `links`).
    ///
    /// # Errors
    /// [`LinkError::RunToken`] if the run's token can't be one.
    pub fn run_client(&self, claim: &Claim) -> Result<RunClient, LinkError> {
        let mut caller = self.caller.clone();
        let mut lifetime = Lifetime::Renewed;
        if let Some(token) = claim.run_token() {
            caller.authority = Arc::new(Authority::of_run(token)?);
            lifetime = Lifetime::of_run(token);
        }
        let paths = Paths::resolve(&self.base, claim.id(), self.runner, claim.links());
        Ok(RunClient::new(caller, lifetime, self.runner, paths))
    }
}
