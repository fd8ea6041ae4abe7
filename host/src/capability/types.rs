//! `blockhouse:block/types`: secrets as handles.

use crate::sandbox::RunState;
use crate::sandbox::bindings::blockhouse::block::types::{Denied as Answer, Host, HostSecret};
use blockhouse_policy::{Denied, Grants, Position, Target};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::Arc;
use wasmtime::component::Resource;

/// Fuel for looking for one more secret from now on: 0.1 to 0.4 ms, in which a guest executes about this many instructions.
const PER_HIDDEN: usize = 1_000_000;

/// A sensitive value that the component may use; it holds an index to it and nothing else.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct SecretHandle {
    /// What may be done with it follows from this.
    pub(crate) origin: Origin,
    pub(crate) text: SecretString,
}

/// Where a secret comes from. Whatever uses secrets says for each of these what policy is asked, so that none is forgotten.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A response of this server, to which it may go back.
    Received(Target),
    /// The run, or Terraform's outputs.
    Run(Entry),
    /// A token: it was signed with the secret of this key.
    Signed { key: String },
}

/// A secret that policy knows by its key.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The input's, setting's or output's key, which policy grants are about.
    pub(crate) key: String,
    /// Whether the text is JSON rather than text as entered.
    pub(crate) is_json: bool,
    /// Whether it is an input that may have to be parsed: policy can let the component see all of these at once.
    pub(crate) is_code: bool,
}

/// What messages call it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received(from) => write!(f, "the secret received from {from}"),
            Self::Run(entry) => write!(f, "the secret `{}`", entry.key),
            Self::Signed { key } => write!(f, "the token signed with the secret `{key}`"),
        }
    }
}

impl Origin {
    /// What the audit log calls it.
    pub(super) fn subject(&self) -> String {
        match self {
            Self::Received(_) | Self::Signed { .. } => self.to_string(),
            Self::Run(entry) => entry.key.clone(),
        }
    }

    /// What is shown in its place.
    fn marker(&self) -> String {
        match self {
            Self::Received(_) => "token received".to_owned(),
            Self::Run(entry) => entry.key.clone(),
            Self::Signed { key } => format!("token of {key}"),
        }
    }

    /// The answer to whoever wants to do something else with it than to put it into a request.
    pub(super) fn for_requests_only(&self, grants: &Grants) -> Denied {
        let policy = grants.policy();
        Denied {
            rule: format!("{self} is for requests only, whatever a policy grants"),
            policy: Arc::clone(policy.name()),
            file: Arc::clone(policy.file()),
            at: None,
        }
    }
}

impl Host for RunState {}

impl HostSecret for RunState {
    fn reveal(
        &mut self,
        secret: Resource<SecretHandle>,
    ) -> wasmtime::Result<Result<String, Answer>> {
        let secret = self.table.get(&secret)?;
        let granted = match &secret.origin {
            Origin::Run(entry) => self.seen(entry),
            // SECURITY: walls::a_token_is_neither_shown_nor_passed_on
            // SECURITY: walls::a_received_secret_is_neither_shown_nor_passed_on
            origin @ (Origin::Received(_) | Origin::Signed { .. }) => {
                Err(origin.for_requests_only(&self.grants))
            }
        };
        let subject = secret.origin.subject();
        match granted {
            Ok(rule) => {
                self.auditor.revealed(&subject, Some(&rule));
                let text = secret.text.expose_secret().to_owned();
                self.charge(text.len());
                Ok(Ok(text))
            }
            Err(denied) => {
                self.auditor.denied("secret", &subject, &denied);
                Ok(Err(Answer { reason: denied.rule }))
            }
        }
    }

    fn drop(&mut self, secret: Resource<SecretHandle>) -> wasmtime::Result<()> {
        self.table.delete(secret)?;
        Ok(())
    }
}

impl RunState {
    /// A handle of a secret that has come up during the run. What is said from now on is searched for it: the component never sees it, but
    /// a server may repeat what it was sent.
    // SECURITY: walls::tokens_that_a_server_repeats_are_in_no_text_that_is_shown
    pub(super) fn hidden(
        &mut self,
        origin: Origin,
        text: SecretString,
    ) -> wasmtime::Result<Resource<SecretHandle>> {
        self.charge(PER_HIDDEN);
        let redactor = self.progress.hide(&origin.marker(), &text)?;
        self.auditor.redact_with(&redactor);
        Ok(self.table.push(SecretHandle { origin, text })?)
    }

    /// Which rule shows it to the component.
    fn seen(&self, entry: &Entry) -> Result<Position, Denied> {
        // SECURITY: walls::a_secret_is_not_revealed_without_a_grant
        match self.grants.reveal(&entry.key) {
            Ok(permit) => Ok(permit.rule().clone()),
            // SECURITY: walls::terraform::only_code_is_revealed_by_the_grant_for_code
            Err(denied) => match self.grants.terraform() {
                Ok(permit) if entry.is_code && permit.reveals_code() => Ok(permit.rule().clone()),
                Ok(_) | Err(_) => Err(denied),
            },
        }
    }

    /// Whether policy lets it into Terraform, as the key of a repository as well.
    pub(super) fn in_terraform(&self, origin: &Origin) -> Result<(), Denied> {
        match origin {
            // SECURITY: walls::terraform::a_secret_is_not_given_to_programs_without_a_grant
            Origin::Run(entry) => self.grants.secret_in_terraform(&entry.key).map(|_| ()),
            // SECURITY: walls::a_token_is_neither_shown_nor_passed_on
            // SECURITY: walls::a_received_secret_is_neither_shown_nor_passed_on
            Origin::Received(_) | Origin::Signed { .. } => {
                Err(origin.for_requests_only(&self.grants))
            }
        }
    }
}
