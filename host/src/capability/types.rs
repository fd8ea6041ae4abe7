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
    /// Whether it is an input that may have to be parsed: policy can let the component see all of these at once.
    pub(crate) is_code: bool,
}

impl Host for RunState {}

impl HostSecret for RunState {
    fn reveal(
        &mut self,
        secret: Resource<SecretHandle>,
    ) -> wasmtime::Result<Result<String, Denied>> {
        let secret = self.table.get(&secret)?;
        // SECURITY: walls::a_secret_is_not_revealed_without_a_grant
        let code = || self.grants.terraform().ok().filter(|permit| permit.reveals_code());
        let granted = match self.grants.reveal(&secret.key) {
            Ok(permit) => Ok(permit.rule().clone()),
            // SECURITY: walls::terraform::only_code_is_revealed_by_the_grant_for_code
            Err(denied) => match code().filter(|_| secret.is_code) {
                Some(permit) => Ok(permit.rule().clone()),
                None => Err(denied),
            },
        };
        match granted {
            Ok(rule) => {
                self.auditor.revealed(&secret.key, Some(&rule));
                let text = secret.text.expose_secret().to_owned();
                self.charge(text.len());
                Ok(Ok(text))
            }
            Err(denied) => {
                self.auditor.denied("secret", &secret.key, &denied);
                Ok(Err(Denied { reason: denied.rule }))
            }
        }
    }

    fn drop(&mut self, secret: Resource<SecretHandle>) -> wasmtime::Result<()> {
        self.table.delete(secret)?;
        Ok(())
    }
}
