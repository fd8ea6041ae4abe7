//! Takes a run's progress and its end.

use hyper::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::Call;
use crate::answer::{Answer, RUN_MEDIA, Refused};
use crate::authorization;
use crate::wire::Update;
use crate::world::World;

pub(super) fn answer(call: &mut Call<'_>, run: Uuid, source: &str) -> Result<Answer, Refused> {
    authorization::run(call.world, call.headers, run)?;
    call.expect_headers(RUN_MEDIA, Some(RUN_MEDIA))?;
    call.expect_source(source)?;
    let update: Update = call.json()?;
    let now = call.world.now;
    let aborted = call
        .world
        .change(&run, |run| run.update(update, now).map(|()| run.aborted))
        .ok_or_else(|| World::unknown_run(run))??;
    let body = json!({"runAborted": aborted, "unheardOf": {"since": 2}});
    Ok(Answer::json(StatusCode::OK, RUN_MEDIA, &body))
}
