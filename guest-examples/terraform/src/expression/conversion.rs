//! What values are where another type is wanted, and when two are the same, as Terraform does it.

use super::NoValue;
use super::number::Exact;
use crate::literal::Literal;

/// Texts that hold a number are numbers.
pub(super) fn number(value: &Literal) -> Result<Exact, NoValue> {
    match value {
        Literal::Number(digits) => Exact::read(digits),
        Literal::Text(text) if text.trim() == text => match Literal::from_json(text) {
            Ok(Literal::Number(digits)) => Exact::read(&digits),
            _ => Err(NoValue::Senseless),
        },
        _ => Err(NoValue::Senseless),
    }
}

pub(super) fn truth(value: Literal) -> Result<bool, NoValue> {
    match value {
        Literal::Boolean(value) => Ok(value),
        Literal::Text(text) => text.parse().map_err(|_| NoValue::Senseless),
        _ => Err(NoValue::Senseless),
    }
}

pub(super) fn text(value: Literal) -> Result<String, NoValue> {
    match value {
        Literal::Boolean(value) => Ok(value.to_string()),
        Literal::Number(digits) => Exact::read(&digits)?.write(),
        Literal::Text(text) => Ok(text),
        Literal::Array(_) | Literal::Null | Literal::Object(_) => Err(NoValue::Senseless),
    }
}

/// Digits stay as they are.
pub(super) fn negated(value: Literal) -> Result<Literal, NoValue> {
    let digits = match value {
        Literal::Number(digits) => digits,
        other => number(&other)?.write()?,
    };
    Ok(Literal::Number(match digits.strip_prefix('-') {
        Some(digits) => digits.to_owned(),
        None => format!("-{digits}"),
    }))
}

/// The value that was chosen, in the type that it has in common with the other one.
pub(super) fn unified(chosen: Literal, other: &Literal) -> Result<Literal, NoValue> {
    match (&chosen, other) {
        (Literal::Null, _) | (_, Literal::Null) => Ok(chosen),
        (Literal::Boolean(_) | Literal::Number(_), Literal::Text(_)) => {
            Ok(Literal::Text(text(chosen)?))
        }
        (Literal::Text(_), Literal::Boolean(_) | Literal::Number(_)) => Ok(chosen),
        _ if is_same_type(&chosen, other) => Ok(chosen),
        // Terraform finds one for some lists and objects, and converts what is inside.
        _ => Err(NoValue::NotLiteral),
    }
}

fn is_same_type(one: &Literal, other: &Literal) -> bool {
    match (one, other) {
        (Literal::Array(one), Literal::Array(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(one, other)| is_same_type(one, other))
        }
        (Literal::Boolean(_), Literal::Boolean(_))
        | (Literal::Number(_), Literal::Number(_))
        | (Literal::Text(_), Literal::Text(_)) => true,
        (Literal::Object(one), Literal::Object(other)) => {
            let in_other = |key: &str| other.iter().find(|(name, _)| name == key);
            one.len() == other.len()
                && one.iter().all(|(key, one)| {
                    in_other(key).is_some_and(|(_, other)| is_same_type(one, other))
                })
        }
        _ => false,
    }
}

/// Values of different types are different.
pub(super) fn is_equal(one: &Literal, other: &Literal) -> Result<bool, NoValue> {
    match (one, other) {
        // What null is equal to inside of others depends on types that are not seen here.
        (Literal::Array(_) | Literal::Object(_), Literal::Array(_) | Literal::Object(_))
            if has_null(one) || has_null(other) =>
        {
            Err(NoValue::NotLiteral)
        }
        (Literal::Array(one), Literal::Array(other)) => {
            let pairs = one.iter().zip(other).map(|(one, other)| is_equal(one, other));
            Ok(all(pairs)? && one.len() == other.len())
        }
        (Literal::Boolean(one), Literal::Boolean(other)) => Ok(one == other),
        (Literal::Null, Literal::Null) => Ok(true),
        (Literal::Number(one), Literal::Number(other)) => {
            Ok(Exact::read(one)? == Exact::read(other)?)
        }
        (Literal::Object(one), Literal::Object(other)) => {
            let in_other = |key: &str| other.iter().find(|(name, _)| name == key);
            let pairs = one.iter().map(|(key, one)| match in_other(key) {
                Some((_, other)) => is_equal(one, other),
                None => Ok(false),
            });
            Ok(all(pairs)? && one.len() == other.len())
        }
        (Literal::Text(one), Literal::Text(other)) if one == other => Ok(true),
        // Terraform composes Unicode first: what differs here may be the same there.
        (Literal::Text(one), Literal::Text(other)) if one.is_ascii() && other.is_ascii() => {
            Ok(false)
        }
        (Literal::Text(_), Literal::Text(_)) => Err(NoValue::NotLiteral),
        _ => Ok(false),
    }
}

/// Whether all hold; all of them are looked at.
fn all(pairs: impl Iterator<Item = Result<bool, NoValue>>) -> Result<bool, NoValue> {
    pairs.into_iter().try_fold(true, |before, holds| Ok(before & holds?))
}

fn has_null(value: &Literal) -> bool {
    match value {
        Literal::Array(items) => items.iter().any(has_null),
        Literal::Null => true,
        Literal::Object(members) => members.iter().any(|(_, value)| has_null(value)),
        Literal::Boolean(_) | Literal::Number(_) | Literal::Text(_) => false,
    }
}
