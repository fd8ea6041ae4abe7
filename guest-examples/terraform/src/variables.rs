//! The file with the values of variables: [`variables_file`].
//!
//! It is JSON, where Terraform takes strings literally: no `${`, no escapes but JSON's, no comments. Secrets are put into it by the host.

use crate::configuration::{Configuration, Declaration};
use crate::expression;
use crate::inputs::{Entered, Kind, Part, Value, unquoted};
use crate::literal::{DIGITS_MAX, Literal, quoted};

/// The values, in JSON, and what the operator should know about them.
///
/// A variable that was left out (`null`) is left to its default if it has one, and is `null` otherwise. `reveal` asks for the text of a
/// secret, which policy may deny: only structured text needs it, and is then passed as a string unless it is JSON.
pub(crate) fn variables_file<S: Copy>(
    values: &[Value<'_, S>],
    run: Vec<(&'static str, Vec<Part<S>>)>,
    configuration: &Configuration,
    reveal: impl Fn(S) -> Result<String, String>,
) -> (Vec<Part<S>>, Vec<String>) {
    let mut notes = Vec::new();
    let mut members: Vec<(&str, Vec<Part<S>>)> = Vec::new();
    for value in values {
        if run.iter().any(|(name, _)| *name == value.name) {
            notes.push(format!(
                "the input `{}` is not used: the variable comes from the run",
                value.name
            ));
            continue;
        }
        let declared = configuration.variables.get(value.name).copied().unwrap_or_default();
        let mut writer = Writer { name: value.name, declared, notes: &mut notes, reveal: &reveal };
        members.extend(writer.value(value).map(|parts| (value.name, parts)));
    }
    members.extend(run);

    let mut file = vec![Part::Text("{\n".to_owned())];
    for (index, (name, parts)) in members.into_iter().enumerate() {
        let separator = if index > 0 { ",\n" } else { "" };
        file.push(Part::Text(format!("{separator}  {}: ", quoted(name))));
        file.extend(parts);
    }
    file.push(Part::Text("\n}\n".to_owned()));
    (file, notes)
}

/// Writes the value of one variable.
struct Writer<'a, R> {
    name: &'a str,
    declared: Declaration,
    notes: &'a mut Vec<String>,
    reveal: &'a R,
}

impl<R> Writer<'_, R> {
    fn value<S: Copy>(&mut self, value: &Value<'_, S>) -> Option<Vec<Part<S>>>
    where
        R: Fn(S) -> Result<String, String>,
    {
        let part = match (value.kind, value.value) {
            (_, Entered::Json("null")) => {
                return (!self.declared.has_default).then(|| vec![text("null".to_owned())]);
            }
            (Kind::Text, Entered::Json(json)) => text(quoted(&unquoted(json))),
            (Kind::Text, Entered::Text(entered)) => text(quoted(entered)),
            (Kind::Text, Entered::Secret(secret)) => {
                let quote = || text("\"".to_owned());
                return Some(vec![quote(), Part::SecretInJson(secret), quote()]);
            }
            (Kind::Code | Kind::List, Entered::Secret(secret)) => match (self.reveal)(secret) {
                Ok(entered) if value.kind == Kind::List => text(self.list(&entered)),
                Ok(entered) => text(self.code(&entered)),
                Err(denied) => {
                    self.note(&format!(
                        "its text can't be looked at ({denied}), so it is passed as it is if it is JSON, else as a string"
                    ));
                    self.hidden(secret)
                }
            },
            (Kind::Code | Kind::List, Entered::Text(entered)) => text(self.code(entered)),
            (Kind::List, Entered::Json(json)) => text(self.list(json)),
            (Kind::Code | Kind::File | Kind::MultiSelect | Kind::Plain, Entered::Json(json)) => {
                text(self.json(json))
            }
            (Kind::File | Kind::MultiSelect | Kind::Plain, Entered::Secret(secret)) => {
                self.hidden(secret)
            }
            (Kind::File | Kind::MultiSelect | Kind::Plain, Entered::Text(entered)) => {
                text(quoted(entered))
            }
        };
        Some(vec![part])
    }

    fn hidden<S>(&self, secret: S) -> Part<S> {
        if self.declared.is_text {
            Part::SecretAsJsonText(secret)
        } else {
            Part::SecretAsJson(secret)
        }
    }

    /// Structured text: as the value that it describes.
    fn code(&mut self, entered: &str) -> String {
        match expression::parse(entered) {
            Ok(value) => self.literal(&value),
            // Who wants a string gets one, without a word.
            Err(_) if self.declared.is_text => quoted(entered),
            Err(error) => {
                self.note(&format!("passed as a string: {error}"));
                quoted(entered)
            }
        }
    }

    /// Structured text within JSON, or JSON that is the value itself.
    fn list(&mut self, json: &str) -> String {
        match serde_json::from_str::<String>(json) {
            Ok(entered) => self.code(&entered),
            Err(_) => self.json(json),
        }
    }

    /// What the host vouches for to be JSON.
    fn json(&mut self, json: &str) -> String {
        match Literal::from_json(json) {
            Ok(value) => self.literal(&value),
            Err(error) => {
                self.note(&format!("passed as a string: {error}"));
                quoted(json)
            }
        }
    }

    fn literal(&mut self, value: &Literal) -> String {
        match value {
            Literal::Text(text) => quoted(text),
            // Digits stay digits there.
            _ if self.declared.is_text => quoted(&value.to_json()),
            _ => {
                if has_long_number(value) {
                    self.note(&format!(
                        "Terraform rounds numbers of more than {DIGITS_MAX} digits"
                    ));
                }
                value.to_json()
            }
        }
    }

    fn note(&mut self, what: &str) {
        self.notes.push(format!("the input `{}`: {what}", self.name));
    }
}

fn text<S>(text: String) -> Part<S> {
    Part::Text(text)
}

fn has_long_number(value: &Literal) -> bool {
    match value {
        Literal::Array(items) => items.iter().any(has_long_number),
        Literal::Number(digits) => digits.bytes().filter(u8::is_ascii_digit).count() > DIGITS_MAX,
        Literal::Object(members) => members.iter().any(|(_, value)| has_long_number(value)),
        Literal::Boolean(_) | Literal::Null | Literal::Text(_) => false,
    }
}

#[cfg(test)]
mod tests;
