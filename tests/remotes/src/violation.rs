//! Breaches of protocol by a client. Main type: [`Violation`].

use std::fmt;

/// One breach of protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The request: method and path, without the query.
    pub request: String,
    /// What was wrong. Never contains a token or secret.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.request, self.message)
    }
}
