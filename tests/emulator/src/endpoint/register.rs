//! Makes the runner a source of a run's status.

use hyper::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::Call;
use crate::answer::{Answer, RUN_MEDIA, Refused};
use crate::authorization;
use crate::wire::Register;
use crate::world::World;

pub(super) fn answer(call: &mut Call<'_>, run: Uuid) -> Result<Answer, Refused> {
    authorization::run(call.world, call.headers, run)?;
    call.expect_headers(RUN_MEDIA, Some(RUN_MEDIA))?;
    let request: Register = call.json()?;
    call.expect_source(&request.source.id)?;
    let now = call.world.now;
    call.world
        .change(&run, |run| run.register(request, now))
        .ok_or_else(|| World::unknown_run(run))??;
    Ok(Answer::json(StatusCode::OK, RUN_MEDIA, &json!({"unheardOf": true})))
}
