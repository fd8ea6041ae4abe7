//! Describes a run to enqueue. Main type: [`RunSpec`].

mod azure_devops;
mod github_workflow;
mod gitlab_cicd;
mod terraform;

pub use azure_devops::AzureDevops;
pub use github_workflow::GithubWorkflow;
pub use gitlab_cicd::GitlabCicd;
pub use terraform::{Terraform, data_url};

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::run::Plan;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the wire's own names")]
pub enum Behavior {
    Apply,
    Destroy,
    Detect,
}

impl Behavior {
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Apply => "APPLY",
            Self::Destroy => "DESTROY",
            Self::Detect => "DETECT",
        }
    }
}

/// The type of an input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the wire's own names")]
pub enum InputType {
    Boolean,
    Code,
    File,
    Integer,
    List,
    MultiSelect,
    SingleSelect,
    String,
    /// A type that does not exist (yet).
    Other(String),
}

impl InputType {
    pub(crate) fn wire(&self) -> &str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::Code => "CODE",
            Self::File => "FILE",
            Self::Integer => "INTEGER",
            Self::List => "LIST",
            Self::MultiSelect => "MULTI_SELECT",
            Self::Other(name) => name,
            Self::SingleSelect => "SINGLE_SELECT",
            Self::String => "STRING",
        }
    }

    /// Other types are sent in plain text even when marked sensitive.
    pub(crate) fn is_sealed_when_sensitive(&self) -> bool {
        matches!(self, Self::Code | Self::File | Self::String)
    }
}

// No `Debug`: the value may be a secret.
#[derive(Clone)]
pub(crate) enum Input {
    Built { key: String, kind: InputType, value: Value, sensitive: bool, environment: bool },
    Verbatim(Value),
}

type Edit = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// A run to enqueue: a correct `MANUAL` run of `tenant-a` unless told otherwise. Secrets are given in plain text
/// and sealed on the way in.
#[derive(Clone)]
pub struct RunSpec {
    pub(crate) id: Option<Uuid>,
    pub(crate) number: Option<u64>,
    pub(crate) behavior: Behavior,
    pub(crate) with_token: bool,
    pub(crate) token: Option<String>,
    pub(crate) trigger: Option<Value>,
    pub(crate) block: Option<Uuid>,
    pub(crate) display_name: String,
    pub(crate) workspace: String,
    pub(crate) project: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) parents: Vec<(Uuid, Uuid)>,
    pub(crate) definition: Option<Uuid>,
    pub(crate) owner: String,
    pub(crate) version: u64,
    pub(crate) implementation: Value,
    pub(crate) seal_implementation: bool,
    pub(crate) plan: Option<Plan>,
    pub(crate) edits: Vec<Edit>,
    pub(crate) raw: Option<Value>,
}

impl RunSpec {
    /// A `MANUAL` run.
    #[must_use]
    pub fn manual() -> Self {
        Self {
            id: None,
            number: None,
            behavior: Behavior::Apply,
            with_token: true,
            token: None,
            trigger: Some(json!({
                "reason": "MANUAL_EXECUTION",
                "author": {"identifier": "ada", "type": "User", "displayName": "Ada", "username": "ada",
                           "email": "ada@example.com", "euid": "ada@example.com"},
            })),
            block: None,
            display_name: "block".into(),
            workspace: "tenant-a".into(),
            project: Some("my-project".into()),
            platform: Some("my-platform.my-location".into()),
            inputs: Vec::new(),
            parents: Vec::new(),
            definition: None,
            owner: "platform-team".into(),
            version: 1,
            implementation: json!({"type": "MANUAL"}),
            seal_implementation: true,
            plan: None,
            edits: Vec::new(),
            raw: None,
        }
    }

    /// An `AZURE_DEVOPS` run.
    #[must_use]
    pub fn azure_devops(implementation: AzureDevops) -> Self {
        Self::manual().implementation(implementation.into_value())
    }

    /// A `GITHUB_WORKFLOW` run.
    #[must_use]
    pub fn github_workflow(implementation: GithubWorkflow) -> Self {
        Self::manual().implementation(implementation.into_value())
    }

    /// A `GITLAB_CICD` run.
    #[must_use]
    pub fn gitlab_cicd(implementation: GitlabCicd) -> Self {
        Self::manual().implementation(implementation.into_value())
    }

