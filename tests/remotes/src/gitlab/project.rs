//! A project with its pipeline. Main type: [`Project`].

use std::collections::BTreeMap;
use std::fmt;

/// A project with what its `.gitlab-ci.yml` declares.
#[derive(Clone)]
pub struct Project {
    pub(crate) id: u64,
    pub(crate) path: String,
    pub(crate) token: String,
    pub(crate) references: Vec<String>,
    /// None without a `spec` header; else each input, and whether it is required.
    pub(crate) inputs: Option<BTreeMap<String, bool>>,
    pub(crate) has_jobs: bool,
}

impl Project {
    /// A project of this number and path (`group/project`), with this pipeline trigger token.
    #[must_use]
    pub fn new(id: u64, path: impl Into<String>, token: impl Into<String>) -> Self {
        let (path, token) = (path.into(), token.into());
        Self { id, path, token, references: Vec::new(), inputs: None, has_jobs: true }
    }

    /// Has this branch or tag.
    #[must_use]
    pub fn reference(mut self, name: impl Into<String>) -> Self {
        self.references.push(name.into());
        self
    }

    /// Declares this input in `spec:inputs`, with a default.
    #[must_use]
    pub fn input(mut self, name: impl Into<String>) -> Self {
        self.inputs.get_or_insert_default().insert(name.into(), false);
        self
    }

    /// Declares this input in `spec:inputs`, without a default.
    #[must_use]
    pub fn required_input(mut self, name: impl Into<String>) -> Self {
        self.inputs.get_or_insert_default().insert(name.into(), true);
        self
    }

    /// Its rules leave no job for a triggered pipeline.
    #[must_use]
    pub fn without_jobs(mut self) -> Self {
        self.has_jobs = false;
        self
    }
}

// The token is a secret of its test.
impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Project").field("id", &self.id).field("path", &self.path).finish()
    }
}
