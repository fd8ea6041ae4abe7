//! Tokens of the app's installation in the repository: [`issue`].

use crate::refusal::{accepted, garbled};
use crate::settings::Settings;
use blockhouse_sdk::{
    CallError, Client, Failure, Host, Request, SignError, detailed, failure, messages,
};
use serde::Deserialize;
use serde_json::json;
use std::time::{Duration, SystemTime};

/// GitHub's clock may be behind ours.
const BACKDATED: u64 = 10;

/// How long the app's own token lives.
const LIVES: u64 = 300;

/// A token that acts as the app, in the repositories where it is installed.
pub(crate) struct Token<S> {
    /// By the run's own clock.
    pub(crate) issued: Duration,
    pub(crate) secret: S,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

#[derive(Deserialize)]
struct Issued {
    #[serde(default)]
    permissions: Permissions,
}

#[derive(Default, Deserialize)]
struct Permissions {
    #[serde(default)]
    actions: Option<String>,
}

/// Signs as the app, looks its installation up, and gets a token for it. Neither key nor token is seen here.
pub(crate) fn issue<H: Host>(
    host: &H,
    client: &Client<'_, H>,
    settings: &Settings<'_, H::Secret>,
) -> Result<Token<H::Secret>, CallError> {
    let app = sign(host, settings)?;
    let issued = host.uptime();

    let url = settings.url(&["installation"]);
    let answer = client.send(Request::ask(url).bearer(&app))?;
    match answer.status {
        401 => return Err(unknown_app().into()),
        // GitHub's word for an app that it does not know.
        404 if messages(&answer.body).contains("Integration") => return Err(unknown_app().into()),
        404 => return Err(not_installed(settings).into()),
        _ => {}
    }
    let installation: Installation =
        accepted(answer, settings)?.json().map_err(|error| garbled(&error))?;

    let id = installation.id.to_string();
    let url = settings.base.below(&["app", "installations", &id, "access_tokens"]);
    let request = Request {
        // One token more does no harm.
        is_interruptible: true,
        is_repeatable: true,
        take_secret: Some("/token"),
        ..Request::act("POST", url)
    };
    let mut answer = accepted(client.send(request.bearer(&app))?, settings)?;
    let secret = answer.secret.take().ok_or_else(|| garbled("there is no token in it"))?;
    let Issued { permissions } = answer.json().map_err(|error| garbled(&error))?;
    if permissions.actions.as_deref() != Some("write") {
        return Err(not_permitted(settings).into());
    }
    Ok(Token { issued, secret })
}

fn sign<H: Host>(host: &H, settings: &Settings<'_, H::Secret>) -> Result<H::Secret, CallError> {
    let now = host.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({
        "iat": now.saturating_sub(BACKDATED),
        "exp": now.saturating_add(LIVES),
        "iss": settings.app_id,
    });
    host.sign(settings.app_key, &claims.to_string()).map_err(|error| {
        let failure = match error {
            SignError::Denied(rule) => failure(format!(
                "This runner is not allowed to sign with the key of the GitHub app: {rule}. Please ask the platform team."
            )),
            SignError::InvalidKey(why) => detailed(
                "The key of the GitHub app can't be used. Please ask the platform team to enter it again, as GitHub has given it, in the field `appPem` of the building block's definition.",
                why,
            ),
            SignError::InvalidClaims(why) => detailed(
                "The runner could not sign in to GitHub. Please tell the platform team.",
                why,
            ),
        };
        failure.into()
    })
}

fn unknown_app() -> Failure {
    failure(
        "GitHub does not accept the app and its key. Please ask the platform team whether `appId` and `appPem` in the building block's definition belong to the same app, and whether the key still exists.",
    )
}

fn not_installed<S>(settings: &Settings<'_, S>) -> Failure {
    failure(format!(
        "The GitHub app is not installed in the repository `{}`, or there is no such repository. Please ask the platform team to install it, or to correct `owner` and `repository` in the building block's definition.",
        settings.full_name()
    ))
}

fn not_permitted<S>(settings: &Settings<'_, S>) -> Failure {
    failure(format!(
        "The GitHub app may not start workflows in the repository `{}`. Please ask the platform team to give it the permission `Actions: Read and write`.",
        settings.full_name()
    ))
}
