//! The second stage: decides whether and by what a claimed run is executed. Makes [`AdmittedRun`]s.

use crate::audit::{About, Auditor};
use crate::meshstack::Claim;
use crate::outcome::{Failure, Outcome, Refusal};
use crate::run::Run;
use crate::sandbox::Component;
use blockhouse_policy::{Grants, RouteMatch, Subject};
use secrecy::SecretString;
use std::sync::Arc;

/// Which runs are executed by what.
#[derive(Debug)]
pub struct Route {
    /// For logs and messages.
    pub name: String,
    /// Which runs.
    pub matches: RouteMatch,
    /// By which component.
    pub component: Component,
    /// What it may do.
    pub grants: Arc<Grants>,
}

/// A run that may be executed, and by what.
#[derive(Debug)]
pub struct AdmittedRun {
    /// The run, values still sealed.
    pub run: Run,
    /// Its document as it was claimed, if what executes it may be given the whole of it.
    pub document: Option<SecretString>,
    /// Its route.
    pub route: Arc<Route>,
}

/// Reads the run's document and finds its route; the first that matches counts.
///
/// # Errors
/// The outcome of a run that can't be executed.
pub fn admit(claim: &Claim, routes: &[Arc<Route>]) -> Result<AdmittedRun, Outcome> {
    let run = claim.run().map_err(|error| {
        let message = format!(
            "The runner does not understand this run: {error}. This runner may be too old for the \
             version of meshStack; please tell the platform team."
        );
        Outcome::Failed(Failure::Input { message })
    })?;
    let subject = Subject {
        implementation_type: &run.definition.implementation.kind,
        definition: &run.definition.uuid,
        owner: &run.definition.owner,
        tenant: &run.block.tenant,
    };
    let route = routes.iter().find(|route| route.matches.matches(&subject));
    match route {
        Some(route) => {
            // Terraform's scripts get it, and the hosts that policy names for it. Nobody else's is kept.
            let is_given =
                route.grants.terraform().is_ok() || route.grants.allows_run_document().is_ok();
            let document = is_given.then(|| claim.document().clone());
            Ok(AdmittedRun { run, document, route: Arc::clone(route) })
        }
        None => Err(Outcome::Refused(refusal(&run))),
    }
}

fn refusal(run: &Run) -> Refusal {
    let rule = "no route takes the run".to_owned();
    let about = About {
        run: run.id.to_string(),
        tenant: run.block.tenant.clone(),
        owner: run.definition.owner.clone(),
        ..About::default()
    };
    Auditor::new(about, Arc::default()).refused(&rule);
    Refusal { rule, message: no_route(run) }
}

fn no_route(run: &Run) -> String {
    format!(
        "This runner has no component for the implementation type `{}` of this building block. Either the \
         definition uses the wrong runner, or the operator of this runner has to add a route for it \
         (definition {}, owner `{}`).",
        crate::excerpt::clip(&run.definition.implementation.kind, 100),
        crate::excerpt::clip(&run.definition.uuid, 100),
        crate::excerpt::clip(&run.definition.owner, 100),
    )
}
