//! The third stage: backend, providers and modules, workspace.

use crate::bindings::blockhouse::block::terraform::{self, InitOptions, OperationError};
use crate::bindings::{Failure, Run};
use crate::diagnostics::has_no_workspaces;
use crate::failure::failed;
use crate::input::{Prepared, write};
use crate::inputs::Part;
use crate::source::{Sources, Tool};
use crate::timeline::Timeline;
use crate::workspace_name::{Workspace, choose};

/// Returns the workspace, if the backend has any.
pub(crate) fn initialize(
    run: &Run,
    sources: &Sources,
    prepared: &Prepared,
    timeline: &Timeline,
) -> Result<Option<String>, Failure> {
    let tool = &sources.tool;
    if let Some(address) = &prepared.state_address {
        timeline.log("meshStack keeps the state")?;
        write(&prepared.findings.backend_file, vec![Part::Text(backend(address))])?;
    }
    // Who commits a lock file wants those versions and no others.
    let upgrade = !prepared.findings.is_locked;
    let options = InitOptions { meshstack_state: prepared.state_address.is_some(), upgrade };
    terraform::init(options).map_err(|error| failed(&tool.verb("init"), &error))?;
    if prepared.state_address.is_some() {
        return Ok(None);
    }
    select(run, tool, timeline)
}

fn select(run: &Run, tool: &Tool, timeline: &Timeline) -> Result<Option<String>, Failure> {
    let without = || {
        timeline.log("the backend has no workspaces; using the state that it has")?;
        Ok(None)
    };
    let existing = match terraform::workspaces() {
        Err(OperationError::Failed(failure)) if has_no_workspaces(&failure.diagnostics) => {
            return without();
        }
        existing => existing.map_err(|error| failed(&tool.verb("workspace list"), &error))?,
    };
    let block = &run.block;
    let chosen = choose(
        &existing,
        &block.tenant,
        block.project.as_deref(),
        block.platform.as_deref(),
        &block.uuid,
    );
    let chosen = chosen.map_err(|error| Failure {
        message: format!(
            "The building block can't have a workspace: {error}. Please tell the platform team."
        ),
        detail: None,
    })?;
    match chosen {
        Workspace::Existing(name) => {
            timeline.log(&format!("using the workspace `{name}`"))?;
            let selected = terraform::select_workspace(name);
            selected.map_err(|error| failed(&tool.verb("workspace select"), &error))?;
            Ok(Some(name.to_owned()))
        }
        Workspace::New(name) => {
            timeline.log(&format!("creating the workspace `{name}`"))?;
            match terraform::create_workspace(&name) {
                // Some list the one that they have.
                Err(OperationError::Failed(failure)) if has_no_workspaces(&failure.diagnostics) => {
                    without()
                }
                created => {
                    created.map_err(|error| failed(&tool.verb("workspace new"), &error))?;
                    Ok(Some(name))
                }
            }
        }
    }
}

/// No credentials: the host gives them to the process.
fn backend(address: &str) -> String {
    format!(
        "# Written by the runner: meshStack keeps the state.\nterraform {{\n  backend \"http\" {{\n    address = {}\n  }}\n}}\n",
        hcl_string(address)
    )
}

fn hcl_string(text: &str) -> String {
    let escaped =
        text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
    format!("\"{}\"", escaped.replace("${", "$${").replace("%{", "%%{"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::scan;

    #[test]
    fn the_address_stays_inside_its_string() {
        for address in
            ["https://x/api/terraform/state", "a\"\n}\nbackend \"s3\" {", "${var.x} %{if} \\"]
        {
            let text = backend(address);
            assert!(
                scan([("b.tf", text.as_bytes())]).is_ok_and(|found| found.has_backend),
                "{text}"
            );
            let body = hcl_edit::parser::parse_body(&text).unwrap();
            let backend = &body.blocks().next().unwrap().body.blocks().next().unwrap().body;
            assert_eq!(backend.get_attribute("address").unwrap().value.as_str(), Some(address));
        }
    }
}
