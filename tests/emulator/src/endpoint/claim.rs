//! Hands out the oldest pending run.

use hyper::StatusCode;
use uuid::Uuid;

use super::Call;
use crate::answer::{Answer, RUN_MEDIA, Refused};
use crate::authorization;

pub(super) fn answer(call: &mut Call<'_>) -> Result<Answer, Refused> {
    authorization::runner(call.world, call.headers)?;
    call.expect_headers(RUN_MEDIA, Some(RUN_MEDIA))?;
    if !call.body.is_empty() {
        return Err(Refused::violation(StatusCode::BAD_REQUEST, "a claim has no body"));
    }
    let runner = form_urlencoded::parse(call.query.unwrap_or_default().as_bytes())
        .find_map(|(key, value)| (key == "forRunnerUuid").then_some(value));
    let runner = runner.and_then(|text| Uuid::try_parse(&text).ok());
    if runner != Some(call.world.config.runner) {
        let text = "forRunnerUuid is not the runner";
        return Err(Refused::violation(StatusCode::BAD_REQUEST, text));
    }
    let nothing = || Refused::quietly(StatusCode::NOT_FOUND, "no run for this runner");
    let id = call.world.claim().ok_or_else(nothing)?;
    call.run = Some(id);
    let keep = call.world.keeps_everything();
    let document = call
        .world
        .change(&id, |run| match keep {
            true => run.document.clone(),
            false => std::mem::take(&mut run.document),
        })
        .ok_or_else(nothing)?;
    // The real server answers either; clients must take both.
    let status = if id.as_u128() % 2 == 0 { StatusCode::OK } else { StatusCode::CREATED };
    Ok(Answer::new(status, RUN_MEDIA, document))
}
