//! Makes a claimed run's document out of a [`RunSpec`].
//!
//! Here and there it has fields that the protocol page does not list, because clients must tolerate them.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::route::run_url;
use crate::seal::{SealError, Sealer};
use crate::spec::{Input, RunSpec};

/// What the emulator decided for a spec that left it open.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) run: Uuid,
    pub(crate) number: u64,
    pub(crate) token: Option<String>,
    pub(crate) block: Uuid,
}

/// The implementation's fields that are sealed, by its type.
fn secret_fields(implementation_type: &str) -> &'static [&'static str] {
    match implementation_type {
        "AZURE_DEVOPS" => &["personalAccessToken"],
        "GITHUB_WORKFLOW" => &["appPem"],
        "GITLAB_CICD" => &["pipelineTriggerToken"],
        "TERRAFORM" => &["sshPrivateKey"],
        _ => &[],
    }
}

pub(crate) fn document(
    spec: &RunSpec,
    identity: &Identity,
    base: &str,
    sealer: Option<&Sealer>,
) -> Result<Value, SealError> {
    let mut document = match &spec.raw {
        Some(raw) => raw.clone(),
        None => built(spec, identity, base, sealer)?,
    };
    for edit in &spec.edits {
        edit(&mut document);
    }
    Ok(document)
}

fn built(
    spec: &RunSpec,
    identity: &Identity,
    base: &str,
    sealer: Option<&Sealer>,
) -> Result<Value, SealError> {
    let self_url = run_url(base, identity.run);
    let inputs: Vec<Value> =
        spec.inputs.iter().map(|input| built_input(input, sealer)).collect::<Result<_, _>>()?;
    let parents: Vec<Value> = spec
        .parents
        .iter()
        .map(
            |(block, definition)| json!({"buildingBlockUuid": block, "definitionUuid": definition}),
        )
        .collect();
    let mut document = json!({
        "kind": "meshBuildingBlockRun",
        "apiVersion": "v1",
        "metadata": {"uuid": identity.run, "createdOn": "2026-07-01T08:00:00Z"},
        "spec": {
            "runNumber": identity.number,
            "behavior": spec.behavior.wire(),
            "unheardOf": {"nested": [1, null, "two"]},
            "buildingBlock": {
                "uuid": identity.block,
                "spec": {
                    "displayName": spec.display_name,
                    "workspaceIdentifier": spec.workspace,
                    "inputs": inputs,
                    "parentBuildingBlocks": parents,
                    "unheardOf": null,
                },
            },
            "buildingBlockDefinition": {
                "uuid": spec.definition.unwrap_or_else(Uuid::new_v4),
                "spec": {
                    "workspaceIdentifier": spec.owner,
                    "version": spec.version,
                    "unheardOf": true,
                    "implementation": implementation(spec, sealer)?,
                },
            },
        },
        "status": "IN_PROGRESS",
        "_links": {
            "self": {"href": self_url},
            "registerSource": {"href": format!("{self_url}/status/source")},
            "updateSource": {"href": format!("{self_url}/status/source/{{sourceId}}"), "templated": true},
            "meshstackBaseUrl": {"href": base},
            "unheardOf": {"href": format!("{base}/unheard-of"), "title": "a link of a newer server"},
        },
    });
    let mut put = |pointer: &str, key: &str, value: Option<Value>| {
        let object = document.pointer_mut(pointer).and_then(Value::as_object_mut);
        if let (Some(object), Some(value)) = (object, value) {
            object.insert(key.to_owned(), value);
        }
    };
    put("/spec", "runToken", identity.token.as_ref().map(|token| json!(token)));
    put("/spec", "trigger", spec.trigger.clone());
    let block = "/spec/buildingBlock/spec";
    put(block, "projectIdentifier", spec.project.as_ref().map(|project| json!(project)));
    put(block, "fullPlatformIdentifier", spec.platform.as_ref().map(|platform| json!(platform)));
    let plan = spec.plan.as_ref().map(|_| json!({"href": format!("{self_url}/plan-artifact")}));
    put("/_links", "planArtifact", plan);
    Ok(document)
}

fn built_input(input: &Input, sealer: Option<&Sealer>) -> Result<Value, SealError> {
    let (key, kind, value, sensitive, environment) = match input {
        Input::Verbatim(input) => return Ok(input.clone()),
        Input::Built { key, kind, value, sensitive, environment } => {
            (key, kind, value, *sensitive, *environment)
        }
    };
    let mut value = value.clone();
    if sensitive && kind.is_sealed_when_sensitive() {
        seal(&mut value, sealer)?;
    }
    Ok(json!({
        "key": key,
        "value": value,
        "type": kind.wire(),
        "isSensitive": sensitive,
        "isEnvironment": environment,
        "unheardOf": [],
    }))
}

fn implementation(spec: &RunSpec, sealer: Option<&Sealer>) -> Result<Value, SealError> {
    let mut implementation = spec.implementation.clone();
    if spec.seal_implementation {
        let kind = implementation.get("type").and_then(Value::as_str).unwrap_or_default();
        for field in secret_fields(kind) {
            if let Some(value) = implementation.get_mut(field) {
                seal(value, sealer)?;
            }
        }
    }
    Ok(implementation)
}

/// Seals a text in place; null and other types stay.
fn seal(value: &mut Value, sealer: Option<&Sealer>) -> Result<(), SealError> {
    if let Value::String(text) = value {
        *text = sealer.ok_or(SealError::NoCertificate)?.seal(text)?;
    }
    Ok(())
}
