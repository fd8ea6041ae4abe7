//! Hands out the plan that an `APPLY` run must apply.

use bytes::Bytes;
use hyper::StatusCode;
use uuid::Uuid;

use super::Call;
use crate::answer::{Answer, OCTETS, Refused};
use crate::authorization;
use crate::run::Plan;
use crate::world::World;

pub(super) fn answer(call: &mut Call<'_>, run: Uuid) -> Result<Answer, Refused> {
    authorization::run(call.world, call.headers, run)?;
    call.expect_headers(OCTETS, None)?;
    let plan = call.world.run(&run).ok_or_else(|| World::unknown_run(run))?.plan.as_ref();
    let bytes: Option<Bytes> = match plan {
        None => {
            let text = "a plan of a run whose document has no planArtifact link";
            return Err(Refused::violation(StatusCode::NOT_FOUND, text));
        }
        Some(Plan::Bytes(bytes)) => Some(bytes.clone()),
        Some(Plan::OfRun(detect)) => {
            call.world.run(detect).and_then(|detect| detect.artifact.clone())
        }
    };
    let gone = || Refused::quietly(StatusCode::NOT_FOUND, "the plan is gone");
    Ok(Answer::new(StatusCode::OK, OCTETS, bytes.ok_or_else(gone)?))
}
