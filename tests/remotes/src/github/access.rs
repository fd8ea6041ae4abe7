//! Who may do what: headers that every request has, the App, its installation, and the installation's tokens.

use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use serde_json::json;
use uuid::Uuid;

use super::{Permission, Remote, Route, failed, jwt, not_found};
use crate::call::{Answer, Call};
use crate::clock;

const VERSIONS: &[&str] = &["2022-11-28"];
const MEDIA: &str = "application/vnd.github+json";

/// What GitHub insists on is refused; what it only recommends is noted.
pub(super) fn check_headers(call: &mut Call<'_, Route>) -> Result<(), Answer> {
    if call.header(USER_AGENT.as_str()).is_none_or(|agent| agent.trim().is_empty()) {
        call.breach("no User-Agent");
        let text = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.";
        return Err(Answer::text(403, "text/html", text));
    }
    if call.media(ACCEPT.as_str()) != Some(MEDIA) {
        call.breach(format!("Accept is not `{MEDIA}`"));
    }
    match call.header("x-github-api-version").map(str::to_owned) {
        None => call.breach("no X-GitHub-Api-Version"),
        Some(version) if VERSIONS.contains(&version.as_str()) => {}
        Some(version) => {
            call.breach(format!("X-GitHub-Api-Version `{version}` is not supported"));
            return Err(failed(400, &format!("\"{version}\" is not a supported API version")));
        }
    }
    let is_json = call.media(CONTENT_TYPE.as_str()) == Some("application/json");
    if call.method == Method::POST && !call.body.is_empty() && !is_json {
        call.breach("Content-Type is not `application/json`");
    }
    Ok(())
}

/// What comes with `Authorization`.
fn credentials(call: &mut Call<'_, Route>) -> Result<String, Answer> {
    let header = call.header(AUTHORIZATION.as_str()).unwrap_or_default();
    let token = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("token "));
    match token.map(str::to_owned) {
        Some(token) => Ok(token),
        None => {
            call.breach("no bearer token");
            Err(failed(401, "Requires authentication"))
        }
    }
}

impl Remote {
    fn check_app(&self, call: &mut Call<'_, Route>) -> Result<(), Answer> {
        let token = credentials(call)?;
        if self.tokens.contains_key(&token) {
            call.breach("an installation's token where the App's own is needed");
            return Err(failed(401, "A JSON web token could not be decoded"));
        }
        jwt::verify(&token, &self.key, &self.app, call.now).map_err(|flaw| {
            if flaw.is_breach {
                call.breach(flaw.message);
            }
            let status = if flaw.message == "Integration not found" { 404 } else { 401 };
            failed(status, flaw.message)
        })
    }

    pub(super) fn find_installation(
        &self,
        call: &mut Call<'_, Route>,
        owner: &str,
        name: &str,
    ) -> Result<Answer, Answer> {
        self.check_app(call)?;
        let repository = self.repository(owner, name).ok_or_else(not_found)?;
        Ok(Answer::json(
            200,
            &json!({
                "id": self.installation,
                "account": {"login": repository.owner, "type": "Organization"},
                "repository_selection": "selected",
                "app_id": self.app.parse::<u64>().unwrap_or_default(),
                "target_type": "Organization",
                "permissions": permissions(self.permission),
                "suspended_at": null,
            }),
        ))
    }

    pub(super) fn make_token(
        &mut self,
        call: &mut Call<'_, Route>,
        installation: &str,
    ) -> Result<Answer, Answer> {
        self.check_app(call)?;
        if installation != self.installation.to_string() {
            return Err(not_found());
        }
        if !call.body.is_empty() && call.json().is_none() {
            call.breach("the body is no JSON");
            return Err(failed(400, "Problems parsing JSON"));
        }
        let token = format!("ghs_{}", Uuid::new_v4().simple());
        let expires = call.now + self.token_lifetime;
        self.tokens.insert(token.clone(), (expires, self.permission));
        Ok(Answer::json(
            201,
            &json!({
                "token": token,
                "expires_at": clock::text(expires),
                "permissions": permissions(self.permission),
                "repository_selection": "selected",
            }),
        ))
    }

    pub(super) fn check_token(
        &self,
        call: &mut Call<'_, Route>,
        needed: Permission,
    ) -> Result<(), Answer> {
        let token = credentials(call)?;
        let bad = || failed(401, "Bad credentials");
        let Some((expires, permission)) = self.tokens.get(&token) else {
            call.breach("a token that was never handed out");
            return Err(bad());
        };
        // A correct client can meet this: its clock is another one.
        if *expires <= call.now {
            return Err(bad());
        }
        let is_enough = match needed {
            Permission::Write => *permission == Permission::Write,
            _ => *permission != Permission::Absent,
        };
        if is_enough { Ok(()) } else { Err(failed(403, "Resource not accessible by integration")) }
    }
}

fn permissions(actions: Permission) -> serde_json::Value {
    match actions {
        Permission::Absent => json!({"metadata": "read"}),
        Permission::Read => json!({"actions": "read", "metadata": "read"}),
        Permission::Write => json!({"actions": "write", "metadata": "read"}),
    }
}
