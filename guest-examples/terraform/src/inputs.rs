//! What the inputs of a block become: files, the environment, or variables: [`sort`].
//!
//! Secrets are handles of the type `S`, passed on without being seen.

use crate::data_url::{self, DataUrlError};
use crate::file_name::{self, FileNameError};
use thiserror::Error;

/// An environment variable with this prefix is a variable of the configuration.
const VARIABLE_PREFIX: &str = "TF_VAR_";

/// The type of an input, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Structured text, JSON or HCL.
    Code,
    File,
    /// What was entered as code before there was that type: in JSON, a string with the text of it.
    List,
    /// Several of some values.
    MultiSelect,
    /// Boolean, integer, and whatever types may come.
    Plain,
    /// Text that stays text: strings and single selects.
    Text,
}

/// What was entered.
#[cfg_attr(test, derive(Debug, PartialEq))]
#[derive(Clone, Copy)]
pub(crate) enum Entered<'a, S> {
    Json(&'a str),
    Secret(S),
    Text(&'a str),
}

/// An input.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a, S> {
    pub(crate) key: &'a str,
    pub(crate) kind: Kind,
    pub(crate) value: Entered<'a, S>,
    pub(crate) is_environment: bool,
}

/// A piece of a file or of a value; pieces are joined without anything between them. Those of [`terraform`] in WIT.
///
/// [`terraform`]: ../../../wit/terraform.wit
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) enum Part<S> {
    Bytes(Vec<u8>),
    RunDocument,
    Secret(S),
    SecretAsJson(S),
    SecretAsJsonText(S),
    SecretContent(S),
    SecretInJson(S),
    Text(String),
}

/// A value for a variable of the configuration.
#[cfg_attr(test, derive(Debug, PartialEq))]
#[derive(Clone, Copy)]
pub(crate) struct Value<'a, S> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) value: Entered<'a, S>,
}

/// Inputs by what they become.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Sorted<'a, S> {
    pub(crate) environment: Vec<(&'a str, Part<S>)>,
    pub(crate) files: Vec<(&'a str, Part<S>)>,
    pub(crate) variables: Vec<Value<'a, S>>,
    /// What the operator should know.
    pub(crate) notes: Vec<String>,
}

/// Why the inputs can't be used. The user reads it.
#[derive(Debug, Error)]
pub(crate) enum InputError {
    #[error(
        "The file input `{key}` is meant for the environment, where no files can be. Please ask the platform team to change the building block's definition."
    )]
    FileInEnvironment { key: String },
    #[error("The file input `{}` can't become a file of that name: {source}. Please ask the platform team to change the building block's definition.", shown(.key))]
    FileName { key: String, source: FileNameError },
    #[error("The file of the input `{key}` can't be read: {source}. Please upload it again.")]
    Content { key: String, source: DataUrlError },
}

/// Decides what each input becomes. Inputs that were left out become nothing, but for variables: see
/// [`variables_file`](crate::variables::variables_file).
pub(crate) fn sort<'a, S: Copy>(inputs: &[Input<'a, S>]) -> Result<Sorted<'a, S>, InputError> {
    let mut sorted = Sorted {
        environment: Vec::new(),
        files: Vec::new(),
        variables: Vec::new(),
        notes: Vec::new(),
    };
    for input in inputs {
        match (input.kind, input.is_environment) {
            (Kind::File, true) => {
                return Err(InputError::FileInEnvironment { key: input.key.to_owned() });
            }
            (Kind::File, false) => sorted.files.extend(file(input)?),
            (_, false) => sorted.variables.push(variable(input.key, input)),
            (_, true) => sort_environment(input, inputs, &mut sorted),
        }
    }
    Ok(sorted)
}

fn sort_environment<'a, S: Copy>(
    input: &Input<'a, S>,
    inputs: &[Input<'a, S>],
    sorted: &mut Sorted<'a, S>,
) {
    match input.key.strip_prefix(VARIABLE_PREFIX).filter(|name| !name.is_empty()) {
        Some(name) if inputs.iter().any(|other| other.key == name) => sorted
            .notes
            .push(format!("the input `{}` is not used: there is an input `{name}`", input.key)),
        Some(name) => sorted.variables.push(variable(name, input)),
        None => sorted.environment.extend(environment(input)),
    }
}

fn variable<'a, S: Copy>(name: &'a str, input: &Input<'a, S>) -> Value<'a, S> {
    Value { name, kind: input.kind, value: input.value }
}

fn file<'a, S: Copy>(input: &Input<'a, S>) -> Result<Option<(&'a str, Part<S>)>, InputError> {
    let key = || input.key.to_owned();
    let content = match input.value {
        Entered::Json("null") => return Ok(None),
        Entered::Secret(secret) => Part::SecretContent(secret),
        Entered::Json(text) | Entered::Text(text) => Part::Bytes(
            data_url::decode(text).map_err(|source| InputError::Content { key: key(), source })?,
        ),
    };
    file_name::check(input.key).map_err(|source| InputError::FileName { key: key(), source })?;
    Ok(Some((input.key, content)))
}

