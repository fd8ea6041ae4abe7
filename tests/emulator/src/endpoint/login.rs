//! Trades an API key for a token.

use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use serde_json::json;

use super::Call;
use crate::answer::{Answer, JSON, Refused};
use crate::seal::token;
use crate::wire::Login;

pub(super) fn answer(call: &mut Call<'_>) -> Result<Answer, Refused> {
    if !call.is_media(&CONTENT_TYPE, JSON) {
        let text = "Content-Type is not `application/json`";
        return Err(Refused::violation(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let login: Login = call.json()?;
    let config = &call.world.config;
    if config.api_keys.get(&login.client_id) != Some(&login.client_secret) {
        // An operator's mistake, not a breach of the protocol.
        return Err(Refused::quietly(StatusCode::UNAUTHORIZED, "wrong client id or secret"));
    }
    let lifetime = config.token_lifetime;
    let access_token = token();
    call.world.api_tokens.insert(access_token.clone(), call.world.now + lifetime);
    let body = json!({
        "access_token": access_token,
        "expires_in": lifetime.as_secs(),
        "token_type": "Bearer",
        "scope": "unheard-of",
    });
    Ok(Answer::json(StatusCode::OK, JSON, &body))
}