    /// A `TERRAFORM` run of a block of its own, whose uuid is fixed, so that clones of this are runs of the same block.
    #[must_use]
    pub fn terraform(implementation: Terraform) -> Self {
        Self::manual().implementation(implementation.into_value()).block(Uuid::new_v4())
    }

    /// A run whose document is exactly this. Its id is `/metadata/uuid` (a fresh one when that is no uuid), its
    /// run token `/spec/runToken`, its behaviour `/spec/behavior`. For a document that is *nearly* correct,
    /// [`Self::edit`] is shorter.
    #[must_use]
    pub fn raw(document: Value) -> Self {
        let text = |pointer| document.pointer(pointer).and_then(Value::as_str);
        let mut spec = Self::manual();
        spec.id = text("/metadata/uuid").and_then(|id| Uuid::try_parse(id).ok());
        spec.token = text("/spec/runToken").map(str::to_owned);
        spec.with_token = spec.token.is_some();
        spec.behavior = match text("/spec/behavior") {
            Some("DESTROY") => Behavior::Destroy,
            Some("DETECT") => Behavior::Detect,
            _ => Behavior::Apply,
        };
        spec.block = text("/spec/buildingBlock/uuid").and_then(|block| Uuid::try_parse(block).ok());
        if let Some(workspace) = text("/spec/buildingBlock/spec/workspaceIdentifier") {
            spec.workspace = workspace.to_owned();
        }
        spec.raw = Some(document);
        spec
    }

    /// The run's own uuid; random by default.
    #[must_use]
    pub fn id(mut self, run: Uuid) -> Self {
        self.id = Some(run);
        self
    }

