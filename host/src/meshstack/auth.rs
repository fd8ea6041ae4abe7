//! What a call proves itself with: [`Authority`].

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::config::{Credentials, Retry};
use super::error::{BuildError, CallError, LinkError};
use super::links::Base;
use super::session::Session;
use super::transport::Transport;

/// Where a client's credential comes from.
pub(super) enum Authority {
    /// An API key, through its tokens.
    ApiKey(Box<Session>),
    /// The same header with each call; the second is the secret itself, for scrubbing.
    Fixed(HeaderValue, SecretString),
}

/// The credential of one try.
pub(super) struct Authorization {
    /// The header's value, marked sensitive.
    pub(super) header: HeaderValue,
    /// Which of a session's tokens it is.
    number: Option<u64>,
}

impl Authority {
    pub(super) fn of_runner(
        credentials: Credentials,
        base: &Base,
        retry: &Retry,
    ) -> Result<Self, BuildError> {
        match credentials {
            Credentials::ApiKey { client_id, client_secret } => {
                let session = Session::new(client_id, client_secret, base.login(), retry);
                Ok(Self::ApiKey(Box::new(session)))
            }
            Credentials::Basic { username, password } => {
                let clean = |text: &str| !text.chars().any(char::is_control);
                if username.contains(':') || !clean(&username) || !clean(password.expose_secret()) {
                    return Err(BuildError::Credentials);
                }
                let pair = SecretString::from(format!("{username}:{}", password.expose_secret()));
                let encoded = SecretString::from(STANDARD.encode(pair.expose_secret()));
                let header = header("Basic", &encoded).ok_or(BuildError::Credentials)?;
                Ok(Self::Fixed(header, password))
            }
        }
    }

    pub(super) fn of_run(token: &SecretString) -> Result<Self, LinkError> {
        let header = header("Bearer", token).ok_or(LinkError::RunToken)?;
        Ok(Self::Fixed(header, token.clone()))
    }

    /// The credential for a call; `rejected` is the one that was just refused, which is replaced if it can be.
    pub(super) async fn authorization(
        &self,
        transport: &Transport,
        rejected: Option<&Authorization>,
    ) -> Result<Authorization, Arc<CallError>> {
        match self {
            Self::ApiKey(session) => {
                let rejected = rejected.and_then(|rejected| rejected.number);
                let token = session.token(transport, rejected).await?;
                // The session lets only tokens pass that fit into a header.
                let header = header("Bearer", &token.text)
                    .unwrap_or_else(|| HeaderValue::from_static("Bearer"));
                Ok(Authorization { header, number: Some(token.number) })
            }
            Self::Fixed(header, _) => Ok(Authorization { header: header.clone(), number: None }),
        }
    }

    /// Takes the credential out of a text that the server sent.
    pub(super) fn scrub(&self, text: &str, authorization: &Authorization) -> String {
        let sent = authorization.header.to_str().unwrap_or_default();
        let sent = sent.split_once(' ').map_or(sent, |(_, credential)| credential);
        let mut scrubbed = replace(text, sent);
        if let Self::Fixed(_, secret) = self {
            scrubbed = replace(&scrubbed, secret.expose_secret());
        }
        scrubbed
    }

    /// The length of the longest text that [`scrub`](Self::scrub) looks for.
    pub(super) fn longest(&self, authorization: &Authorization) -> usize {
        let secret = match self {
            Self::ApiKey(_) => 0,
            Self::Fixed(_, secret) => secret.expose_secret().len(),
        };
        secret.max(authorization.header.len())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiKey(_) => "ApiKey",
            Self::Fixed(..) => "Fixed",
        })
    }
}

fn replace(text: &str, secret: &str) -> String {
    if secret.is_empty() { text.to_owned() } else { text.replace(secret, "<redacted>") }
}

fn header(scheme: &str, credential: &SecretString) -> Option<HeaderValue> {
    let credential = credential.expose_secret();
    if credential.is_empty() || !credential.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut header = HeaderValue::from_str(&format!("{scheme} {credential}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}
