//! Writes the effective configuration as YAML that can be loaded again, with secrets redacted and origins as comments.

use std::collections::BTreeMap;
use std::time::Duration;

use super::mistake::Place;
use super::reader::Origin;

/// Stands for every secret.
pub(super) const REDACTED: &str = "<redacted>";

/// The text while it grows. Sections ask for their keys; the path of each leads to its origin.
pub(super) struct Show<'a> {
    origins: &'a BTreeMap<String, Origin>,
    text: String,
    path: Vec<String>,
    indent: usize,
    /// The next line is the first of a list item and starts with `- `.
    item: bool,
}

impl<'a> Show<'a> {
    pub(super) fn new(origins: &'a BTreeMap<String, Origin>) -> Self {
        Self { origins, text: String::new(), path: vec![], indent: 0, item: false }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn comment(&mut self, text: &str) {
        self.text.push_str(&format!("# {text}\n"));
    }

    /// A section; nothing at all when its body writes nothing.
    pub(super) fn section(&mut self, key: &str, body: impl FnOnce(&mut Self)) {
        let (start, item) = (self.text.len(), self.item);
        self.line(&format!("{key}:"), None);
        let heading = self.text.len();
        self.path.push(key.to_owned());
        self.indent += 1;
        body(self);
        self.indent -= 1;
        self.path.pop();
        if self.text.len() == heading {
            self.text.truncate(start);
            self.item = item;
        }
    }

    /// A list of sections.
    pub(super) fn sequence<T>(&mut self, key: &str, items: &[T], body: impl Fn(&T, &mut Self)) {
        if items.is_empty() {
            return;
        }
        self.line(&format!("{key}:"), Some(key));
        self.indent += 2;
        for (index, item) in items.iter().enumerate() {
            self.path.push(format!("{key}[{index}]"));
            self.item = true;
            body(item, self);
            self.path.pop();
        }
        self.indent -= 2;
    }

    pub(super) fn value(&mut self, key: &str, value: &str) {
        self.line(&format!("{key}: {}", quoted(value)), Some(key));
    }

    pub(super) fn duration(&mut self, key: &str, value: Duration) {
        self.value(key, &humantime::format_duration(value).to_string());
    }

    pub(super) fn list<'v>(&mut self, key: &str, values: impl Iterator<Item = &'v str>) {
        let values: Vec<_> = values.map(quoted_in_list).collect();
        self.line(&format!("{key}: [{}]", values.join(", ")), Some(key));
    }

    /// A secret: redacted, or the path of the file that it was read from.
    pub(super) fn secret(&mut self, key: &str) {
        let origin = self.origins.get(&self.full(key));
        match origin.and_then(|origin| origin.side_file.as_ref()) {
            Some(file) => {
                let value = quoted(&file.to_string_lossy());
                self.line(&format!("{key}File: {value}"), Some(key));
            }
            None => self.line(&format!("{key}: {REDACTED}"), Some(key)),
        }
    }

    fn full(&self, key: &str) -> String {
        self.path.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".")
    }

    fn line(&mut self, line: &str, commented: Option<&str>) {
        let spaces = self.indent * 2;
        if std::mem::take(&mut self.item) {
            self.text.push_str(&" ".repeat(spaces.saturating_sub(2)));
            self.text.push_str("- ");
        } else {
            self.text.push_str(&" ".repeat(spaces));
        }
        self.text.push_str(line);
        if let Some(key) = commented {
            let origin = match self.origins.get(&self.full(key)).map(|origin| &origin.place) {
                Some(Place::File { path, line, .. }) => format!("{path}:{line}"),
                Some(place @ (Place::Variable { .. } | Place::WholeFile { .. })) => {
                    place.to_string()
                }
                Some(Place::Nowhere) | None => "default".to_owned(),
            };
            self.text.push_str(&format!("  # {}", origin.escape_debug()));
        }
        self.text.push('\n');
    }
}

/// A value for YAML: bare where that is surely the same text, else in double quotes.
fn quoted(value: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || " ._/:@<>+-".contains(c);
    let safe = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && value.chars().all(bare)
        && !value.contains(": ")
        && !value.ends_with([':', ' '])
        && !value.eq_ignore_ascii_case("null");
    if safe { value.to_owned() } else { in_quotes(value) }
}

/// A list in brackets is stricter about bare texts.
fn quoted_in_list(value: &str) -> String {
    if value.contains(':') { in_quotes(value) } else { quoted(value) }
}

fn in_quotes(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c) || c == '\u{feff}' => {
                text.push_str(&format!("\\U{:08X}", u32::from(c)));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml::{self, Value};

    #[test]
    fn every_quoted_value_reads_back_as_itself() {
        for value in [
            "x",
            "",
            " ",
            "null",
            "~",
            "a: b",
            "a #b",
            "#",
            "- a",
            "[",
            "{a}",
            "*",
            "&a",
            "!x",
            "'",
            "\"",
            "\\",
            "C:\\ProgramData\\x",
            "a\nb\n",
            "\t",
            "\u{1b}[0m",
            "\u{202e}",
            "ä€😀",
            "a:",
            "10s",
            "1h 30m",
            "http://<redacted>@x:1",
            "%x",
            "@x",
            "`x`",
            "a,b",
            "\u{7f}",
            "\u{85}",
            "sha256:ab",
        ] {
            for text in [
                format!("k: {}  # c", quoted(value)),
                format!("k: [{}]  # c", quoted_in_list(value)),
            ] {
                let node = yaml::parse(&text).unwrap().unwrap();
                let Value::Map(entries) = node.value else { panic!() };
                let read = match &entries[0].node.value {
                    Value::List(items) => items[0].value.clone(),
                    other => other.clone(),
                };
                assert_eq!(read, Value::Text(value.to_owned()), "{text}");
            }
        }
    }
}
