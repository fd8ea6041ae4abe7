//! Repositories and their workflows. Main types: [`Repository`], [`Workflow`].

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Remote, RunPlan};

/// A repository in which the App is installed.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) branches: Vec<String>,
    pub(super) workflows: Vec<Workflow>,
}

impl Repository {
    /// One without branches and workflows.
    #[must_use]
    pub fn new(owner: impl Into<String>, name: impl Into<String>) -> Self {
        let (owner, name) = (owner.into(), name.into());
        Self { owner, name, branches: Vec::new(), workflows: Vec::new() }
    }

    /// Has this branch.
    #[must_use]
    pub fn branch(mut self, name: impl Into<String>) -> Self {
        self.branches.push(name.into());
        self
    }

    /// Has this workflow, on every branch.
    #[must_use]
    pub fn workflow(mut self, workflow: Workflow) -> Self {
        self.workflows.push(workflow);
        self
    }

    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// Branches are named with or without what Git puts before them.
    pub(super) fn has_branch(&self, reference: &str) -> bool {
        let name = reference.strip_prefix("refs/heads/").unwrap_or(reference);
        self.branches.iter().any(|branch| branch == name)
    }

    /// By file name or number.
    pub(super) fn find_workflow(&self, wanted: &str) -> Option<(u64, &Workflow)> {
        let mut numbered = (1..).map(|index| 9_000 + index).zip(&self.workflows);
        numbered.find(|(id, workflow)| workflow.file == wanted || id.to_string() == wanted)
    }
}

/// A workflow and what its file declares.
#[derive(Debug, Clone)]
pub struct Workflow {
    pub(super) file: String,
    /// Each input, and whether it is required.
    pub(super) inputs: BTreeMap<String, bool>,
    pub(super) run_name: Option<String>,
    pub(super) is_dispatched: bool,
    pub(super) is_enabled: bool,
    pub(super) plan: RunPlan,
}

impl Workflow {
    /// The workflow in this file (`apply.yml`).
    #[must_use]
    pub fn new(file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            inputs: BTreeMap::new(),
            run_name: None,
            is_dispatched: true,
            is_enabled: true,
            plan: RunPlan::default(),
        }
    }

    /// Declares this input.
    #[must_use]
    pub fn input(mut self, name: impl Into<String>) -> Self {
        self.inputs.insert(name.into(), false);
        self
    }

    /// Declares this input as required, without a default.
    #[must_use]
    pub fn required_input(mut self, name: impl Into<String>) -> Self {
        self.inputs.insert(name.into(), true);
        self
    }

    /// `run-name`, in which `${{ inputs.x }}` stands for an input: the title of its runs.
    #[must_use]
    pub fn run_name(mut self, template: impl Into<String>) -> Self {
        self.run_name = Some(template.into());
        self
    }

    /// Has no `workflow_dispatch` trigger.
    #[must_use]
    pub fn without_dispatch(mut self) -> Self {
        self.is_dispatched = false;
        self
    }

    /// Somebody disabled it.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.is_enabled = false;
        self
    }

    /// What becomes of its runs.
    #[must_use]
    pub fn plan(mut self, plan: RunPlan) -> Self {
        self.plan = plan;
        self
    }

    pub(super) fn title(&self, inputs: &Map<String, Value>) -> String {
        let Some(template) = &self.run_name else { return self.file.clone() };
        let mut title = template.clone();
        for (name, value) in inputs {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            title = title.replace(&format!("${{{{ inputs.{name} }}}}"), &text);
        }
        title
    }
}

impl Remote {
    /// Names are not sensitive to case.
    pub(super) fn repository(&self, owner: &str, name: &str) -> Option<Repository> {
        let is_wanted = |repository: &&Repository| {
            repository.owner.eq_ignore_ascii_case(owner)
                && repository.name.eq_ignore_ascii_case(name)
        };
        self.repositories.iter().find(is_wanted).cloned()
    }
}
