//! What the user sees while the run is going on: [`Timeline`].

use crate::bindings::blockhouse::block::progress::{self, Step, StepDeclaration, StepError};
use crate::bindings::{Behavior, Failure};

/// A part of the run. The ids are known to dashboards and scripts.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Stage {
    Sources,
    Input,
    Initialize,
    Script,
    Execute,
    Output,
}

/// In the order of the run.
const STAGES: &[Stage] = &[
    Stage::Sources,
    Stage::Input,
    Stage::Initialize,
    Stage::Script,
    Stage::Execute,
    Stage::Output,
];

/// The steps of the run; of an asynchronous one, a single step.
pub(crate) struct Timeline {
    behavior: Behavior,
    /// The step that is running; none before the first.
    current: Option<Step>,
    is_async: bool,
}

impl Stage {
    fn id(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Input => "input",
            Self::Initialize => "init_tf",
            Self::Script => "pre_run_script",
            Self::Execute => "execute_tf",
            Self::Output => "output",
        }
    }

    fn name(self, behavior: Behavior) -> &'static str {
        match (self, behavior) {
            (Self::Sources, _) => "Prepare Run and download Sources",
            (Self::Input, _) => "Initialize Inputs",
            (Self::Initialize, _) => "Initialize Terraform and select Workspace",
            (Self::Script, _) => "Execute Pre-Run Script",
            (Self::Execute, Behavior::Apply) => "Run Terraform Apply",
            (Self::Execute, Behavior::Destroy) => "Run Terraform Destroy",
            (Self::Execute, Behavior::Detect) => "Run Terraform Plan",
            (Self::Output, _) => "Collect Outputs and clean up",
        }
    }
}

impl Timeline {
    /// Announces all steps.
    pub(crate) fn declare(behavior: Behavior, is_async: bool) -> Self {
        let timeline = Self { behavior, current: None, is_async };
        let of_run = |stage: &&Stage| **stage != Stage::Output || behavior != Behavior::Detect;
        let stages = if is_async { STAGES.get(..1).unwrap_or_default() } else { STAGES };
        let declarations = stages.iter().filter(of_run).map(|stage| {
            let (id, name) = timeline.step(*stage);
            StepDeclaration { id: id.to_owned(), display_name: name.to_owned() }
        });
        progress::declare(&declarations.collect::<Vec<_>>());
        timeline
    }

    /// The stage before has ended well, and this one begins, unless the run is being stopped.
    pub(crate) fn enter(&mut self, stage: Stage) -> Result<(), Failure> {
        if !self.is_async || self.current.is_none() {
            self.finish()?;
            let (id, name) = self.step(stage);
            let step = Step::new(id, name);
            step.start().map_err(misused)?;
            self.current = Some(step);
        } else {
            self.log(&format!("--- {}", stage.name(self.behavior)))?;
        }
        // Between two calls of the tool nothing needs to be interrupted. Once its work is done, what it has made is told in any case.
        if stage != Stage::Output && progress::aborted() {
            let name = stage.name(self.behavior);
            return Err(Failure {
                message: format!("The run was stopped before \"{name}\" began."),
                detail: None,
            });
        }
        Ok(())
    }

    /// The step that is running has ended well.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.current.take().map_or(Ok(()), |step| step.succeed().map_err(misused))
    }

    /// For the operator.
    pub(crate) fn log(&self, text: &str) -> Result<(), Failure> {
        self.on_step(|step| step.log(text))
    }

    /// For the operator, something that may not be as meant.
    pub(crate) fn warn(&self, text: &str) -> Result<(), Failure> {
        self.log(&format!("warning: {text}"))
    }

    /// For the user.
    pub(crate) fn tell(&self, text: &str) -> Result<(), Failure> {
        self.on_step(|step| step.tell(text))
    }

    /// The step that is running has failed, with a message of its own.
    pub(crate) fn fail(&mut self, message: &str) -> Result<(), Failure> {
        self.current.take().map_or(Ok(()), |step| step.fail(message).map_err(misused))
    }

    /// Does something with the step that is running.
    pub(crate) fn on_step(
        &self,
        act: impl FnOnce(&Step) -> Result<(), StepError>,
    ) -> Result<(), Failure> {
        self.current.as_ref().map_or(Ok(()), |step| act(step).map_err(misused))
    }

    /// The step that is running, for those who look at its errors.
    pub(crate) fn current(&self) -> Option<&Step> {
        self.current.as_ref()
    }

    fn step(&self, stage: Stage) -> (&'static str, &'static str) {
        if self.is_async {
            ("trigger", "Prepare Run")
        } else {
            (stage.id(), stage.name(self.behavior))
        }
    }
}

/// Steps are started, used and ended in their order here, so this does not happen.
fn misused(error: StepError) -> Failure {
    Failure {
        message: "The run could not report its progress. Please tell the platform team.".to_owned(),
        detail: Some(format!("{error}")),
    }
}
