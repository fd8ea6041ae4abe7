//! Describes the implementation of a `GITLAB_CICD` run. Main type: [`GitlabCicd`].

use std::fmt;

use serde_json::{Map, Value, json};

/// The implementation of a `GITLAB_CICD` run, for [`crate::RunSpec::gitlab_cicd`].
#[derive(Clone)]
pub struct GitlabCicd {
    fields: Map<String, Value>,
}

impl GitlabCicd {
    /// The branch `main` of this project (a number, or its path) of the GitLab at this address. The trigger token is given in
    /// plain text; it is sealed on the way in.
    #[must_use]
    pub fn of(
        base_url: impl Into<String>,
        project: impl Into<Value>,
        token: impl Into<String>,
    ) -> Self {
        let fields = Map::new();
        Self { fields }
            .field("type", json!("GITLAB_CICD"))
            .field("gitlabBaseUrl", json!(base_url.into()))
            .field("projectId", project.into())
            .field("refName", json!("main"))
            .field("pipelineTriggerToken", json!(token.into()))
    }

    /// A field as it is, for what no other method says.
    #[must_use]
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// `refName`: a branch or a tag.
    #[must_use]
    pub fn reference(self, name: impl Into<String>) -> Self {
        self.field("refName", json!(name.into()))
    }

    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.fields)
    }
}

// The token is a secret.
impl fmt::Debug for GitlabCicd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitlabCicd")
            .field("gitlabBaseUrl", &self.fields.get("gitlabBaseUrl"))
            .field("projectId", &self.fields.get("projectId"))
            .finish_non_exhaustive()
    }
}
