//! A run whose sealed values have been opened: [`OpenedRun`].

use super::{InputKind, Run};
use secrecy::SecretString;

/// A run that is ready to be handed to a component.
#[derive(Debug)]
pub struct OpenedRun {
    /// The run as it was claimed, values still sealed.
    pub run: Run,
    /// The block's inputs, opened.
    pub inputs: Vec<OpenedInput>,
    /// The implementation's settings, opened, ordered by key.
    pub settings: Vec<(String, Value)>,
}

/// An input whose value has been opened.
#[derive(Debug)]
pub struct OpenedInput {
    /// Its name in the definition.
    pub key: String,
    /// How the value is to be read.
    pub kind: InputKind,
    /// The value.
    pub value: Value,
    /// Whether it is meant for the environment of a process.
    pub environment: bool,
}

/// A value as a component gets it.
#[derive(Debug)]
pub enum Value {
    /// JSON text, digit for digit.
    Json(String),
    /// The text of a sensitive value: of text types the text itself, else JSON.
    Secret(SecretString),
    /// Text.
    Text(String),
}
