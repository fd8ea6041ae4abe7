//! The run as components look at it: [`Run`].

use crate::bindings;
use crate::bindings::blockhouse::block::types::{Secret, Value};
use crate::failure::failure;
use crate::fields::{Entered, Fields};
use crate::{Behavior, Failure, Link};

/// One execution of one building block. In tests it is written by hand.
#[derive(Debug)]
pub struct Run<'a, S> {
    /// What the run does.
    pub behavior: Behavior,
    /// The fields of the definition's implementation.
    pub fields: Fields<'a, S>,
    /// UUID of the run.
    pub id: &'a str,
    /// What the user entered.
    pub inputs: Vec<Input<'a, S>>,
    /// The run's addresses in meshStack.
    pub links: &'a [Link],
}

/// One input of the block.
#[derive(Debug)]
pub struct Input<'a, S> {
    /// Whether the definition wants it in the environment.
    pub is_environment: bool,
    /// Its name.
    pub key: &'a str,
    /// Its value.
    pub value: Entered<'a, S>,
}

impl<'a> Run<'a, Secret> {
    /// The run that the host has handed over.
    pub fn of(run: &'a bindings::Run) -> Self {
        let settings = run.definition.settings.iter();
        let inputs = run.block.inputs.iter().map(|input| Input {
            is_environment: input.environment,
            key: &input.key,
            value: entered(&input.value),
        });
        Self {
            behavior: run.behavior,
            fields: Fields(
                settings.map(|setting| (setting.key.as_str(), entered(&setting.value))).collect(),
            ),
            id: &run.id,
            inputs: inputs.collect(),
            links: &run.links,
        }
    }
}

impl<'a, S> Run<'a, S> {
    /// meshStack's word for what the run does.
    pub fn behavior_name(&self) -> &'static str {
        match self.behavior {
            Behavior::Apply => "APPLY",
            Behavior::Destroy => "DESTROY",
            Behavior::Detect => "DETECT",
        }
    }

    /// An input that was not left out.
    pub fn input(&self, key: &str) -> Option<Entered<'a, S>> {
        let input = self.inputs.iter().find(|input| input.key == key)?;
        (!input.value.is_null()).then_some(input.value)
    }

    /// An address of the run, if meshStack gave it.
    pub fn link(&self, name: &str) -> Option<&'a str> {
        self.links.iter().find(|link| link.name == name).map(|link| link.href.as_str())
    }

    /// An address that must be there.
    ///
    /// # Errors
    /// If meshStack did not give it.
    pub fn required_link(&self, name: &str) -> Result<&'a str, Failure> {
        self.link(name).ok_or_else(|| {
            failure(format!(
                "meshStack has sent the run without its address `{name}`. Please tell the platform team."
            ))
        })
    }
}

fn entered(value: &Value) -> Entered<'_, Secret> {
    match value {
        Value::Json(json) => Entered::Json(json),
        Value::Secret(secret) => Entered::Secret(secret),
        Value::Text(text) => Entered::Text(text),
    }
}
