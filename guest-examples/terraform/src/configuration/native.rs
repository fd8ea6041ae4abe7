//! Configuration in HCL.

use super::{Found, Mistake, Variable};
use hcl_edit::expr::Expression;
use hcl_edit::parser::{Error, parse_body};
use hcl_edit::structure::Body;
use std::borrow::Cow;

/// How often a file is read again because of a key that is there twice.
const TRIES_MAX: usize = 64;

pub(super) fn read(text: &str) -> Result<Found, Mistake> {
    let body = parse(text).map_err(|error| Mistake {
        line: error.location().line(),
        column: error.location().column(),
        message: error.message().to_owned(),
    })?;
    let settings = body.get_blocks("terraform");
    let has_backend = settings.into_iter().any(|block| has_backend(&block.body));
    let variables = body.get_blocks("variable").filter_map(|block| {
        let name = block.labels.first()?;
        Some((name.as_str().to_owned(), variable(&block.body)))
    });
    Ok(Found { has_backend, variables: variables.collect() })
}

/// The parser refuses keys of objects that are there twice; the tool takes the last. What the keys are does not matter here, so
/// such a key gets another name.
fn parse(text: &str) -> Result<Body, Error> {
    let mut text = Cow::Borrowed(text);
    for number in 0..TRIES_MAX {
        match parse_body(&text) {
            Err(error) if error.message().contains("redefined object key") => {
                let at = error.location().offset();
                let (before, key) = text.split_at_checked(at).ok_or(error)?;
                let renamed = match key.split_at_checked(1) {
                    Some(("\"", rest)) => format!("\"_{number}_{rest}"),
                    Some(("(", rest)) => format!("(_{number}_ + {rest}"),
                    _ => format!("_{number}_{key}"),
                };
                text = Cow::Owned(format!("{before}{renamed}"));
            }
            parsed => return parsed,
        }
    }
    parse_body(&text)
}

fn has_backend(settings: &Body) -> bool {
    settings.has_blocks("backend") || settings.has_blocks("cloud")
}

fn variable(body: &Body) -> Variable {
    let type_expression = body.get_attribute("type").map(|attribute| &attribute.value);
    Variable {
        has_default: body.has_attribute("default"),
        is_text: type_expression.map(|expression| match expression {
            // In quotes: how it was written before Terraform 0.12.
            Expression::String(name) => name.as_str() == "string",
            Expression::Variable(name) => name.as_str() == "string",
            _ => false,
        }),
    }
}
