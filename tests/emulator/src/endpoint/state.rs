//! Terraform's `http` state backend. Terraform calls it itself, so none of the runner's headers are here.

use hyper::StatusCode;

use super::Call;
use crate::answer::{Answer, Refused};
use crate::authorization;
use crate::route::{Route, StateAddress};

pub(super) fn answer(
    call: &mut Call<'_>,
    route: Route,
    address: &StateAddress,
) -> Result<Answer, Refused> {
    if let Err(refused) = authorization::state(call.world, call.headers, address) {
        let challenged = refused.status == StatusCode::UNAUTHORIZED;
        let mut answer = call.world.refuse(call.route, call.run, refused);
        if challenged {
            answer.headers.push(("www-authenticate", "Basic realm=\"state\""));
        }
        return Ok(answer);
    }
    let lock_id = form_urlencoded::parse(call.query.unwrap_or_default().as_bytes())
        .find_map(|(key, value)| (key == "ID").then_some(value));
    let (body, keep) = (call.body, call.world.keeps_everything());
    call.world.change_state(address, |state| match route {
        Route::StateDelete => Ok(state.delete(lock_id.as_deref())),
        Route::StateLock => state.lock(body),
        Route::StateRead => Ok(state.read()),
        Route::StateUnlock => state.unlock(body),
        _ => state.write(lock_id.as_deref(), body.clone(), keep),
    })
}
