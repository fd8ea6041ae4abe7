//! Takes a runner's description of itself.

use hyper::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::Call;
use crate::answer::{Answer, RUNNER_MEDIA, Refused};
use crate::authorization;
use crate::seal::Sealer;
use crate::wire::RunnerRegistration;

pub(super) fn answer(call: &mut Call<'_>, runner: Uuid) -> Result<Answer, Refused> {
    authorization::runner(call.world, call.headers)?;
    call.expect_headers(RUNNER_MEDIA, Some(RUNNER_MEDIA))?;
    if runner != call.world.config.runner {
        let text = "the runner must first be created in meshStack";
        return Err(Refused::quietly(StatusCode::NOT_FOUND, text));
    }
    let bad = |text| Err(Refused::violation(StatusCode::BAD_REQUEST, text));
    let registration: RunnerRegistration = call.json()?;
    if registration.metadata.uuid != runner {
        return bad("metadata.uuid is not the runner of the path");
    }
    if registration.api_version != "v1-preview" || registration.kind != "meshBuildingBlockRunner" {
        return bad("wrong apiVersion or kind");
    }
    if Sealer::new(&registration.spec.public_key).is_err() {
        return bad("spec.publicKey is no X.509 certificate with an RSA key");
    }
    let document: Value = call.json()?;
    let answer = Answer::json(StatusCode::OK, RUNNER_MEDIA, &document);
    call.world.registration = Some(document);
    Ok(answer)
}
