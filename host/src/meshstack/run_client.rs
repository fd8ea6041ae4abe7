//! The calls about one run: [`RunClient`].

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use url::Url;
use uuid::Uuid;

use super::auth::Authority;
use super::call::{ANSWER_MAX, Caller, RUN_MEDIA_TYPE};
use super::config::{HttpConfig, RunnerIdentity};
use super::document::Claim;
use super::error::{BodyError, BuildError, CallError, CallErrorKind, LinkError, Operation};
use super::lifetime::Lifetime;
use super::links::{Base, Paths};
use super::transport::{Request, Transport};
use super::wire::{Registration, Source, StepDeclaration, Update, UpdateAnswer};

/// The largest plan that meshStack keeps, in bytes.
pub const PLAN_MAX: usize = 128 * 1024 * 1024;

/// Speaks about one run, with that run's token. Cheap to clone.
///
/// Each call is safe to repeat, and is repeated a few times (see [`super::Retry`]) before its error is handed out.
#[derive(Clone)]
pub struct RunClient {
    caller: Caller,
    lifetime: Lifetime,
    runner: Uuid,
    paths: Paths,
}

impl RunClient {
    pub(super) fn new(caller: Caller, lifetime: Lifetime, runner: Uuid, paths: Paths) -> Self {
        Self { caller, lifetime, runner, paths }
    }

    /// A client for a run that is known by its document only (single-run mode): it has the run's token and no other
    /// credential, and its origin is that of `base_url` if there is one, else of the run's `self` link, else of its
    /// `meshstackBaseUrl`.
    ///
    /// # Errors
    /// [`BuildError`], in particular [`BuildError::Link`] if the run has no token or says nowhere to report to.
    pub fn from_claim_alone(
        http: &HttpConfig,
        runner: &RunnerIdentity,
        base_url: Option<&Url>,
        claim: &Claim,
    ) -> Result<Self, BuildError> {
        let token = claim.run_token().ok_or(LinkError::NoRunToken)?;
        let authority = Authority::of_run(token)?;
        let base = match base_url {
            Some(url) => Base::parse(url).ok_or(BuildError::BaseUrl)?,
            None => Base::of_run(claim.links())?,
        };
        let caller = Caller {
            transport: Arc::new(Transport::new(&base, runner, http)?),
            authority: Arc::new(authority),
            retry: http.retry,
        };
        let paths = Paths::resolve(&base, claim.id(), runner.uuid, claim.links());
        Ok(Self::new(caller, Lifetime::of_run(token), runner.uuid, paths))
    }

    /// Whether calls that meshStack refuses for their credential may be accepted after `now` with nothing changed here: a run's token
    /// expires and can't be renewed, the runner's own credentials can be repaired.
    #[must_use]
    pub fn may_be_let_in(&self, now: SystemTime) -> bool {
        self.lifetime.may_last(now)
    }

    /// Registers the runner as a source of the run's status and declares its steps. Being registered already is fine.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn register(&self, steps: &[StepDeclaration]) -> Result<(), CallError> {
        let operation = Operation::Register;
        let body = Registration { source: Source { id: self.runner }, steps };
        let request = json(operation, Method::POST, &self.paths.register, &body)?;
        self.caller.call_repeatedly(operation, &request, &[StatusCode::CONFLICT]).await?;
        Ok(())
    }

    /// Reports the run's status; the answer tells whether the user aborted the run.
    ///
    /// # Errors
    /// [`CallError`]. After one of kind `Body` meshStack may have accepted the report.
    pub async fn update(&self, update: &Update) -> Result<UpdateAnswer, CallError> {
        let operation = Operation::Update;
        let mut request = json(operation, Method::PATCH, &self.paths.update, update)?;
        request.transfer = update.artifact.is_some();
        request.confidential = update.holds_secrets();
        let answer = self.caller.call_repeatedly(operation, &request, &[]).await?;
        UpdateAnswer::parse(&answer.body).map_err(|error| CallError {
            operation,
            kind: CallErrorKind::Body(BodyError::json(&error)),
        })
    }

    /// Where the Terraform state of the run's block is, for Terraform's `http` backend. The user is any, the password the run's token.
    #[must_use]
    pub fn state_address(&self, tenant: &str, block: &str) -> Url {
        self.paths.state(tenant, block)
    }

    /// Fetches the plan that the run must apply; at most `limit` bytes, and never more than [`PLAN_MAX`].
    ///
    /// # Errors
    /// [`CallError`]; its kind is `Link` if the run has no plan or a link that can't be followed.
    pub async fn download_plan(&self, limit: usize) -> Result<Bytes, CallError> {
        let operation = Operation::DownloadPlan;
        let url = self
            .paths
            .plan
            .clone()
            .map_err(|error| CallError { operation, kind: CallErrorKind::Link(error) })?;
        let request = Request {
            method: Method::GET,
            url,
            accept: "application/octet-stream",
            content_type: None,
            body: Bytes::new(),
            limit: limit.min(PLAN_MAX),
            transfer: true,
            confidential: false,
        };
        let answer = self.caller.call_repeatedly(operation, &request, &[]).await?;
        Ok(answer.body)
    }
}

impl fmt::Debug for RunClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the URLs: a plan's may be signed.
        f.debug_struct("RunClient").field("runner", &self.runner).finish_non_exhaustive()
    }
}

fn json(
    operation: Operation,
    method: Method,
    url: &Url,
    body: &impl Serialize,
) -> Result<Request, CallError> {
    let body = serde_json::to_vec(body)
        .map_err(|error| CallError { operation, kind: CallErrorKind::Encode(Arc::new(error)) })?;
    Ok(Request {
        method,
        url: url.clone(),
        accept: RUN_MEDIA_TYPE,
        content_type: Some(RUN_MEDIA_TYPE),
        body: body.into(),
        limit: ANSWER_MAX,
        transfer: false,
        confidential: false,
    })
}
