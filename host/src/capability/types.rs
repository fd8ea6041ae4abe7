//! `blockhouse:block/types`: secrets as handles.

use crate::sandbox::RunState;
use crate::sandbox::bindings::blockhouse::block::types::{Denied, Host, HostSecret};
use secrecy::{ExposeSecret, SecretString};
use wasmtime::component::Resource;

/// A sensitive value of the run; the component holds an index to it and nothing else.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct SecretHandle {
    /// The input's or setting's key, which policy grants are about.
    pub(crate) key: String,
    pub(crate) text: SecretString,
    /// Whether the text is JSON rather than text as entered.
    pub(crate) is_json: bool,
}

impl Host for RunState {}

impl HostSecret for RunState {
    fn reveal(
        &mut self,
        secret: Resource<SecretHandle>,
    ) -> wasmtime::Result<Result<String, Denied>> {
        let secret = self.table.get(&secret)?;
        // Once per secret and run: a component must not be able to flood the operator's log.
        // SECURITY: e2e::containment::asking_for_a_secret_for_ever_is_logged_once
        let is_first = self.audited.insert(secret.key.clone());
        // SECURITY: walls::a_secret_is_not_revealed_without_a_grant
        match self.grants.reveal(&secret.key) {
            Ok(_permit) => {
                if is_first {
                    tracing::info!(target: "audit", run = %self.run_id, key = secret.key, "secret revealed");
                }
                let text = secret.text.expose_secret().to_owned();
                self.charge(text.len());
                Ok(Ok(text))
            }
            Err(denied) => {
                if is_first {
                    tracing::warn!(target: "audit", run = %self.run_id, key = secret.key, rule = denied.rule, "secret denied");
                }
                Ok(Err(Denied { reason: denied.rule }))
            }
        }
    }

    fn drop(&mut self, secret: Resource<SecretHandle>) -> wasmtime::Result<()> {
        self.table.delete(secret)?;
        Ok(())
    }
}
