//! Describes the implementation of a `GITHUB_WORKFLOW` run. Main type: [`GithubWorkflow`].

use std::fmt;

use serde_json::{Map, Value, json};

/// The implementation of a `GITHUB_WORKFLOW` run, for [`crate::RunSpec::github_workflow`]: the workflows `apply.yml` and
/// `destroy.yml` on `main` of `acme/infra`, followed to their end, and given the run's document.
#[derive(Clone)]
pub struct GithubWorkflow {
    fields: Map<String, Value>,
}

impl GithubWorkflow {
    /// Of the app with this id and key (in plain text; it is sealed on the way in), at this base of GitHub's API.
    #[must_use]
    pub fn of(base_url: impl Into<String>, app: &str, key: impl Into<String>) -> Self {
        let fields = Map::new();
        Self { fields }
            .field("type", json!("GITHUB_WORKFLOW"))
            .field("githubBaseUrl", json!(base_url.into()))
            .field("appId", json!(app))
            .field("appPem", json!(key.into()))
            .field("owner", json!("acme"))
            .field("repository", json!("infra"))
            .field("branch", json!("main"))
            .field("applyWorkflow", json!("apply.yml"))
            .field("destroyWorkflow", json!("destroy.yml"))
            .field("async", json!(false))
            .field("omitRunObjectInput", json!(false))
    }

    /// A field as it is, for what no other method says.
    #[must_use]
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// `async`: the workflow finishes the run.
    #[must_use]
    pub fn asynchronous(self) -> Self {
        self.field("async", json!(true))
    }

    /// `omitRunObjectInput`: the workflow gets the run's address, not its document.
    #[must_use]
    pub fn omitting_document(self) -> Self {
        self.field("omitRunObjectInput", json!(true))
    }

    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.fields)
    }
}

// The key is a secret.
impl fmt::Debug for GithubWorkflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GithubWorkflow")
            .field("githubBaseUrl", &self.fields.get("githubBaseUrl"))
            .finish_non_exhaustive()
    }
}