/// Texts as they are; everything else is JSON already.
fn environment<'a, S: Copy>(input: &Input<'a, S>) -> Option<(&'a str, Part<S>)> {
    let value = match input.value {
        Entered::Json("null") => return None,
        Entered::Json(text) if matches!(input.kind, Kind::List | Kind::Text) => {
            Part::Text(unquoted(text))
        }
        Entered::Json(text) | Entered::Text(text) => Part::Text(text.to_owned()),
        Entered::Secret(secret) => Part::Secret(secret),
    };
    Some((input.key, value))
}

/// The text of a JSON string; of anything else, the JSON.
pub(crate) fn unquoted(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
}

/// A key without what would confuse a reader.
fn shown(key: &str) -> String {
    key.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input<'a>(
        key: &'a str,
        kind: Kind,
        value: Entered<'a, u8>,
        is_environment: bool,
    ) -> Input<'a, u8> {
        Input { key, kind, value, is_environment }
    }

    fn sorted<'a>(inputs: &[Input<'a, u8>]) -> Sorted<'a, u8> {
        sort(inputs).unwrap()
    }

    #[test]
    fn files_are_decoded_and_secret_ones_passed_on() {
        let url = "data:text/plain;base64,aGk=";
        let sorted = sorted(&[
            input("a.txt", Kind::File, Entered::Text(url), false),
            input("b.pem", Kind::File, Entered::Secret(7), false),
            input("c", Kind::File, Entered::Json("null"), false),
        ]);
        let expected = [("a.txt", Part::Bytes(b"hi".to_vec())), ("b.pem", Part::SecretContent(7))];
        assert_eq!(sorted.files, expected);
        assert!(sorted.variables.is_empty());
    }

    #[test]
    fn files_that_cannot_be_are_errors() {
        let url = "data:;base64,aGk=";
        for (key, value, is_environment, says) in [
            ("../x", url, false, "`../x`"),
            ("a\u{202e}\n", url, false, "\\n"),
            ("x", "hunter2", false, "`x` can't be read"),
            ("X", url, true, "environment"),
        ] {
            let error = sort(&[input(key, Kind::File, Entered::Text(value), is_environment)])
                .err()
                .unwrap();
            assert!(error.to_string().contains(says), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert!(sort(&[input("a/b", Kind::File, Entered::Secret(1), false)]).is_err());
    }

    #[test]
    fn the_environment_is_text_but_for_what_is_json() {
        let sorted = sorted(&[
            input("A", Kind::Text, Entered::Text("a \"b\" ${c}\n"), true),
            input("B", Kind::MultiSelect, Entered::Json(r#"["x","y"]"#), true),
            input("C", Kind::Plain, Entered::Json("12345678901234567890"), true),
            input("D", Kind::Code, Entered::Text("{ a = 1 }"), true),
            input("E", Kind::Text, Entered::Secret(3), true),
            input("L", Kind::List, Entered::Json(r#""[\"x\"]""#), true),
            input("F", Kind::Text, Entered::Json("null"), true),
            input("TF_VAR_", Kind::Text, Entered::Text("x"), true),
        ]);
        let text = |text: &str| Part::Text(text.to_owned());
        let expected = [
            ("A", text("a \"b\" ${c}\n")),
            ("B", text(r#"["x","y"]"#)),
            ("C", text("12345678901234567890")),
            ("D", text("{ a = 1 }")),
            ("E", Part::Secret(3)),
            ("L", text(r#"["x"]"#)),
            ("TF_VAR_", text("x")),
        ];
        assert_eq!(sorted.environment, expected);
    }

    #[test]
    fn tf_var_is_a_variable_unless_an_input_has_its_name() {
        let sorted = sorted(&[
            input("TF_VAR_a", Kind::Code, Entered::Text("[1]"), true),
            input("TF_VAR_b", Kind::Text, Entered::Text("env"), true),
            input("b", Kind::Text, Entered::Text("input"), false),
            input("TF_VAR_c", Kind::Text, Entered::Text("not environment"), false),
        ]);
        let names: Vec<_> =
            sorted.variables.iter().map(|value| (value.name, value.value)).collect();
        assert_eq!(
            names,
            [
                ("a", Entered::Text("[1]")),
                ("b", Entered::Text("input")),
                ("TF_VAR_c", Entered::Text("not environment")),
            ]
        );
        assert!(sorted.environment.is_empty());
        assert_eq!(sorted.notes, ["the input `TF_VAR_b` is not used: there is an input `b`"]);
    }
}
