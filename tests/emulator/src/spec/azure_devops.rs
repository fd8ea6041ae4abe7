//! Describes the implementation of an `AZURE_DEVOPS` run. Main type: [`AzureDevops`].

use std::fmt;

use serde_json::{Map, Value, json};

/// The implementation of an `AZURE_DEVOPS` run, for [`crate::RunSpec::azure_devops`]: synchronous, on the pipeline's own branch.
#[derive(Clone)]
pub struct AzureDevops {
    fields: Map<String, Value>,
}

impl AzureDevops {
    /// This pipeline of a project in an organization of the Azure DevOps at this address. The personal access token is given in
    /// plain text; it is sealed on the way in.
    #[must_use]
    pub fn of(
        base_url: impl Into<String>,
        organization: impl Into<String>,
        project: impl Into<String>,
        pipeline: impl Into<Value>,
        token: impl Into<String>,
    ) -> Self {
        let fields = Map::new();
        Self { fields }
            .field("type", json!("AZURE_DEVOPS"))
            .field("azureDevOpsBaseUrl", json!(base_url.into()))
            .field("organization", json!(organization.into()))
            .field("project", json!(project.into()))
            .field("pipelineId", pipeline.into())
            .field("personalAccessToken", json!(token.into()))
            .field("async", json!(false))
    }

    /// A field as it is, for what no other method says.
    #[must_use]
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// `async`: the pipeline finishes the run.
    #[must_use]
    pub fn asynchronous(self) -> Self {
        self.field("async", json!(true))
    }

    /// `refName`: the full name of a branch or tag.
    #[must_use]
    pub fn reference(self, name: impl Into<String>) -> Self {
        self.field("refName", json!(name.into()))
    }

    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.fields)
    }
}

// The token is a secret.
impl fmt::Debug for AzureDevops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureDevops")
            .field("azureDevOpsBaseUrl", &self.fields.get("azureDevOpsBaseUrl"))
            .field("pipelineId", &self.fields.get("pipelineId"))
            .finish_non_exhaustive()
    }
}
