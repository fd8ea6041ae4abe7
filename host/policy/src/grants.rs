//! What one route's components may do: [`Grants`].

use std::sync::Arc;
use std::time::Duration;

use crate::denied::{Denied, Part};
use crate::excess::{self, Excess};
use crate::files::FilesGrant;
use crate::given;
use crate::http::HttpRule;
use crate::limits::Limits;
use crate::mistake::quoted;
use crate::permit::{FilesPermit, HttpPermit, RevealPermit, RunDocumentPermit, SecretUsePermit};
use crate::policy::Policy;
use crate::position::Position;
use crate::secrets::SecretUse;
use crate::target::Target;
use crate::terraform::TerraformPermit;

/// What one route's components may do: what its policy grants, within the ceiling. Immutable.
///
/// Whatever is not granted is denied:
/// * no request is sent, and none to an address that is not public;
/// * no secret is revealed, none put into an output, a request or Terraform, and nothing is signed with one;
/// * nobody is given the document of the run;
/// * Terraform is not run, nothing is checked out;
/// * there is no file, no configuration, no environment and no argument;
/// * every resource is limited ([`Limits`]).
#[derive(Clone, Debug)]
pub struct Grants {
    policy: Arc<Policy>,
    ceiling: Option<Arc<Policy>>,
    limits: Limits,
}

impl Grants {
    /// What `policy` grants within `ceiling`. Limits that the policy does not say are those of `defaults`; the ceiling
    /// lowers what is above its own.
    #[must_use]
    pub fn new(policy: Arc<Policy>, ceiling: Option<Arc<Policy>>, defaults: &Limits) -> Self {
        let most = ceiling.as_ref().and_then(|ceiling| ceiling.limits());
        let limits = given::within(defaults.clone(), policy.limits(), most);
        Self { policy, ceiling, limits }
    }

    /// The same with this wall time, whatever the policy says, as far as the ceiling lets it: for policies that come with the program, whose
    /// numbers are guesses about a machine that the operator knows.
    #[must_use]
    pub fn with_wall_time(self, wall_time: Duration) -> Self {
        let most = self.ceiling.as_ref().and_then(|ceiling| ceiling.limits());
        let limits = given::within(Limits { wall_time, ..self.limits }, None, most);
        Self { limits, ..self }
    }

