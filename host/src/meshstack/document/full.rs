//! The strict second look: the document field by field, then into the vocabulary of [`crate::run`].

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fault::quote;
use super::{DocumentError, addresses};
use crate::run::{
    Author, Behavior, Block, Definition, Implementation, Input, InputKind, Json, Parent, Run,
    RunId, Trigger,
};

const BLOCK: &str = "spec.buildingBlock";
const DEFINITION: &str = "spec.buildingBlockDefinition";
const IMPLEMENTATION: &str = "spec.buildingBlockDefinition.spec.implementation";

/// Bytes of an identifier, and of a word that may be new to us. They are in log lines and audit events.
const IDENTIFIER_MAX: usize = 256;

/// Bytes of the key of an input or a setting.
const KEY_MAX: usize = 1024;

#[derive(Deserialize)]
struct Document {
    spec: SpecBody,
    #[serde(rename = "_links")]
    links: Option<Json>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecBody {
    run_number: u64,
    behavior: String,
    trigger: Option<TriggerBody>,
    building_block: BlockBody,
    building_block_definition: DefinitionBody,
}

#[derive(Deserialize)]
struct TriggerBody {
    reason: String,
    author: Option<AuthorBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorBody {
    identifier: String,
    #[serde(rename = "type")]
    kind: String,
    display_name: Option<String>,
    username: Option<String>,
    email: Option<String>,
    euid: Option<String>,
}

#[derive(Deserialize)]
struct BlockBody {
    uuid: String,
    spec: BlockSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockSpec {
    display_name: String,
    workspace_identifier: String,
    project_identifier: Option<String>,
    full_platform_identifier: Option<String>,
    inputs: Vec<InputBody>,
    parent_building_blocks: Option<Vec<ParentBody>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InputBody {
    key: String,
    #[serde(default = "Json::null")]
    value: Json,
    #[serde(rename = "type")]
    kind: String,
    // Required: to take a missing mark for "not sensitive" would show a secret.
    is_sensitive: bool,
    #[serde(default)]
    is_environment: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParentBody {
    building_block_uuid: String,
    definition_uuid: String,
}

#[derive(Deserialize)]
struct DefinitionBody {
    uuid: String,
    spec: DefinitionSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DefinitionSpec {
    workspace_identifier: String,
    version: u64,
    implementation: BTreeMap<String, Json>,
}

pub(super) fn read(id: RunId, text: &str) -> Result<Run, DocumentError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let Document { spec, links } = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| DocumentError::from_json(&error.path().to_string(), error.inner()))?;
    check(&spec)?;
    Ok(Run {
        id,
        number: spec.run_number,
        behavior: behavior(&spec.behavior)?,
        trigger: spec.trigger.map(trigger),
        block: block(spec.building_block),
        definition: definition(spec.building_block_definition)?,
        links: addresses::read(links.as_ref())?,
    })
}

/// Refuses identifiers and keys that are too long.
// SECURITY: meshstack::document::identifiers_that_are_too_long_are_refused_by_path
fn check(spec: &SpecBody) -> Result<(), DocumentError> {
    let identifier = |base: &str, field: &str, text: &str| {
        bounded(text, IDENTIFIER_MAX, || format!("{base}.{field}"))
    };
    if let Some(trigger) = &spec.trigger {
        identifier("spec.trigger", "reason", &trigger.reason)?;
        if let Some(author) = &trigger.author {
            let euid = author.euid.as_deref().unwrap_or_default();
            identifier("spec.trigger.author", "identifier", &author.identifier)?;
            identifier("spec.trigger.author", "type", &author.kind)?;
            identifier("spec.trigger.author", "euid", euid)?;
        }
    }
    let block = &spec.building_block.spec;
    identifier(BLOCK, "uuid", &spec.building_block.uuid)?;
    identifier(BLOCK, "spec.workspaceIdentifier", &block.workspace_identifier)?;
    let project = block.project_identifier.as_deref().unwrap_or_default();
    identifier(BLOCK, "spec.projectIdentifier", project)?;
    let platform = block.full_platform_identifier.as_deref().unwrap_or_default();
    identifier(BLOCK, "spec.fullPlatformIdentifier", platform)?;
    for (index, input) in block.inputs.iter().enumerate() {
        let path = |field| format!("{BLOCK}.spec.inputs[{index}].{field}");
        bounded(&input.key, KEY_MAX, || path("key"))?;
        bounded(&input.kind, IDENTIFIER_MAX, || path("type"))?;
    }
    for (index, parent) in block.parent_building_blocks.iter().flatten().enumerate() {
        let path = |field| format!("{BLOCK}.spec.parentBuildingBlocks[{index}].{field}");
        bounded(&parent.building_block_uuid, IDENTIFIER_MAX, || path("buildingBlockUuid"))?;
        bounded(&parent.definition_uuid, IDENTIFIER_MAX, || path("definitionUuid"))?;
    }
    let definition = &spec.building_block_definition;
    identifier(DEFINITION, "uuid", &definition.uuid)?;
    identifier(DEFINITION, "spec.workspaceIdentifier", &definition.spec.workspace_identifier)?;
    // The name of a setting that is too long is no path that anybody could read.
    definition
        .spec
        .implementation
        .keys()
        .try_for_each(|key| bounded(key, KEY_MAX, || IMPLEMENTATION.to_owned()))
}

pub(super) fn bounded(
    text: &str,
    max: usize,
    path: impl FnOnce() -> String,
) -> Result<(), DocumentError> {
    if text.len() <= max {
        return Ok(());
    }
    let length = text.len();
    Err(DocumentError::new(&path(), format!("has {length} bytes where {max} are allowed")))
}

fn behavior(word: &str) -> Result<Behavior, DocumentError> {
    match word {
        "APPLY" => Ok(Behavior::Apply),
        "DESTROY" => Ok(Behavior::Destroy),
        "DETECT" => Ok(Behavior::Detect),
        _ => Err(DocumentError::new(
            "spec.behavior",
            format!("`{}` is none of APPLY, DESTROY and DETECT", quote(word)),
        )),
    }
}

fn trigger(TriggerBody { reason, author }: TriggerBody) -> Trigger {
    Trigger {
        reason,
        author: author.map(|author| Author {
            identifier: author.identifier,
            kind: author.kind,
            display_name: author.display_name,
            username: author.username,
            email: author.email,
            euid: author.euid,
        }),
    }
}

fn block(BlockBody { uuid, spec }: BlockBody) -> Block {
    Block {
        uuid,
        display_name: spec.display_name,
        tenant: spec.workspace_identifier,
        project: spec.project_identifier,
        platform: spec.full_platform_identifier,
        inputs: spec.inputs.into_iter().map(input).collect(),
        parents: spec
            .parent_building_blocks
            .unwrap_or_default()
            .into_iter()
            .map(|parent| Parent {
                block: parent.building_block_uuid,
                definition: parent.definition_uuid,
            })
            .collect(),
    }
}

fn input(body: InputBody) -> Input {
    Input {
        key: body.key,
        kind: input_kind(body.kind),
        value: body.value,
        sensitive: body.is_sensitive,
        environment: body.is_environment,
    }
}

fn input_kind(word: String) -> InputKind {
    match word.as_str() {
        "BOOLEAN" => InputKind::Boolean,
        "CODE" => InputKind::Code,
        "FILE" => InputKind::File,
        "INTEGER" => InputKind::Integer,
        "LIST" => InputKind::List,
        "MULTI_SELECT" => InputKind::MultiSelect,
        "SINGLE_SELECT" => InputKind::SingleSelect,
        "STRING" => InputKind::String,
        _ => InputKind::Other(word),
    }
}

fn definition(DefinitionBody { uuid, spec }: DefinitionBody) -> Result<Definition, DocumentError> {
    let mut settings = spec.implementation;
    let path = format!("{IMPLEMENTATION}.type");
    let kind = settings
        .remove("type")
        .ok_or_else(|| DocumentError::new(&path, "is missing"))?
        .as_string()
        .ok_or_else(|| DocumentError::new(&path, "is not text"))?;
    bounded(&kind, IDENTIFIER_MAX, || path)?;
    Ok(Definition {
        uuid,
        owner: spec.workspace_identifier,
        version: spec.version,
        implementation: Implementation { kind, settings },
    })
}
