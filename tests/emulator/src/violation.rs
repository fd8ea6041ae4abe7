//! Breaches of the protocol by a client. Main type: [`Violation`].

use std::fmt;

use uuid::Uuid;

use crate::Route;

/// More are counted, not kept: a client gone wild must not fill the memory of a load test.
const KEPT_MAX: usize = 1_000;

/// One breach of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Where it happened.
    pub route: Route,
    /// The run concerned, as far as the path says.
    pub run: Option<Uuid>,
    /// What was wrong. Never contains a token or secret.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.route, self.message)?;
        match self.run {
            Some(run) => write!(f, " (run {run})"),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Violations {
    kept: Vec<Violation>,
    dropped: usize,
}

impl Violations {
    pub(crate) fn push(&mut self, violation: Violation) {
        if self.kept.len() < KEPT_MAX {
            self.kept.push(violation);
        } else {
            self.dropped += 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len() + self.dropped
    }

    pub(crate) fn kept(&self) -> &[Violation] {
        &self.kept
    }

    pub(crate) fn take(&mut self) -> Vec<Violation> {
        self.dropped = 0;
        std::mem::take(&mut self.kept)
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.kept {
            writeln!(f, "  {violation}")?;
        }
        match self.dropped {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}
