//! Permits: leave to do one thing. Only [`Grants`](crate::Grants) makes them.

use std::sync::Arc;

use core::net::IpAddr;

use crate::address::AddressClass;
use crate::denied::{Denied, Part};
use crate::files::{FilesAccess, FilesGrant};
use crate::http::{HttpRule, RuleId, SecretHeader};
use crate::policy::Policy;
use crate::position::Position;
use crate::target::Target;

/// Leave to send a request to one target.
#[derive(Clone, Debug)]
pub struct HttpPermit {
    policy: Arc<Policy>,
    ceiling: Option<Arc<Policy>>,
    /// The rule's place in the policy.
    index: usize,
    id: RuleId,
    position: Position,
    target: Target,
}

/// Leave to connect to one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPermit(IpAddr);

/// Leave to see the plain text of one secret.
#[derive(Clone, Debug)]
pub struct RevealPermit {
    position: Position,
}

/// Leave to use one secret in one way, without showing it to the component.
#[derive(Clone, Debug)]
pub struct SecretUsePermit {
    position: Position,
}

/// Leave to put the document of the run into a request to one target.
#[derive(Clone, Debug)]
pub struct RunDocumentPermit {
    position: Position,
}

/// Leave to use the run's own directory.
#[derive(Clone, Debug)]
pub struct FilesPermit {
    grant: FilesGrant,
    position: Position,
}

impl HttpPermit {
    pub(crate) fn new(
        policy: &Arc<Policy>,
        ceiling: Option<&Arc<Policy>>,
        (index, rule): (usize, &HttpRule),
        target: &Target,
    ) -> Self {
        Self {
            policy: Arc::clone(policy),
            ceiling: ceiling.map(Arc::clone),
            index,
            id: rule.id().clone(),
            position: rule.position().clone(),
            target: target.clone(),
        }
    }

    /// Where the rule of the policy stands; for the audit log.
    #[must_use]
    pub fn rule(&self) -> &Position {
        &self.position
    }

    /// Which rule of the policy: its CAs and its certificate are to be used.
    #[must_use]
    pub fn rule_id(&self) -> &RuleId {
        &self.id
    }

    /// What the permit is for.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The headers that the host must set.
    #[must_use]
    pub fn headers(&self) -> &[SecretHeader] {
        self.policy.http().get(self.index).map_or(&[], HttpRule::headers)
    }

    /// Leave to connect to `address`, to which the target's name resolves or which is the target itself.
    ///
    /// To be asked of the very address that is connected to: names can resolve to another one the next time.
    ///
    /// # Errors
    /// [`Denied`] when the address is not public, and neither the policy's rule nor the ceiling grants its range.
    pub fn address(&self, address: IpAddr) -> Result<AddressPermit, Denied> {
        let host = self.target.host();
        let denied = |part: Part, class: AddressClass, position: &Position| {
            let is_never = class == AddressClass::Never;
            let what = match class {
                AddressClass::Metadata => "a metadata service".to_owned(),
                AddressClass::Never => "an address that no grant opens".to_owned(),
                AddressClass::Private(range) => format!("not public: {range}"),
                AddressClass::Public => "public".to_owned(),
            };
            let verb = if is_never { "can't" } else { "does not" };
            let rule = format!("{part} {verb} grant {host} at {address} ({what})");
            let (policy, file) = (part.policy().name(), part.policy().file());
            let (policy, file) = (Arc::clone(policy), Arc::clone(file));
            Denied { rule, policy, file, at: Some(position.clone()) }
        };
        // SECURITY: permit::addresses_are_vetted_by_policy_and_ceiling
        let rule = self.policy.http().get(self.index);
        rule.map_or(Err(AddressClass::Never), |rule| rule.vet(host, address))
            .map_err(|class| denied(Part::Policy(&self.policy), class, &self.position))?;
        if let Some(ceiling) = &self.ceiling {
            // Any of the ceiling's rules will do: it bounds, and has no headers or CAs to choose.
            let mut first = None;
            for rule in ceiling.http().iter().filter(|rule| rule.grants(&self.target)) {
                match rule.vet(host, address) {
                    Ok(()) => return Ok(AddressPermit(address)),
                    Err(class) => first = first.or_else(|| Some((class, rule.position()))),
                }
            }
            let (class, position) = first.unwrap_or((AddressClass::Never, &self.position));
            return Err(denied(Part::Ceiling(ceiling), class, position));
        }
        Ok(AddressPermit(address))
    }
}

impl AddressPermit {
    /// The address, as it was asked for.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.0
    }
}

impl RevealPermit {
    pub(crate) fn new(position: Position) -> Self {
        Self { position }
    }

    /// Where the rule of the policy stands; for the audit log.
    #[must_use]
    pub fn rule(&self) -> &Position {
        &self.position
    }
}

impl SecretUsePermit {
    pub(crate) fn new(position: Position) -> Self {
        Self { position }
    }

    /// Where the rule of the policy stands; for the audit log.
    #[must_use]
    pub fn rule(&self) -> &Position {
        &self.position
    }
}

impl RunDocumentPermit {
    pub(crate) fn new(position: Position) -> Self {
        Self { position }
    }

    /// Where the rule of the policy stands; for the audit log.
    #[must_use]
    pub fn rule(&self) -> &Position {
        &self.position
    }
}

impl FilesPermit {
    pub(crate) fn new(grant: FilesGrant, position: Position) -> Self {
        Self { grant, position }
    }

    /// Read or write.
    #[must_use]
    pub fn access(&self) -> FilesAccess {
        self.grant.access
    }

    /// Bytes of all files together; 0 when nothing may be written.
    #[must_use]
    pub fn quota_bytes(&self) -> u64 {
        self.grant.quota_bytes
    }

    /// Files and directories; 0 when nothing may be written.
    #[must_use]
    pub fn quota_files(&self) -> u64 {
        self.grant.quota_files
    }

    /// Where the rule of the policy stands; for the audit log.
    #[must_use]
    pub fn rule(&self) -> &Position {
        &self.position
    }
}

#[cfg(test)]
mod tests;