    /// Nothing beyond computing within the default limits.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Arc::new(Policy::deny_all()), None, &Limits::default())
    }

    /// What the policy asks for beyond the ceiling, and does not get; to be reported at load.
    #[must_use]
    pub fn excess(&self) -> Vec<Excess> {
        self.ceiling.as_ref().map_or_else(Vec::new, |ceiling| excess::of(&self.policy, ceiling))
    }

    /// How much of everything.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Where the limit of this key (as in [`Limits::TABLE`](Limits::TABLE)) was set to what it is: in the policy, in the ceiling, or
    /// nowhere when it is a default.
    #[must_use]
    pub fn limit_rule(&self, key: &str) -> Option<&Position> {
        let limit = Limits::TABLE.iter().find(|limit| limit.key == key)?;
        let value = limit.base(&self.limits)?;
        let given = self.parts().filter_map(|part| part.policy().limits());
        let mut given = given.flat_map(|given| given.limits());
        let rule = given.find(|given| given.limit().key == key && given.base() == value)?;
        Some(rule.position())
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The policy that bounds it.
    #[must_use]
    pub fn ceiling(&self) -> Option<&Arc<Policy>> {
        self.ceiling.as_ref()
    }

    /// Whether there is any leave to do what others would see, by requests or by Terraform. What a component without it has done can be
    /// done again.
    #[must_use]
    pub fn reach_outside(&self) -> bool {
        self.parts().all(|part| !part.policy().http().is_empty())
            || self.parts().all(|part| part.policy().terraform().is_some())
    }

    /// Whether there is any leave to send requests at all; asked before the component is linked.
    ///
    /// # Errors
    /// [`Denied`] when not.
    pub fn allows_http(&self) -> Result<(), Denied> {
        for part in self.parts() {
            if part.policy().http().is_empty() {
                return Err(part.denies(format_args!("grants no outbound HTTP")));
            }
        }
        Ok(())
    }

    /// Leave to send a request to `target`. Of several rules of the policy that grant it, the first one counts, with its
    /// headers, its CAs and its private ranges.
    ///
    /// # Errors
    /// [`Denied`] unless policy and ceiling grant it, and the ceiling grants the secrets of the rule's headers, too.
    pub fn http(&self, target: &Target) -> Result<HttpPermit, Denied> {
        self.allows_http()?;
        let rules = self.policy.http().iter().enumerate();
        let Some((index, rule)) = rules.into_iter().find(|(_, rule)| rule.grants(target)) else {
            return Err(Part::Policy(&self.policy).denies(format_args!("does not grant {target}")));
        };
        // SECURITY: grants::every_question_is_asked_of_the_ceiling_too
        if let Some(ceiling) = &self.ceiling {
            if !ceiling.http().iter().any(|rule| rule.grants(target)) {
                return Err(Part::Ceiling(ceiling).denies(format_args!("does not grant {target}")));
            }
            for header in rule.headers() {
                let secret = &*header.secret;
                if !grants_header(ceiling, secret, target) {
                    let secret = quoted(secret);
                    return Err(Part::Ceiling(ceiling).denies(format_args!(
                        "does not grant the secret {secret} in requests to {target}"
                    )));
                }
            }
        }
        Ok(HttpPermit::new(&self.policy, self.ceiling.as_ref(), (index, rule), target))
    }

    /// Leave to show the plain text of the secret `key` to the component.
    ///
    /// # Errors
    /// [`Denied`] unless policy and ceiling list the key.
    pub fn reveal(&self, key: &str) -> Result<RevealPermit, Denied> {
        let position = self.ask(
            |policy| {
                let mut rules = policy.reveals().iter();
                rules.find(|rule| rule.keys.iter().any(|k| k == key)).map(|rule| &rule.position)
            },
            |part| part.denies(format_args!("does not reveal the secret {}", quoted(key))),
        )?;
        Ok(RevealPermit::new(position.clone()))
    }

    /// Leave to put the secret `key` into a sensitive output.
    ///
    /// # Errors
    /// [`Denied`] unless policy and ceiling grant it.
    pub fn secret_in_output(&self, key: &str) -> Result<SecretUsePermit, Denied> {
        let position = self.ask(
            |policy| used(policy, key, SecretUse::Outputs),
            |part| {
                part.denies(format_args!("does not grant the secret {} in outputs", quoted(key)))
            },
        )?;
        Ok(SecretUsePermit::new(position.clone()))
    }

    /// Leave to put the secret `key` into headers or the body of a request to `target`.
    ///
    /// # Errors
    /// [`Denied`] unless policy and ceiling grant it, and the request itself.
    pub fn secret_in_http(&self, key: &str, target: &Target) -> Result<SecretUsePermit, Denied> {
        // So the scheme is one that an [[http]] rule grants for this host.
        self.http(target)?;
        let position = self.ask(
            |policy| used_for(policy, key, SecretUse::Http, target),
            |part| {
                let key = quoted(key);
                part.denies(format_args!("does not grant the secret {key} in requests to {target}"))
            },
        )?;
        Ok(SecretUsePermit::new(position.clone()))
    }

    /// Whether there is any leave to sign tokens; asked before the component is linked.
    ///
    /// # Errors
    /// [`Denied`] when not.
    pub fn allows_jwt(&self) -> Result<(), Denied> {
        let signs = |policy: &'_ Policy| {
            policy.secret_uses().iter().any(|rule| rule.uses.contains(&SecretUse::Jwt))
        };
        match self.parts().find(|part| !signs(part.policy())) {
            Some(part) => Err(part.denies(format_args!("grants no secret in tokens (`jwt`)"))),
            None => Ok(()),
        }
    }

    /// Leave to sign tokens with the secret `key`.
    ///
    /// # Errors
    /// [`Denied`] unless policy and ceiling grant it.
    pub fn secret_in_jwt(&self, key: &str) -> Result<SecretUsePermit, Denied> {
        let position = self.ask(
            |policy| used(policy, key, SecretUse::Jwt),
            |part| {
                let key = quoted(key);
                part.denies(format_args!("does not grant the secret {key} in tokens (`jwt`)"))
            },
        )?;
        Ok(SecretUsePermit::new(position.clone()))
    }

    /// Leave to put a token that was signed with the secret `key` into a request to `target`.
    ///
    /// # Errors
    /// [`Denied`] unless policy and ceiling grant it, and the request itself.
    pub fn token_in_http(&self, key: &str, target: &Target) -> Result<SecretUsePermit, Denied> {
        self.http(target)?;
        let position = self.ask(
            |policy| used_for(policy, key, SecretUse::Jwt, target),
            |part| {
                let key = quoted(key);
                part.denies(format_args!(
                    "does not grant tokens signed with the secret {key} in requests to {target}"
                ))
            },
        )?;
        Ok(SecretUsePermit::new(position.clone()))
    }

    /// Leave to put a secret that came from `origin` into a request to `target`.
    ///
    /// # Errors
    /// [`Denied`] unless both are the same, and policy and ceiling grant the request itself.
    pub fn received_in_http(
        &self,
        origin: &Target,
        target: &Target,
    ) -> Result<SecretUsePermit, Denied> {
        let permit = self.http(target)?;
        if origin != target {
            return Err(Part::Policy(&self.policy).denies(format_args!(
                "lets the secret received from {origin} go back there and not to {target}"
            )));
        }
        Ok(SecretUsePermit::new(permit.rule().clone()))
    }

    /// Whether there is any leave to give the document of a run away; without it nobody needs to keep one.
    ///
    /// # Errors
    /// [`Denied`] when not.
    pub fn allows_run_document(&self) -> Result<(), Denied> {
        match self.parts().find(|part| part.policy().run_documents().is_empty()) {
            Some(part) => Err(part.denies(format_args!("gives the run's document to nobody"))),
            None => Ok(()),
        }
    }

    /// Leave to put the document of the run into a request to `target`.
    ///
    /// # Errors
    /// [`Denied`] unless policy and ceiling grant it, and the request itself.
    pub fn run_document(&self, target: &Target) -> Result<RunDocumentPermit, Denied> {
        self.allows_run_document()?;
        self.http(target)?;
        let position = self.ask(
            |policy| {
                let mut rules = policy.run_documents().iter();
                let rule = rules.find(|r| r.hosts.iter().any(|h| h.matches(target.host())));
                rule.map(|rule| &rule.position)
            },
            |part| part.denies(format_args!("does not give the run's document to {target}")),
        )?;
        Ok(RunDocumentPermit::new(position.clone()))
    }

    /// Leave to run Terraform at all; the permit answers what of it.
    ///
    /// # Errors
    /// [`Denied`] unless policy and ceiling have the section.
    pub fn terraform(&self) -> Result<TerraformPermit, Denied> {
        let position = self.ask(
            |policy| policy.terraform().map(|rule| &rule.position),
            |part| part.denies(format_args!("grants no Terraform")),
        )?;
        Ok(TerraformPermit::new(&self.policy, self.ceiling.as_ref(), position.clone()))
    }

    /// Leave to put the secret `key` into Terraform's variables, files or environment.
    ///
    /// # Errors
    /// [`Denied`] unless policy and ceiling grant it, and Terraform itself.
    pub fn secret_in_terraform(&self, key: &str) -> Result<SecretUsePermit, Denied> {
        self.terraform()?;
        let position = self.ask(
            |policy| used(policy, key, SecretUse::Terraform),
            |part| {
                part.denies(format_args!("does not grant the secret {} in Terraform", quoted(key)))
            },
        )?;
        Ok(SecretUsePermit::new(position.clone()))
    }

    /// The files that are granted: the smaller of policy and ceiling.
    #[must_use]
    pub fn files(&self) -> Option<FilesGrant> {
        let grant = self.policy.files()?.grant;
        match &self.ceiling {
            Some(ceiling) => Some(grant.min(ceiling.files()?.grant)),
            None => Some(grant),
        }
    }

    /// Leave to use the run's own directory.
    ///
    /// # Errors
    /// [`Denied`] unless policy and ceiling grant files.
    pub fn allows_files(&self) -> Result<FilesPermit, Denied> {
        let position = self.ask(
            |policy| policy.files().map(|rule| &rule.position),
            |part| part.denies(format_args!("grants no files")),
        )?;
        let grant = self.files();
        let grant =
            grant.ok_or_else(|| Part::Policy(&self.policy).denies(format_args!("grants no files")));
        Ok(FilesPermit::new(grant?, position.clone()))
    }

    /// The values for the component: the policy's, if the ceiling has a section for them, too.
    pub fn configuration(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_allowed = self.ceiling.as_ref().is_none_or(|c| c.configuration().is_some());
        let rule = self.policy.configuration().filter(|_| is_allowed);
        rule.into_iter().flat_map(|rule| &rule.values).map(|(key, value)| (&**key, &**value))
    }

    /// Asks policy and ceiling, and answers with the place in the policy that grants it.
    fn ask<'g>(
        &'g self,
        granting: impl Fn(&'g Policy) -> Option<&'g Position>,
        denied: impl Fn(Part<'g>) -> Denied,
    ) -> Result<&'g Position, Denied> {
        let own = Part::Policy(&self.policy);
        let position = granting(&self.policy).ok_or_else(|| denied(own))?;
        if let Some(ceiling) = &self.ceiling {
            granting(ceiling).ok_or_else(|| denied(Part::Ceiling(ceiling)))?;
        }
        Ok(position)
    }

    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let ceiling = self.ceiling.as_ref().map(Part::Ceiling);
        std::iter::once(Part::Policy(&self.policy)).chain(ceiling)
    }
}

/// Where `policy` grants the secret for this use.
fn used<'p>(policy: &'p Policy, key: &str, used: SecretUse) -> Option<&'p Position> {
    let mut rules = policy.secret_uses().iter();
    rules.find(|rule| rule.grants(key, used)).map(|rule| &rule.position)
}

/// Where `policy` grants the secret for this use at this host.
fn used_for<'p>(
    policy: &'p Policy,
    key: &str,
    used: SecretUse,
    target: &Target,
) -> Option<&'p Position> {
    let mut rules = policy.secret_uses().iter();
    rules.find(|rule| rule.grants_to(key, used, target.host())).map(|rule| &rule.position)
}

/// Whether a ceiling lets a policy's header carry the secret: by a header of its own with it, or a grant of its use.
fn grants_header(ceiling: &Policy, secret: &str, target: &Target) -> bool {
    let has_header = |rule: &HttpRule| rule.headers().iter().any(|h| h.secret == secret);
    ceiling.http().iter().any(|rule| rule.grants(target) && has_header(rule))
        || used_for(ceiling, secret, SecretUse::Http, target).is_some()
}

#[cfg(test)]
mod tests;
