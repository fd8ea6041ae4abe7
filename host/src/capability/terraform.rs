//! `blockhouse:block/terraform`: the verbs, handed to [`Workspace`] with secrets put in.

mod answers;
mod parts;

pub(super) use answers::failed;

use super::types::{Entry, Origin, SecretHandle};
use crate::sandbox::bindings::blockhouse::block::terraform::{
    Host, InitOptions, OperationError, OutputShape, Part, Tool, ToolOutput, ToolValue,
};
use crate::sandbox::{HostError, RunState};
use crate::terraform::{self, OutputValue, Workspace};
use blockhouse_policy::Denied;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;

/// What a verb is answered. The outer error ends the run.
pub(super) type Answer<T> = wasmtime::Result<Result<T, OperationError>>;

/// What a run drives native programs with.
#[derive(Debug)]
pub struct Native {
    /// The run's workspace.
    pub workspace: Workspace,
}

impl Host for RunState {
    async fn state_address(&mut self) -> Answer<String> {
        self.native(async |workspace| workspace.state_address()).await
    }

    async fn install(&mut self, version: String) -> Answer<Tool> {
        let program = self.native(async |workspace| workspace.install(&version).await).await?;
        Ok(program.map(|program| Tool {
            name: program.tool.name().to_owned(),
            version: program.version.clone(),
        }))
    }

    async fn keep(&mut self, text: String) -> Answer<String> {
        let kept = self.native(async |workspace| workspace.keep(&text).await).await?;
        self.charge(kept.as_ref().map_or(0, String::len));
        Ok(kept)
    }

    async fn write_file(&mut self, name: String, content: Vec<Part>) -> Answer<()> {
        let content = match self.join_parts(content)? {
            Ok(content) => content,
            Err(error) => return Ok(Err(error)),
        };
        self.native(async |workspace| workspace.write_file(&name, content).await).await
    }

    async fn set_environment(&mut self, name: String, value: Vec<Part>) -> Answer<()> {
        let value = match self.join_parts(value)? {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        };
        let Ok(value) = std::str::from_utf8(&value) else {
            let message = format!("the value of the variable `{name}` is no text");
            return Ok(Err(OperationError::Invalid(message)));
        };
        let value = SecretString::from(value);
        self.native(async |workspace| workspace.set_environment(&name, value)).await
    }

    async fn init(&mut self, options: InitOptions) -> Answer<()> {
        let InitOptions { meshstack_state, upgrade } = options;
        self.native(async |workspace| workspace.init(meshstack_state, upgrade).await).await
    }

    async fn workspaces(&mut self) -> Answer<Vec<String>> {
        self.native(Workspace::workspaces).await
    }

    async fn select_workspace(&mut self, name: String) -> Answer<()> {
        self.native(async |workspace| workspace.select_workspace(&name).await).await
    }

    async fn create_workspace(&mut self, name: String) -> Answer<()> {
        self.native(async |workspace| workspace.create_workspace(&name).await).await
    }

    async fn delete_workspace(&mut self, name: String) -> Answer<()> {
        self.native(async |workspace| workspace.delete_workspace(&name).await).await
    }

    async fn run_script(&mut self, text: String) -> Answer<Option<String>> {
        self.native(async |workspace| workspace.run_script(&text).await).await
    }

    async fn plan(&mut self) -> Answer<bool> {
        self.native(Workspace::plan).await
    }

    async fn apply(&mut self) -> Answer<()> {
        self.native(Workspace::apply).await
    }

    async fn apply_plan(&mut self) -> Answer<()> {
        self.native(Workspace::apply_plan).await
    }

    async fn destroy(&mut self) -> Answer<()> {
        self.native(Workspace::destroy).await
    }

    async fn outputs(&mut self) -> Answer<Vec<ToolOutput>> {
        let outputs = match self.native(Workspace::outputs).await? {
            Ok(outputs) => outputs,
            Err(error) => return Ok(Err(error)),
        };
        let outputs = outputs.into_iter().map(|output| self.output(output));
        outputs.collect::<wasmtime::Result<_>>().map(Ok)
    }
}

impl RunState {
    /// Carries a verb out. Without a workspace there is nothing that policy would have granted.
    pub(super) async fn native<T>(
        &mut self,
        verb: impl AsyncFnOnce(&mut Workspace) -> Result<T, terraform::OperationError>,
    ) -> Answer<T> {
        let Some(native) = &mut self.native else {
            let denied = no_workspace(&self.grants);
            self.auditor.denied("terraform", "the run", &denied);
            return Ok(Err(OperationError::Denied(denied.rule)));
        };
        // What it is called with may come from the tape; its own records are beside it.
        self.tape.flush(true).await.map_err(HostError::from)?;
        let result = self.tape.wait(verb(&mut native.workspace)).await;
        Ok(result.map_err(|error| failed(error, &self.auditor, &self.progress.door())))
    }

    fn output(&mut self, output: terraform::ToolOutput) -> wasmtime::Result<ToolOutput> {
        let terraform::ToolOutput { name, shape, value } = output;
        let value = match value {
            OutputValue::Json(json) => {
                self.charge(json.len());
                ToolValue::Json(json)
            }
            OutputValue::Secret(text) => {
                self.charge(text.expose_secret().len());
                // What meshStack has no type for is the text of its JSON there.
                let is_json = matches!(
                    shape,
                    terraform::OutputShape::Boolean | terraform::OutputShape::WholeNumber
                );
                let entry = Entry { key: name.clone(), is_json, is_code: false };
                let handle = SecretHandle { origin: Origin::Run(entry), text };
                ToolValue::Secret(self.table.push(handle)?)
            }
        };
        self.charge(name.len());
        let shape = match shape {
            terraform::OutputShape::Boolean => OutputShape::Boolean,
            terraform::OutputShape::Number => OutputShape::Number,
            terraform::OutputShape::Structure => OutputShape::Structure,
            terraform::OutputShape::Text => OutputShape::Text,
            terraform::OutputShape::WholeNumber => OutputShape::WholeNumber,
        };
        Ok(ToolOutput { name, shape, value })
    }
}

/// Why the run has no workspace. Policy said no; or the program was started in a way in which there is none.
pub(super) fn no_workspace(grants: &blockhouse_policy::Grants) -> Denied {
    let denied = grants.terraform().err().or_else(|| grants.allows_files().err());
    denied.unwrap_or_else(|| {
        let policy = grants.policy();
        Denied {
            rule: "this process runs no native programs".to_owned(),
            policy: Arc::clone(policy.name()),
            file: Arc::clone(policy.file()),
            at: None,
        }
    })
}
