//! Where something stands in a policy file: [`Position`].

use std::fmt;
use std::sync::Arc;

/// A line of a policy file; for messages and the audit log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The file as it was given to [`Policy::parse`](crate::Policy::parse).
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
