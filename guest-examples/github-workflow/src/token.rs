//! Tokens of the app's installation in the repository: [`issue`].

use crate::refusal::{accepted, garbled};
use crate::settings::Settings;
use blockhouse_sdk::{
    CallError, Client, Failure, Host, Request, SignError, detailed, failure, messages,
};
use serde::Deserialize;
use serde_json::json;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

/// GitHub's clock may be behind ours.
const BACKDATED: u64 = 10;

/// How long the app's own token lives.
const LIVES: u64 = 300;

/// How long a token is used whose end GitHub does not say: of the hour that they live.
const USED: Duration = Duration::from_secs(50 * 60);

/// So long before its end a token is renewed, since clocks differ; one that lives for less than twice as long, after half of its life.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// How long a token may live by our clock. If it is anything else, one of the clocks is wrong.
const PLAUSIBLE: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(65 * 60);

/// A token that acts as the app, in the repositories where it is installed.
pub(crate) struct Token<S> {
    /// When another one is needed, by the run's own clock.
    pub(crate) renew_at: Duration,
    pub(crate) secret: S,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

#[derive(Deserialize)]
struct Issued {
    #[serde(default)]
    expires_at: Option<String>,
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
    let (asked, asked_at) = (host.now(), host.uptime());
    let mut answer = accepted(client.send(request.bearer(&app))?, settings)?;
    let secret = answer.secret.take().ok_or_else(|| garbled("there is no token in it"))?;
    let Issued { expires_at, permissions } = answer.json().map_err(|error| garbled(&error))?;
    if permissions.actions.as_deref() != Some("write") {
        return Err(not_permitted(settings).into());
    }
    Ok(Token { renew_at: asked_at + used(expires_at.as_deref(), asked), secret })
}

/// How long a token is used that was asked for at this time.
fn used(expires_at: Option<&str>, asked: SystemTime) -> Duration {
    let expires = expires_at.and_then(|text| humantime::parse_rfc3339(text).ok());
    let lives = expires.and_then(|expires| expires.duration_since(asked).ok());
    let lives = lives.filter(|lives| PLAUSIBLE.contains(lives));
    lives.map_or(USED, |lives| lives.saturating_sub(MARGIN.min(lives / 2)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_shortly_before_its_end() {
        let asked = humantime::parse_rfc3339("2026-11-02T10:00:00Z").unwrap();
        for (expires_at, minutes) in [
            (Some("2026-11-02T11:00:00Z"), 55.0),
            (Some("2026-11-02T11:00:00+00:00"), 55.0),
            (Some("2026-11-02T10:20:00Z"), 15.0),
            (Some("2026-11-02T10:08:00Z"), 4.0),
            (Some("2026-11-02T10:01:00Z"), 0.5),
            (Some("2026-11-02T11:04:59Z"), 59.98),
            // GitHub does not say, or by a clock that is not like ours.
            (None, 50.0),
            (Some("2026-11-02T11:05:01Z"), 50.0),
            (Some("2026-11-02T10:00:59Z"), 50.0),
            (Some("2026-11-02T09:00:00Z"), 50.0),
            (Some("9999-12-31T23:59:59Z"), 50.0),
            (Some("soon"), 50.0),
            (Some(""), 50.0),
        ] {
            let used = used(expires_at, asked).as_secs_f64() / 60.0;
            assert!((used - minutes).abs() < 0.01, "{expires_at:?}: {used}");
        }
    }
}
