//! Describes the implementation of a `TERRAFORM` run. Main type: [`Terraform`].

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The implementation of a `TERRAFORM` run, for [`crate::RunSpec::terraform`]: the root of a repository's default branch,
/// synchronous, its state wherever the configuration says.
#[derive(Clone)]
pub struct Terraform {
    fields: Map<String, Value>,
}

impl Terraform {
    /// Of this repository. The version is 1.5.5 unless told otherwise: the last one that means Terraform by itself.
    #[must_use]
    pub fn of(repository_url: impl Into<String>) -> Self {
        let fields = Map::new();
        Self { fields }
            .field("type", json!("TERRAFORM"))
            .field("terraformVersion", json!("1.5.5"))
            .field("repositoryUrl", json!(repository_url.into()))
            .field("async", json!(false))
            .field("useMeshHttpBackendFallback", json!(false))
    }

    /// A field as it is, for what no other method says.
    #[must_use]
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// `terraformVersion`.
    #[must_use]
    pub fn version(self, version: impl Into<String>) -> Self {
        self.field("terraformVersion", json!(version.into()))
    }

    /// `repositoryPath`.
    #[must_use]
    pub fn path(self, path: impl Into<String>) -> Self {
        self.field("repositoryPath", json!(path.into()))
    }

    /// `refName`: a branch, a tag or a commit.
    #[must_use]
    pub fn reference(self, name: impl Into<String>) -> Self {
        self.field("refName", json!(name.into()))
    }

    /// `sshPrivateKey` in plain text; it is sealed on the way in.
    #[must_use]
    pub fn ssh_private_key(self, key: impl Into<String>) -> Self {
        self.field("sshPrivateKey", json!(key.into()))
    }

    /// `knownHost`.
    #[must_use]
    pub fn known_host(self, host: &str, key_type: &str, key_value: &str) -> Self {
        let host = json!({"host": host, "keyType": key_type, "keyValue": key_value});
        self.field("knownHost", host)
    }

    /// `async`: a pipeline outside finishes the run.
    #[must_use]
    pub fn asynchronous(self) -> Self {
        self.field("async", json!(true))
    }

    /// `useMeshHttpBackendFallback`: the state is kept in meshStack unless the configuration has a backend.
    #[must_use]
    pub fn meshstack_state(self) -> Self {
        self.field("useMeshHttpBackendFallback", json!(true))
    }

    /// `preRunScript`.
    #[must_use]
    pub fn pre_run_script(self, text: impl Into<String>) -> Self {
        self.field("preRunScript", json!(text.into()))
    }

    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.fields)
    }
}

// The key is a secret.
impl fmt::Debug for Terraform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terraform")
            .field("repositoryUrl", &self.fields.get("repositoryUrl"))
            .finish_non_exhaustive()
    }
}

/// The value of a `FILE` input with this content.
#[must_use]
pub fn data_url(media_type: &str, content: &[u8]) -> String {
    format!("data:{media_type};base64,{}", STANDARD.encode(content))
}
