//! `api` and `runnerUuid`: where meshStack is and how we log in.

use url::Url;
use uuid::Uuid;

use super::measure::{is_loopback, web_url};
use super::reader::{Complaint, Reader, Section};
use super::show::Show;
use super::variables;
use crate::meshstack::Credentials;

/// Keys of the section.
pub(super) const KEYS: &[&str] = &[
    "clientId",
    "clientSecret",
    "clientSecretFile",
    "password",
    "passwordFile",
    "url",
    "user",
    "username",
];

/// The connection to meshStack.
#[derive(Debug, Clone)]
pub struct Config {
    /// `https`, or `http` when the operator insists; no user, query or fragment; no trailing slash except for the root.
    pub base_url: Url,
    /// How to log in. When both kinds are configured, the API key wins.
    pub credentials: Credentials,
    /// Who we are: claims and reports are made under this id.
    pub runner_uuid: Uuid,
}

/// What was found; the mode decides what may be missing.
pub(super) struct Raw {
    pub(super) base_url: Option<Url>,
    pub(super) credentials: Option<Credentials>,
    pub(super) runner_uuid: Option<Uuid>,
}

/// Reads the section. With `required`, a missing address or login is a mistake.
pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>, required: bool) -> Raw {
    let section = reader.subsection(root, "api", KEYS);
    let uuid = reader.either(root.find("runnerUuid"), root.find("uuid"));
    let uuid = reader.over(variables::RUNNER_UUID, uuid);
    if uuid.is_none() {
        let hint = "meshStack shows it on the runner's page; it can also come from RUNNER_UUID";
        reader.missing(root, "runnerUuid", Complaint::from("is missing").hint(hint));
    }
    let runner_uuid = reader.parse("runnerUuid", uuid, |text| {
        Uuid::parse_str(text.trim()).map_err(|_| Complaint::from("must be a UUID"))
    });

    let url = reader.over(variables::RUNNER_API_URL, section.find("url"));
    if required && url.is_none() {
        let hint = "it can also come from RUNNER_API_URL";
        reader.missing(&section, "url", Complaint::from("is missing").hint(hint));
    }
    let base_url = reader.parse("api.url", url.clone(), base_url);
    if let (Some(address), Some(found)) = (&base_url, &url)
        && address.scheme() == "http"
        && !is_loopback(address)
    {
        reader.warn(found, "sends credentials and secrets unencrypted; use https");
    }
    let credentials = credentials(reader, &section, required);
    Raw { base_url, credentials, runner_uuid }
}

fn base_url(text: &str) -> Result<Url, Complaint> {
    let mut url = web_url(text)?;
    if !url.username().is_empty() || url.password().is_some() {
        let hint = "put them into `api.clientId` and `api.clientSecret`";
        return Err(Complaint::from("must not contain credentials").hint(hint));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn credentials(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    required: bool,
) -> Option<Credentials> {
    let mistakes = reader.mistakes.len();
    let id = reader.over(variables::RUNNER_API_CLIENT_ID, section.find("clientId"));
    let client_id = reader.text("api.clientId", id.clone());
    let client_secret = reader.secret(
        "api.clientSecret",
        Some(variables::RUNNER_API_CLIENT_SECRET),
        section.find("clientSecret"),
        section.find("clientSecretFile"),
    );
    let user = reader.either(section.find("username"), section.find("user"));
    let user = reader.over(variables::RUNNER_API_USERNAME, user);
    let username = reader.text("api.username", user.clone());
    let password = reader.secret(
        "api.password",
        Some(variables::RUNNER_API_PASSWORD),
        section.find("password"),
        section.find("passwordFile"),
    );
    if reader.mistakes.len() > mistakes {
        // What is half there has been reported already; "is missing" beside it would mislead.
        return None;
    }
    match (client_id, client_secret, username, password) {
        (Some(client_id), Some(client_secret), user_name, _) => {
            if let (Some(found), Some(_)) = (&user, user_name) {
                reader.warn(found, "has no effect, since the API key wins");
            }
            Some(Credentials::ApiKey { client_id, client_secret })
        }
        (Some(_), None, ..) => half(reader, section, "clientSecret", "`clientId` is given"),
        (None, Some(_), ..) => half(reader, section, "clientId", "`clientSecret` is given"),
        (None, None, Some(username), Some(password)) => {
            Some(Credentials::Basic { username, password })
        }
        (None, None, Some(_), None) => half(reader, section, "password", "`username` is given"),
        (None, None, None, Some(_)) => half(reader, section, "username", "`password` is given"),
        (None, None, None, None) => {
            if required {
                let hint = "create an API key in meshStack; its id and secret can also come from \
                            RUNNER_API_CLIENT_ID and RUNNER_API_CLIENT_SECRET";
                let complaint = Complaint::from("is missing, and so is `clientSecret`").hint(hint);
                reader.missing(section, "clientId", complaint);
            }
            None
        }
    }
}

fn half(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    missing: &str,
    given: &str,
) -> Option<Credentials> {
    reader.missing(section, missing, format!("is missing, though {given}"));
    None
}

impl Config {
    pub(super) fn show(&self, out: &mut Show<'_>) {
        out.value("runnerUuid", &self.runner_uuid.to_string());
        out.section("api", |out| {
            out.value("url", self.base_url.as_str().trim_end_matches('/'));
            match &self.credentials {
                Credentials::ApiKey { client_id, .. } => {
                    out.value("clientId", client_id);
                    out.secret("clientSecret");
                }
                Credentials::Basic { username, .. } => {
                    out.value("username", username);
                    out.secret("password");
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_url_loses_its_trailing_slash() {
        for (text, expected) in [
            ("https://meshstack.io/", "https://meshstack.io/"),
            (" https://meshstack.io ", "https://meshstack.io/"),
            ("https://meshstack.io/base//", "https://meshstack.io/base"),
            ("http://localhost:8080/base", "http://localhost:8080/base"),
        ] {
            assert_eq!(base_url(text).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn base_url_with_credentials_is_refused() {
        for text in ["https://user@x", "https://user:word@x", "https://:word@x"] {
            assert_eq!(base_url(text).unwrap_err().message, "must not contain credentials");
        }
    }
}
