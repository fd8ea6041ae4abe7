//! The bodies that we send to and get from meshStack, field by field as on the wire.
//!
//! The claimed run is not here: it must survive unknown and broken parts, see [`super::Claim`].

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::run::Json;

/// A report about a run: its status and the latest state of its steps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// Where the run as a whole is; a final one ends it.
    pub status: RunStatus,
    /// One line about the run, if there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The steps to change; those that are left out stay as they are.
    pub steps: Vec<Step>,
    /// The plan of a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// Whether a dry run found anything to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_detected: Option<bool>,
}

impl Update {
    /// The status and nothing else.
    #[must_use]
    pub fn bare(status: RunStatus) -> Self {
        let (summary, steps, artifact, changes_detected) = (None, Vec::new(), None, None);
        Self { status, summary, steps, artifact, changes_detected }
    }

    /// Whether an output in it must not be shown, not even where an answer quotes it.
    pub(super) fn holds_secrets(&self) -> bool {
        self.steps.iter().flat_map(|step| step.outputs.values()).any(|output| output.sensitive)
    }
}

/// Where a run is. `PENDING` is left out on purpose: meshStack answers 500 to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunStatus {
    /// Ended badly.
    Failed,
    /// Going on, here or (asynchronous types) elsewhere.
    InProgress,
    /// Ended well.
    Succeeded,
}

/// The latest state of one step.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Identifies the step within the run.
    pub id: String,
    /// What the user sees as its name; `None` keeps the declared one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Where the step is.
    pub status: StepStatus,
    /// What the application team reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_message: Option<String>,
    /// What the platform operator reads: the step's *whole* log so far, since it replaces the previous one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_message: Option<String>,
    /// What the step produced, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Output>,
}

/// Where a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepStatus {
    /// Ended badly.
    Failed,
    /// Going on.
    InProgress,
    /// Not begun.
    Pending,
    /// Ended well.
    Succeeded,
}

/// Something that a step produced. `Debug` doesn't show its value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Output {
    /// The value; what it may be depends on `kind`.
    pub value: Json,
    /// How the value is to be read.
    #[serde(rename = "type")]
    pub kind: OutputKind,
    /// Whether the user must not see it in clear.
    #[serde(rename = "isSensitive")]
    pub sensitive: bool,
}

/// The types that an output can have; fewer than those of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum OutputKind {
    /// `true` or `false`.
    Boolean,
    /// Structured text.
    Code,
    /// A whole number.
    Integer,
    /// Text.
    String,
}

/// A binary Terraform plan; base64 on the wire. `Debug` shows its size only: plans hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Artifact(pub Bytes);

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Artifact({} bytes)", self.0.len())
    }
}

impl Serialize for Artifact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(&self.0, &STANDARD))
    }
}

/// For the journal, which keeps a report as it will be sent.
impl<'de> Deserialize<'de> for Artifact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes.into()))
    }
}

/// What meshStack says to an [`Update`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpdateAnswer {
    /// The user aborted the run: stop the work.
    pub run_aborted: bool,
}

impl UpdateAnswer {
    /// Reads an answer; nothing at all (204) and an absent field mean "not aborted".
    pub(super) fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            run_aborted: Option<bool>,
        }
        if body.is_empty() {
            return Ok(Self::default());
        }
        let Body { run_aborted } = serde_json::from_slice(body)?;
        Ok(Self { run_aborted: run_aborted.unwrap_or(false) })
    }
}

/// Announces a step, so that the user's timeline is stable from the start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepDeclaration {
    /// Identifies the step within the run.
    pub id: String,
    /// What the user sees as its name.
    pub display_name: String,
}

/// Registers the runner as a source of a run's statuses.
#[derive(Debug, Serialize)]
pub(super) struct Registration<'a> {
    pub(super) source: Source,
    pub(super) steps: &'a [StepDeclaration],
}

/// Who will report.
#[derive(Debug, Serialize)]
pub(super) struct Source {
    pub(super) id: Uuid,
}

/// Asks for a token. Not `Debug`: it holds the secret in clear.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Login<'a> {
    pub(super) client_id: &'a str,
    pub(super) client_secret: &'a str,
}

/// The token that was asked for.
#[derive(Debug, Deserialize)]
pub(super) struct LoginAnswer {
    pub(super) access_token: SecretString,
    /// In seconds.
    pub(super) expires_in: Option<u64>,
}

/// Tells meshStack about this runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerRegistration {
    /// The workspace that owns the runner.
    pub owned_by_workspace: String,
    /// The runner's name in the panel.
    pub display_name: String,
    /// The X.509 certificate, in PEM, to which secrets are to be sealed.
    pub public_key: String,
    /// Which runs it takes.
    pub implementation_type: RunnerType,
    /// How the runs' cloud identities come about, if they do.
    pub workload_identity_federation: Option<WorkloadIdentityFederation>,
}

/// The runs that a runner takes. Two names differ from those of the runs' own implementation types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunnerType {
    /// Every one.
    All,
    /// Runs of type `AZURE_DEVOPS`.
    #[serde(rename = "AZURE_DEVOPS_PIPELINE")]
    AzureDevOpsPipeline,
    /// Runs of type `GITHUB_WORKFLOW`.
    #[serde(rename = "GITHUB_WORKFLOW")]
    GitHubWorkflow,
    /// Runs of type `GITLAB_CICD`.
    #[serde(rename = "GITLAB_PIPELINE")]
    GitLabPipeline,
    /// Runs of type `MANUAL`.
    Manual,
    /// Runs of type `TERRAFORM`.
    Terraform,
}

/// How the runs' cloud identities come about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkloadIdentityFederation {
    /// Who issues the tokens.
    pub issuer: String,
    /// Whom the tokens name; may hold placeholders in angle brackets.
    pub subject: String,
    /// For Google Cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gcp: Option<TokenFile>,
    /// For AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws: Option<TokenFile>,
    /// For Azure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<TokenFile>,
}

/// Where a run finds a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenFile {
    /// For whom the token is.
    pub audience: String,
    /// The file with the token.
    pub token_path: String,
}

/// [`RunnerRegistration`] in the envelope that every meshObject has.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunnerObject<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: RunnerMetadata<'a>,
    spec: RunnerSpec<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunnerMetadata<'a> {
    uuid: Uuid,
    owned_by_workspace: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunnerSpec<'a> {
    display_name: &'a str,
    public_key: &'a str,
    implementation_type: RunnerType,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload_identity_federation: Option<&'a WorkloadIdentityFederation>,
}

impl<'a> RunnerObject<'a> {
    pub(super) fn new(uuid: Uuid, registration: &'a RunnerRegistration) -> Self {
        let RunnerRegistration {
            owned_by_workspace,
            display_name,
            public_key,
            implementation_type,
            workload_identity_federation,
        } = registration;
        Self {
            api_version: "v1-preview",
            kind: "meshBuildingBlockRunner",
            metadata: RunnerMetadata { uuid, owned_by_workspace },
            spec: RunnerSpec {
                display_name,
                public_key,
                implementation_type: *implementation_type,
                workload_identity_federation: workload_identity_federation.as_ref(),
            },
        }
    }
}
