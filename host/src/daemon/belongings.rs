//! What a run has in meshStack besides its document: the state of its block, and the plan that it must apply.

use super::pipeline::Resumed;
use crate::execute::Belongings;
use crate::meshstack::{CallErrorKind, Claim, PLAN_MAX, RunClient};
use crate::prepare::Protection;
use crate::run::Run;
use crate::telemetry::chain;
use crate::terraform::{Opener, PlanError, PlanSource, StateBackend, open_sealed};
use std::pin::Pin;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Any user will do; the run's token is the password.
const STATE_USER: &str = "run";

/// Finds out what the run has.
pub(super) fn of(
    claim: &Claim,
    client: &RunClient,
    run: &Run,
    resumed: Option<Resumed>,
    protection: &Protection,
) -> Belongings {
    let backend = claim.run_token().map(|token| StateBackend {
        address: client.state_address(&run.block.tenant, &run.block.uuid),
        username: STATE_USER.to_owned(),
        password: token.clone(),
    });
    let plan = claim
        .has_plan()
        .then(|| -> Arc<dyn PlanSource> { Arc::new(Predecessor { client: client.clone() }) });
    let is_resumed = resumed.is_some();
    let key = match protection {
        Protection::Opened => None,
        Protection::Sealed(key) => Some(Arc::clone(key)),
    };
    let opener = key.clone().map(|key| -> Opener { Arc::new(move |path| open_sealed(path, &key)) });
    let block = resumed.and_then(|resumed| resumed.block);
    Belongings { backend, plan, opener, key, is_resumed, block }
}

/// The plan of an earlier run.
struct Predecessor {
    client: RunClient,
}

impl PlanSource for Predecessor {
    fn fetch(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Zeroizing<Vec<u8>>, PlanError>> + Send + '_>> {
        Box::pin(async {
            let fetched = self.client.download_plan(PLAN_MAX).await;
            fetched.map(|bytes| Zeroizing::new(bytes.to_vec())).map_err(|error| {
                let text = chain(&error).to_string();
                let status = error.status().map(|status| status.as_u16());
                // What is missing, forbidden or too large stays so; the rest was tried again already.
                let is_gone = matches!(status, Some(400..500))
                    || matches!(error.kind, CallErrorKind::Link(_));
                if is_gone { PlanError::Gone(text) } else { PlanError::Fault(text) }
            })
        })
    }
}
