//! Hands a run to the component: secrets become handles on the way.

use super::bindings::blockhouse::block::types as wit;
use crate::capability::types::{Entry, Origin, SecretHandle};
use crate::run::{Author, Behavior, InputKind, OpenedRun, RunLink, Trigger, Value};
use secrecy::{ExposeSecret, SecretString};
use wasmtime::component::ResourceTable;

/// The run in the shape of the WIT package.
pub(super) fn run(table: &mut ResourceTable, opened: OpenedRun) -> wasmtime::Result<wit::Run> {
    let OpenedRun { run, inputs, settings } = opened;
    let inputs = inputs.into_iter().map(|input| {
        // The text of text types is the text; everything else is JSON.
        let form = Form {
            is_json: !input.kind.is_text(),
            is_code: matches!(input.kind, InputKind::Code | InputKind::List),
        };
        Ok(wit::Input {
            value: value(table, &input.key, input.value, form)?,
            key: input.key,
            type_: input_type(input.kind),
            environment: input.environment,
        })
    });
    let inputs = inputs.collect::<wasmtime::Result<_>>()?;
    let settings = settings.into_iter().map(|(key, setting)| {
        Ok(wit::Setting { value: value(table, &key, setting, Form::default())?, key })
    });
    let settings = settings.collect::<wasmtime::Result<_>>()?;
    Ok(wit::Run {
        id: run.id.as_str().to_owned(),
        number: run.number,
        behavior: match run.behavior {
            Behavior::Apply => wit::Behavior::Apply,
            Behavior::Destroy => wit::Behavior::Destroy,
            Behavior::Detect => wit::Behavior::Detect,
        },
        trigger: run.trigger.map(trigger),
        block: wit::Block {
            uuid: run.block.uuid,
            display_name: run.block.display_name,
            tenant: run.block.tenant,
            project: run.block.project,
            platform: run.block.platform,
            inputs,
            parents: run
                .block
                .parents
                .into_iter()
                .map(|parent| wit::Parent { block: parent.block, definition: parent.definition })
                .collect(),
        },
        definition: wit::Definition {
            uuid: run.definition.uuid,
            owner: run.definition.owner,
            version: run.definition.version,
            implementation_type: run.definition.implementation.kind,
            settings,
        },
        links: run.links.into_iter().map(link).collect(),
    })
}

/// What kind of text a secret is.
#[derive(Clone, Copy, Default)]
struct Form {
    is_json: bool,
    is_code: bool,
}

fn value(
    table: &mut ResourceTable,
    key: &str,
    value: Value,
    form: Form,
) -> wasmtime::Result<wit::Value> {
    Ok(match value {
        Value::Json(json) => wit::Value::Json(json),
        Value::Secret(text) => wit::Value::Secret(push(table, key, text, form)?),
        Value::Text(text) => wit::Value::Text(text),
    })
}

fn push(
    table: &mut ResourceTable,
    key: &str,
    text: SecretString,
    Form { is_json, is_code }: Form,
) -> wasmtime::Result<wasmtime::component::Resource<SecretHandle>> {
    debug_assert!(
        !is_json || serde_json::from_str::<serde::de::IgnoredAny>(text.expose_secret()).is_ok()
    );
    let origin = Origin::Run(Entry { key: key.to_owned(), is_json, is_code });
    Ok(table.push(SecretHandle { origin, text })?)
}

fn input_type(kind: InputKind) -> wit::InputType {
    match kind {
        InputKind::Boolean => wit::InputType::Boolean,
        InputKind::Code => wit::InputType::Code,
        InputKind::File => wit::InputType::File,
        InputKind::Integer => wit::InputType::Integer,
        InputKind::List => wit::InputType::List,
        InputKind::MultiSelect => wit::InputType::MultiSelect,
        InputKind::Other(name) => wit::InputType::Other(name),
        InputKind::SingleSelect => wit::InputType::SingleSelect,
        InputKind::String => wit::InputType::String,
    }
}

fn link(RunLink { name, href }: RunLink) -> wit::Link {
    wit::Link { name, href }
}

fn trigger(trigger: Trigger) -> wit::Trigger {
    wit::Trigger { reason: trigger.reason, author: trigger.author.map(author) }
}

fn author(author: Author) -> wit::Author {
    wit::Author {
        identifier: author.identifier,
        kind: author.kind,
        display_name: author.display_name,
        username: author.username,
        email: author.email,
    }
}
