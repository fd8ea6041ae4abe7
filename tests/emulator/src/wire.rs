//! The bodies that clients send, parsed strictly: an unknown field is a client's typing mistake.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// A status that a client reports for a run or a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Not begun. Legal for steps only.
    Pending,
    /// Begun.
    InProgress,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
}

impl Status {
    pub(crate) fn is_terminal(self) -> bool {
        matches!(self, Self::Failed | Self::Succeeded)
    }

    /// A step goes forward or stays; nothing leaves a terminal status.
    pub(crate) fn may_become(self, next: Self) -> bool {
        self == next
            || match self {
                Self::Pending => true,
                Self::InProgress => next.is_terminal(),
                Self::Failed | Self::Succeeded => false,
            }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "FAILED",
            Self::InProgress => "IN_PROGRESS",
            Self::Pending => "PENDING",
            Self::Succeeded => "SUCCEEDED",
        })
    }
}

/// A reported output.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Output {
    /// The value; its JSON type fits `kind`.
    pub value: Value,
    /// The wire's `type`.
    #[serde(rename = "type")]
    pub kind: OutputType,
    /// Whether users see it masked.
    #[serde(default)]
    pub is_sensitive: bool,
}

/// The types that an output can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the wire's own names")]
pub enum OutputType {
    Boolean,
    Code,
    Integer,
    String,
}

impl Output {
    /// `CODE` is any JSON but null: text from Terraform, structures from `MULTI_SELECT` inputs.
    pub(crate) fn value_fits(&self) -> bool {
        match self.kind {
            OutputType::Boolean => self.value.is_boolean(),
            OutputType::Code => !self.value.is_null(),
            OutputType::Integer => self.value.is_i64() || self.value.is_u64(),
            OutputType::String => self.value.is_string(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Login {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    pub(crate) source: Source,
    pub(crate) steps: Vec<DeclaredStep>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) id: String,
    pub(crate) external_id: Option<String>,
    pub(crate) external_url: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeclaredStep {
    pub(crate) id: String,
    pub(crate) display_name: String,
    pub(crate) status: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Update {
    pub(crate) status: Option<Status>,
    pub(crate) summary: Option<String>,
    #[serde(default)]
    pub(crate) steps: Option<Vec<ReportedStep>>,
    pub(crate) artifact: Option<String>,
    pub(crate) changes_detected: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReportedStep {
    pub(crate) id: String,
    pub(crate) display_name: Option<String>,
    pub(crate) status: Option<Status>,
    pub(crate) user_message: Option<String>,
    pub(crate) system_message: Option<String>,
    pub(crate) outputs: Option<BTreeMap<String, Output>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RunnerRegistration {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) metadata: RunnerMetadata,
    pub(crate) spec: RunnerSpec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "fields that only have to be present")]
pub(crate) struct RunnerMetadata {
    pub(crate) uuid: Uuid,
    pub(crate) owned_by_workspace: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "fields that only have to be present")]
pub(crate) struct RunnerSpec {
    pub(crate) display_name: String,
    pub(crate) public_key: String,
    pub(crate) implementation_type: RunnerType,
    pub(crate) workload_identity_federation: Option<WorkloadIdentity>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum RunnerType {
    All,
    AzureDevopsPipeline,
    GithubWorkflow,
    GitlabPipeline,
    Manual,
    Terraform,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "fields that only have to be present")]
pub(crate) struct WorkloadIdentity {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) gcp: Option<TokenFile>,
    pub(crate) aws: Option<TokenFile>,
    pub(crate) azure: Option<TokenFile>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "fields that only have to be present")]
pub(crate) struct TokenFile {
    pub(crate) audience: String,
    pub(crate) token_path: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn output(kind: &str, value: Value) -> Output {
        serde_json::from_value(json!({"type": kind, "value": value})).unwrap()
    }

    #[test]
    fn output_values_must_fit_their_type() {
        assert!(output("INTEGER", json!(3)).value_fits());
        assert!(!output("INTEGER", json!(3.5)).value_fits());
        assert!(!output("INTEGER", json!("3")).value_fits());
        assert!(output("BOOLEAN", json!(false)).value_fits());
        assert!(!output("BOOLEAN", json!("false")).value_fits());
        assert!(!output("STRING", json!(1)).value_fits());
        assert!(output("CODE", json!(["a"])).value_fits());
        assert!(!output("CODE", json!(null)).value_fits());
    }

    #[test]
    fn unknown_statuses_and_output_types_do_not_parse() {
        assert!(serde_json::from_value::<Update>(json!({"status": "DONE"})).is_err());
        assert!(serde_json::from_value::<Output>(json!({"type": "FILE", "value": "x"})).is_err());
        assert!(serde_json::from_value::<Update>(json!({"runStatus": "FAILED"})).is_err());
    }

    #[test]
    fn a_step_never_leaves_a_terminal_status_nor_goes_back() {
        use Status::{Failed, InProgress, Pending, Succeeded};
        for (from, to) in [(Succeeded, InProgress), (Succeeded, Failed), (Failed, Succeeded)] {
            assert!(!from.may_become(to), "{from} -> {to}");
        }
        assert!(!InProgress.may_become(Pending));
        assert!(Pending.may_become(Failed) && Pending.may_become(Succeeded));
        assert!(Succeeded.may_become(Succeeded));
    }
}
