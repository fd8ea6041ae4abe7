//! Policy said no: [`Denied`].

use std::fmt;
use std::sync::Arc;

use crate::policy::Policy;
use crate::position::Position;

/// Policy said no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}")]
pub struct Denied {
    /// Who said no to what: one sentence in the policy's words, such as "policy `team-a` does not grant
    /// `https://example.com`".
    pub rule: String,
    /// The name of the policy or ceiling that said no.
    pub policy: Arc<str>,
    /// Its file.
    pub file: Arc<str>,
    /// The rule that is to blame, where there is one: what nothing grants has none.
    pub at: Option<Position>,
}

/// Who is asked: the policy of a route, or the ceiling above it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'p> {
    Ceiling(&'p Arc<Policy>),
    Policy(&'p Arc<Policy>),
}

impl<'p> Part<'p> {
    pub(crate) fn policy(self) -> &'p Arc<Policy> {
        match self {
            Self::Ceiling(policy) | Self::Policy(policy) => policy,
        }
    }

    /// The section is there, but does not grant this.
    pub(crate) fn denies_at(self, at: &Position, what: fmt::Arguments<'_>) -> Denied {
        Denied { at: Some(at.clone()), ..self.denies(what) }
    }

    /// No rule grants this.
    pub(crate) fn denies(self, what: fmt::Arguments<'_>) -> Denied {
        let (policy, file) = (Arc::clone(self.policy().name()), Arc::clone(self.policy().file()));
        Denied { rule: format!("{self} {what}"), policy, file, at: None }
    }
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ceiling(policy) => write!(f, "the ceiling `{}`", policy.name()),
            Self::Policy(policy) => write!(f, "policy `{}`", policy.name()),
        }
    }
}
