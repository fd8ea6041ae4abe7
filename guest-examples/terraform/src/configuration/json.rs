//! Configuration in JSON, where a block is an object, and several are an array of objects or the same key again.

use super::{Found, Mistake, Variable};
use crate::literal::{JsonError, Literal};

pub(super) fn read(text: &str) -> Result<Found, Mistake> {
    let root = Literal::from_json(text).map_err(mistake)?;
    let mut found = Found::default();
    for (key, value) in members(&root) {
        match key {
            "terraform" => {
                found.has_backend |= members(value).any(|(key, value)| is_backend(key, value))
            }
            "variable" => {
                let named = members(value);
                let blocks =
                    named.flat_map(|(name, value)| blocks(value).map(move |block| (name, block)));
                found
                    .variables
                    .extend(blocks.map(|(name, block)| (name.to_owned(), variable(block))));
            }
            _ => {}
        }
    }
    Ok(found)
}

fn mistake(error: JsonError) -> Mistake {
    match error {
        JsonError::Syntax(error) => {
            Mistake { line: error.line(), column: error.column(), message: error.to_string() }
        }
        JsonError::TooDeep => Mistake { line: 1, column: 1, message: error.to_string() },
    }
}

/// `backend` has a label, its type, so that an empty object is none; `cloud` has none.
fn is_backend(key: &str, value: &Literal) -> bool {
    match key {
        "backend" => members(value).any(|(_, value)| blocks(value).next().is_some()),
        "cloud" => blocks(value).next().is_some(),
        _ => false,
    }
}

fn variable(block: &Literal) -> Variable {
    let Literal::Object(attributes) = block else { return Variable::default() };
    let mut variable = Variable::default();
    for (key, value) in attributes {
        match (key.as_str(), value) {
            ("default", _) => variable.has_default = true,
            ("type", Literal::Text(name)) => variable.is_text = Some(is_text(name)),
            _ => {}
        }
    }
    variable
}

fn is_text(type_name: &str) -> bool {
    let inner = type_name.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inner.unwrap_or(type_name).trim() == "string"
}

/// Every block that this value stands for; `null` stands for none.
fn blocks(value: &Literal) -> Box<dyn Iterator<Item = &Literal> + '_> {
    match value {
        Literal::Array(items) => {
            Box::new(items.iter().filter(|item| !matches!(item, Literal::Null)))
        }
        Literal::Null => Box::new(std::iter::empty()),
        _ => Box::new(std::iter::once(value)),
    }
}

/// The members of every object that this value stands for. The key `//` is a comment.
fn members(value: &Literal) -> impl Iterator<Item = (&str, &Literal)> {
    let objects = blocks(value).filter_map(|block| match block {
        Literal::Object(members) => Some(members),
        _ => None,
    });
    objects.flatten().map(|(key, value)| (key.as_str(), value)).filter(|(key, _)| *key != "//")
}
