//! `blockhouse:block/sources`: repositories, checked out into the run's directory.

use super::terraform::no_workspace;
use crate::git::RevisionKind as Kind;
use crate::sandbox::bindings::blockhouse::block::sources::{
    CheckedOut, CheckoutError, Host, KnownHost, Repository, RevisionKind,
};
use crate::sandbox::{HostError, RunState};
use crate::terraform::{self, Source};

/// Bytes of git's own words that the component is told.
const TEXT_MAX: usize = 8 << 10;

impl Host for RunState {
    async fn checkout(
        &mut self,
        repository: Repository,
    ) -> wasmtime::Result<Result<CheckedOut, CheckoutError>> {
        let Repository { url, revision, path, private_key, known_host } = repository;
        let private_key = match private_key {
            None => None,
            Some(secret) => {
                let handle = self.table.get(&secret)?;
                // SECURITY: walls::terraform::a_secret_is_not_given_to_programs_without_a_grant
                if let Err(denied) = self.in_terraform(&handle.origin) {
                    self.auditor.denied("secret", &handle.origin.subject(), &denied);
                    return Ok(Err(CheckoutError::Denied(denied.rule)));
                }
                Some(handle.text.clone())
            }
        };
        let known_host =
            known_host.map(|KnownHost { host, key_type, key_value }| (host, key_type, key_value));
        let Some(native) = &mut self.native else {
            let denied = no_workspace(&self.grants);
            self.auditor.denied("sources", &url, &denied);
            return Ok(Err(CheckoutError::Denied(denied.rule)));
        };
        let subject = url.clone();
        let source = Source { url, revision, path, private_key, known_host };
        self.tape.flush(true).await.map_err(HostError::from)?;
        let checkout = self.tape.wait(native.workspace.checkout(source)).await;
        let door = self.progress.door();
        let shown = |text: &str| door.shown(text, TEXT_MAX).into_string();
        Ok(match checkout {
            Ok(checkout) => Ok(CheckedOut {
                commit: checkout.commit,
                kind: match checkout.kind {
                    Kind::Branch => RevisionKind::Branch,
                    Kind::Commit => RevisionKind::Commit,
                    Kind::DefaultBranch => RevisionKind::DefaultBranch,
                    Kind::Tag => RevisionKind::Tag,
                },
                notes: checkout.notes.iter().map(|note| shown(note)).collect(),
            }),
            Err(error) => Err(match error {
                terraform::CheckoutError::Aborted => CheckoutError::Aborted,
                terraform::CheckoutError::Denied(denied) => {
                    self.auditor.denied("sources", &subject, &denied);
                    CheckoutError::Denied(shown(&denied.rule))
                }
                terraform::CheckoutError::Failed(text) => CheckoutError::Failed(shown(&text)),
                terraform::CheckoutError::Fault(text) => {
                    tracing::error!(error = text, "a repository could not be checked out");
                    CheckoutError::Fault(shown(&text))
                }
                terraform::CheckoutError::Invalid(text) => CheckoutError::Invalid(shown(&text)),
                terraform::CheckoutError::NotFound(text) => CheckoutError::NotFound(shown(&text)),
                terraform::CheckoutError::Timeout(text) => CheckoutError::Timeout(shown(&text)),
                terraform::CheckoutError::TooLarge(text) => CheckoutError::TooLarge(shown(&text)),
            }),
        })
    }
}