    /// `runNumber`; counts up by default.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.number = Some(number);
        self
    }

    /// What the run does; `APPLY` by default.
    #[must_use]
    pub fn behavior(mut self, behavior: Behavior) -> Self {
        self.behavior = behavior;
        self
    }

    /// A run token of the test's choice instead of an unguessable one.
    #[must_use]
    pub fn run_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self.with_token = true;
        self
    }

    /// Leaves the run token out: the runner's own credentials are then right for this run's calls.
    #[must_use]
    pub fn without_run_token(mut self) -> Self {
        self.with_token = false;
        self
    }

    /// The `trigger` object, or none.
    #[must_use]
    pub fn trigger(mut self, trigger: Option<Value>) -> Self {
        self.trigger = trigger;
        self
    }

    /// The building block; random by default. Runs of one block share a Terraform state.
    #[must_use]
    pub fn block(mut self, block: Uuid) -> Self {
        self.block = Some(block);
        self
    }

    /// The block's display name.
    #[must_use]
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = name.into();
        self
    }

    /// The tenant: the workspace that ordered the block.
    #[must_use]
    pub fn workspace(mut self, workspace: impl Into<String>) -> Self {
        self.workspace = workspace.into();
        self
    }

    /// `projectIdentifier`, or none.
    #[must_use]
    pub fn project(mut self, project: Option<&str>) -> Self {
        self.project = project.map(str::to_owned);
        self
    }

    /// `fullPlatformIdentifier`, or none.
    #[must_use]
    pub fn platform(mut self, platform: Option<&str>) -> Self {
        self.platform = platform.map(str::to_owned);
        self
    }

    /// Adds an input.
    #[must_use]
    pub fn input(self, key: impl Into<String>, kind: InputType, value: Value) -> Self {
        self.push_input(key.into(), kind, value, false, false)
    }

    /// Adds an input that goes into the process environment.
    #[must_use]
    pub fn environment_input(self, key: impl Into<String>, kind: InputType, value: Value) -> Self {
        self.push_input(key.into(), kind, value, false, true)
    }

    /// Adds a sensitive input; `STRING`, `CODE` and `FILE` are sealed to the runner's certificate.
    #[must_use]
    pub fn sensitive_input(
        self,
        key: impl Into<String>,
        kind: InputType,
        plaintext: impl Into<Value>,
    ) -> Self {
        self.push_input(key.into(), kind, plaintext.into(), true, false)
    }

    /// Adds a sensitive input that goes into the process environment.
    #[must_use]
    pub fn sensitive_environment_input(
        self,
        key: impl Into<String>,
        kind: InputType,
        plaintext: impl Into<Value>,
    ) -> Self {
        self.push_input(key.into(), kind, plaintext.into(), true, true)
    }

    /// Adds a `FILE` input with this content.
    #[must_use]
    pub fn file_input(self, key: impl Into<String>, content: &[u8]) -> Self {
        self.input(key, InputType::File, json!(data_url("application/octet-stream", content)))
    }

    /// Adds a sensitive `FILE` input with this content.
    #[must_use]
    pub fn sensitive_file_input(self, key: impl Into<String>, content: &[u8]) -> Self {
        let url = data_url("application/octet-stream", content);
        self.sensitive_input(key, InputType::File, url)
    }

    /// Adds an input object as it is: a value sealed for another key, a missing field.
    #[must_use]
    pub fn verbatim_input(mut self, input: Value) -> Self {
        self.inputs.push(Input::Verbatim(input));
        self
    }

    fn push_input(
        mut self,
        key: String,
        kind: InputType,
        value: Value,
        sensitive: bool,
        environment: bool,
    ) -> Self {
        self.inputs.push(Input::Built { key, kind, value, sensitive, environment });
        self
    }

    /// Adds a parent block: its uuid and its definition's.
    #[must_use]
    pub fn parent(mut self, block: Uuid, definition: Uuid) -> Self {
        self.parents.push((block, definition));
        self
    }

    /// The definition's uuid; random by default.
    #[must_use]
    pub fn definition(mut self, definition: Uuid) -> Self {
        self.definition = Some(definition);
        self
    }

    /// The owner: the workspace of the definition.
    #[must_use]
    pub fn owner(mut self, workspace: impl Into<String>) -> Self {
        self.owner = workspace.into();
        self
    }

    /// The definition's version.
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// The implementation with its `type`. Fields that are secret for that type are given in plain text.
    #[must_use]
    pub fn implementation(mut self, implementation: Value) -> Self {
        self.implementation = implementation;
        self.seal_implementation = true;
        self
    }

    /// The implementation exactly as it is, secret fields too.
    #[must_use]
    pub fn verbatim_implementation(mut self, implementation: Value) -> Self {
        self.implementation = implementation;
        self.seal_implementation = false;
        self
    }

    /// The run gets a `planArtifact` link to this plan.
    #[must_use]
    pub fn plan(mut self, plan: impl Into<Vec<u8>>) -> Self {
        self.plan = Some(Plan::Bytes(plan.into().into()));
        self
    }

    /// The run gets a `planArtifact` link to what that `DETECT` run reported (404 while there is none).
    #[must_use]
    pub fn plan_of(mut self, run: Uuid) -> Self {
        self.plan = Some(Plan::OfRun(run));
        self
    }

    /// This run as an `APPLY` of exactly the plan that the `DETECT` run of the same block reported.
    #[must_use]
    pub fn applying_plan_of(self, detect: Uuid) -> Self {
        let mut spec = self.behavior(Behavior::Apply).plan_of(detect);
        spec.id = None;
        spec
    }

    /// Sets a link's address, or leaves the link out.
    #[must_use]
    pub fn link(self, name: impl Into<String>, href: Option<&str>) -> Self {
        let (name, href) = (name.into(), href.map(str::to_owned));
        self.edit(move |document| {
            let Some(links) = document.get_mut("_links").and_then(Value::as_object_mut) else {
                return;
            };
            match (&href, links.get_mut(&name).and_then(Value::as_object_mut)) {
                (Some(href), Some(link)) => {
                    link.insert("href".into(), json!(href));
                }
                (Some(href), None) => {
                    links.insert(name.clone(), json!({"href": href}));
                }
                (None, _) => {
                    links.remove(&name);
                }
            }
        })
    }

    /// Changes the finished document before it is stored; what the server itself believes stays.
    #[must_use]
    pub fn edit(mut self, edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        self.edits.push(Arc::new(edit));
        self
    }
}

// Inputs and implementations hold plaintext secrets.
impl fmt::Debug for RunSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunSpec")
            .field("id", &self.id)
            .field("behavior", &self.behavior)
            .field("workspace", &self.workspace)
            .field("implementation", &self.implementation.get("type"))
            .finish_non_exhaustive()
    }
}
