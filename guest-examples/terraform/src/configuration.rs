//! What a configuration says about itself: [`scan`] finds declared variables and whether there is a backend.
//!
//! The files come from a repository and are hostile: their number and size are bounded here, nesting by the parsers.

mod json;
mod native;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// Attack: a configuration that takes for ever to read.
pub(crate) const FILES_MAX: usize = 1_000;
pub(crate) const FILE_BYTES_MAX: u64 = 2 << 20;
pub(crate) const BYTES_MAX: u64 = 16 << 20;

/// How a name ends makes a file part of the configuration; the later are OpenTofu's, and hide a file of the same name among the former.
const ENDS: &[(&str, Syntax)] = &[(".tf", Syntax::Native), (".tf.json", Syntax::Json)];
const TOFU_ENDS: &[(&str, Syntax)] = &[(".tofu", Syntax::Native), (".tofu.json", Syntax::Json)];

#[derive(Clone, Copy)]
enum Syntax {
    Json,
    Native,
}

/// What is known about a configuration.
#[cfg_attr(test, derive(Debug, PartialEq))]
#[derive(Clone, Default, Deserialize, Serialize)]
pub(crate) struct Configuration {
    /// Whether a `terraform` block has a `backend` or `cloud` block.
    pub(crate) has_backend: bool,
    /// The declared variables.
    pub(crate) variables: BTreeMap<String, Declaration>,
}

/// How a variable is declared.
#[cfg_attr(test, derive(Debug, PartialEq))]
#[derive(Clone, Copy, Default, Deserialize, Serialize)]
pub(crate) struct Declaration {
    pub(crate) has_default: bool,
    /// Whether its type is `string`.
    pub(crate) is_text: bool,
}

/// Why a configuration can't be understood.
#[derive(Debug, Error)]
pub(crate) enum ConfigurationError {
    #[error("`{file}` could not be read: {reason}")]
    File { file: String, reason: &'static str },
    #[error(
        "it has a file of more than {} MiB, more than {} MiB in all, or more than {FILES_MAX} files",
        FILE_BYTES_MAX >> 20,
        BYTES_MAX >> 20
    )]
    Large,
    #[error("`{file}`, line {line}, column {column}: {message}")]
    Syntax { file: String, line: usize, column: usize, message: String },
}

/// What one file says.
#[derive(Default)]
struct Found {
    has_backend: bool,
    variables: Vec<(String, Variable)>,
}

/// What one `variable` block says. A later one (in an override file) need not repeat what an earlier one said.
#[derive(Default)]
struct Variable {
    has_default: bool,
    is_text: Option<bool>,
}

/// A mistake in a file.
struct Mistake {
    line: usize,
    column: usize,
    message: String,
}

/// The names, out of those in a folder, of the files that make its configuration, in the order in which they are read: those that
/// override others last.
pub(crate) fn files(names: &[String], is_tofu: bool) -> Vec<&str> {
    let is_hidden = |name: &str| {
        let hides = |end: &str, instead: &str| {
            let stem = name.strip_suffix(end);
            stem.is_some_and(|stem| names.iter().any(|other| *other == format!("{stem}{instead}")))
        };
        is_tofu && (hides(".tf", ".tofu") || hides(".tf.json", ".tofu.json"))
    };
    let counts =
        |name: &&str| syntax(name, is_tofu).is_some() && !is_ignored(name) && !is_hidden(name);
    let mut files: Vec<_> = names.iter().map(String::as_str).filter(counts).collect();
    files.sort_unstable_by_key(|name| (is_override(name), *name));
    files
}

/// Reads files in their order.
pub(crate) fn scan<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<Configuration, ConfigurationError> {
    let mut configuration = Configuration::default();
    let mut bytes = 0;
    for (count, (name, content)) in files.into_iter().enumerate() {
        let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        bytes += size;
        if count >= FILES_MAX || bytes > BYTES_MAX || size > FILE_BYTES_MAX {
            return Err(ConfigurationError::Large);
        }
        let found = read(name, content)?;
        configuration.has_backend |= found.has_backend;
        for (name, variable) in found.variables {
            let declared = configuration.variables.entry(name).or_default();
            declared.has_default |= variable.has_default;
            declared.is_text = variable.is_text.unwrap_or(declared.is_text);
        }
    }
    Ok(configuration)
}

fn read(name: &str, content: &[u8]) -> Result<Found, ConfigurationError> {
    let text = std::str::from_utf8(content).map_err(|_| ConfigurationError::File {
        file: name.to_owned(),
        reason: "it is not UTF-8",
    })?;
    // Editors on Windows put a byte order mark in front; the tool skips it, too.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let found = match syntax(name, true) {
        Some(Syntax::Json) => json::read(text),
        Some(Syntax::Native) | None => native::read(text),
    };
    found.map_err(|Mistake { line, column, message }| ConfigurationError::Syntax {
        file: name.to_owned(),
        line,
        column,
        message,
    })
}

fn syntax(name: &str, is_tofu: bool) -> Option<Syntax> {
    let ends = ENDS.iter().chain(TOFU_ENDS.iter().filter(|_| is_tofu));
    ends.into_iter().find(|(end, _)| name.ends_with(end)).map(|(_, syntax)| *syntax)
}

/// What the tool takes for files of editors.
fn is_ignored(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || (name.starts_with('#') && name.ends_with('#'))
}

fn is_override(name: &str) -> bool {
    let ends = ENDS.iter().chain(TOFU_ENDS);
    let mut stems = ends.filter_map(|(end, _)| name.strip_suffix(end));
    stems.any(|stem| stem == "override" || stem.ends_with("_override"))
}

#[cfg(test)]
mod tests;
