//! Terraform's `http` state backend. Terraform calls it itself, so none of the runner's headers are here.

use hyper::StatusCode;

use super::Call;
use crate::answer::{Answer, Refused};
use crate::authorization;
use crate::route::{Route, StateAddress};
use crate::tfstate::Caller;

pub(super) fn answer(
    call: &mut Call<'_>,
    route: Route,
    address: &StateAddress,
) -> Result<Answer, Refused> {
    let run = match authorization::state(call.world, call.headers, address) {
        Ok(run) => run,
        Err(refused) => {
            let challenged = refused.status == StatusCode::UNAUTHORIZED;
            let mut answer = call.world.refuse(call.route, call.run, refused);
            if challenged {
                answer.headers.push(("www-authenticate", "Basic realm=\"state\""));
            }
            return Ok(answer);
        }
    };
    if !call.world.config.state_locking && matches!(route, Route::StateLock | Route::StateUnlock) {
        return Err(Refused::quietly(StatusCode::METHOD_NOT_ALLOWED, "states have no locks here"));
    }
    let lock_id = form_urlencoded::parse(call.query.unwrap_or_default().as_bytes())
        .find_map(|(key, value)| (key == "ID").then_some(value));
    let (body, caller) = (call.body, Caller { run, keep: call.world.keeps_everything() });
    call.world.change_state(address, |state| match route {
        Route::StateDelete => Ok(state.delete(caller, lock_id.as_deref())),
        Route::StateLock => state.lock(caller, body),
        Route::StateRead => Ok(state.read()),
        Route::StateUnlock => state.unlock(caller, body),
        _ => state.write(caller, lock_id.as_deref(), body.clone()),
    })
}
