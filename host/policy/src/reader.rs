//! Takes values out of a parsed file and notes every mistake on the way: [`Reader`].

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::mistake::{Mistakes, Noted, Source, is_hidden, quoted};
use crate::position::Position;

/// Longest key that is compared with the known ones. Attack: comparing takes the product of both lengths.
const MAX_COMPARED_CHARS: usize = 40;

pub(crate) type Value<'d> = &'d Spanned<DeValue<'d>>;

/// Reads one file. What it returns is right; what is not, is noted and becomes `None` or is left out of a list.
#[derive(Debug)]
pub(crate) struct Reader<'t> {
    source: Source<'t>,
    noted: Vec<Noted>,
}

/// One table of the file.
#[derive(Debug)]
pub(crate) struct Section<'d> {
    table: &'d DeTable<'d>,
    span: Range<usize>,
    /// As it is written: `[[http]]`.
    title: &'static str,
}

/// What a parser of one value has to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Complaint {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

// === impl Section ===

impl<'d> Section<'d> {
    pub(crate) fn root(table: &'d DeTable<'d>) -> Self {
        Self { table, span: 0..0, title: "the file" }
    }

    pub(crate) fn value(&self, key: &str) -> Option<Value<'d>> {
        self.table.get(key)
    }

    /// The same under another name.
    pub(crate) fn titled(self, title: &'static str) -> Self {
        Self { title, ..self }
    }

    /// The header, or the value of an inline table.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Every key and its value, whatever it is called.
    pub(crate) fn entries(
        &self,
    ) -> impl Iterator<Item = (&'d str, Range<usize>, Value<'d>)> + use<'d> {
        self.table.iter().map(|(key, value)| (&**key.get_ref(), key.span(), value))
    }
}

// === impl Reader ===

impl<'t> Reader<'t> {
    pub(crate) fn new(source: Source<'t>) -> Self {
        Self { source, noted: Vec::new() }
    }

    /// # Errors
    /// All that was noted.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Mistakes> {
        Mistakes::new(&self.source, self.noted).map_or(Ok(value), Err)
    }

    pub(crate) fn position(&self, section: &Section<'_>) -> Position {
        self.position_of(&section.span)
    }

    pub(crate) fn position_of(&self, span: &Range<usize>) -> Position {
        Position { file: self.source.file().clone(), line: self.source.line(span.start) }
    }

    pub(crate) fn note(&mut self, span: Range<usize>, complaint: Complaint) {
        let Complaint { message, hint } = complaint;
        self.noted.push(Noted { span, message, hint });
    }

    /// Passes a value on, or notes what is wrong with it.
    pub(crate) fn check<T>(
        &mut self,
        span: Range<usize>,
        result: Result<T, Complaint>,
    ) -> Option<T> {
        result.map_err(|complaint| self.note(span, complaint)).ok()
    }

    /// Notes all keys of the section that are not `known`.
    pub(crate) fn know(&mut self, section: &Section<'_>, known: &[&str]) {
        for (key, span, _) in section.entries() {
            if known.contains(&key) {
                continue;
            }
            let message = format!("{} does not know the key {}", section.title, quoted(key));
            let mut complaint = Complaint::new(message);
            complaint.hint = nearest(key, known).map(|name| format!("did you mean `{name}`?"));
            self.note(span, complaint);
        }
    }

    pub(crate) fn missing(&mut self, section: &Section<'_>, key: &str) {
        let message = format!("{} must say `{key}`", section.title);
        self.note(section.span(), Complaint::new(message));
    }

    /// A table of its own, such as `[files]`.
    pub(crate) fn section<'d>(
        &mut self,
        parent: &Section<'d>,
        key: &'static str,
        title: &'static str,
    ) -> Option<Section<'d>> {
        let value = parent.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section { table, span: value.span(), title }),
            other => {
                let message = format!("`{key}` must be a table, not {}", kind(other));
                let hint = format!("write `{title}` once");
                self.note(value.span(), Complaint::new(message).with_hint(hint));
                None
            }
        }
    }

    /// Tables that may be repeated, such as `[[http]]`.
    pub(crate) fn sections<'d>(
        &mut self,
        parent: &Section<'d>,
        key: &'static str,
        title: &'static str,
    ) -> Vec<Section<'d>> {
        let Some(value) = parent.value(key) else { return Vec::new() };
        let hint = format!("write `{title}` for each");
        let DeValue::Array(items) = value.get_ref() else {
            let message =
                format!("`{key}` must be a list of tables, not {}", kind(value.get_ref()));
            self.note(value.span(), Complaint::new(message).with_hint(hint));
            return Vec::new();
        };
        if items.is_empty() {
            self.note(value.span(), Complaint::new(format!("`{key}` must not be empty")));
        }
        let mut sections = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => sections.push(Section { table, span: item.span(), title }),
                other => {
                    let message = format!("`{key}` must hold tables, not {}", kind(other));
                    self.note(item.span(), Complaint::new(message).with_hint(hint.clone()));
                }
            }
        }
        sections
    }

    /// A text that is not empty.
    pub(crate) fn text<'d>(
        &mut self,
        section: &Section<'d>,
        key: &str,
    ) -> Option<Spanned<&'d str>> {
        let value = section.value(key)?;
        self.text_of(value, key)
    }

    /// As [`text`](Self::text), and it must be there.
    pub(crate) fn required_text(&mut self, section: &Section<'_>, key: &str) -> Option<String> {
        if section.value(key).is_none() {
            self.missing(section, key);
        }
        self.text(section, key).map(|text| text.into_inner().to_owned())
    }

    pub(crate) fn text_of<'d>(&mut self, value: Value<'d>, key: &str) -> Option<Spanned<&'d str>> {
        let complaint = match value.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => format!("`{key}` must not be empty"),
            // Texts of several lines are fine: a reason may need them.
            DeValue::String(text) if text.chars().any(|c| is_hidden(c) && c != '\n') => {
                format!("`{key}` must not have control characters or invisible ones")
            }
            DeValue::String(text) => return Some(Spanned::new(value.span(), text)),
            other => format!("`{key}` must be a text, not {}", kind(other)),
        };
        self.note(value.span(), Complaint::new(complaint));
        None
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, section: &Section<'_>, key: &str) -> Option<bool> {
        let value = section.value(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            other => {
                let message = format!("`{key}` must be `true` or `false`, not {}", kind(other));
                self.note(value.span(), Complaint::new(message));
                None
            }
        }
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn whole(
        &mut self,
        section: &Section<'_>,
        key: &str,
        min: u64,
        max: u64,
        unit: &str,
    ) -> Option<u64> {
        let value = section.value(key)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            let message = format!("`{key}` must be a whole number, not {}", kind(value.get_ref()));
            self.note(value.span(), Complaint::new(message));
            return None;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| (min..=max).contains(number));
        if number.is_none() {
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            let message = format!("`{key}` must be from {min} to {max}{unit}");
            self.note(value.span(), Complaint::new(message));
        }
        number
    }

    /// The values of a list, which must not be empty. `None` when the key is missing, or nothing of use is there.
    pub(crate) fn list<'d>(
        &mut self,
        section: &Section<'d>,
        key: &str,
    ) -> Option<impl Iterator<Item = Value<'d>> + use<'d>> {
        let value = section.value(key)?;
        match value.get_ref() {
            DeValue::Array(items) if !items.is_empty() => return Some(items.iter()),
            DeValue::Array(_) => {
                self.note(value.span(), Complaint::new(format!("`{key}` must not be empty")));
            }
            other => {
                let message = format!("`{key}` must be a list, not {}", kind(other));
                self.note(value.span(), Complaint::new(message));
            }
        }
        None
    }

    /// A list of texts, each read by `parse`. Notes those that occur twice. Empty when the key is missing.
    pub(crate) fn parsed<T: Clone + Ord>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Complaint>,
    ) -> Vec<T> {
        let Some(items) = self.list(section, key) else { return Vec::new() };
        let mut distinct = Distinct::default();
        for item in items {
            let DeValue::String(text) = item.get_ref() else {
                let message = format!("`{key}` must hold texts, not {}", kind(item.get_ref()));
                self.note(item.span(), Complaint::new(message));
                continue;
            };
            if text.trim().is_empty() {
                let message = format!("`{key}` must not hold an empty text");
                self.note(item.span(), Complaint::new(message));
                continue;
            }
            if text.chars().any(is_hidden) {
                let message = format!("`{key}` must not hold control characters or invisible ones");
                self.note(item.span(), Complaint::new(message));
                continue;
            }
            if let Some(value) = self.check(item.span(), parse(text)) {
                distinct.add(self, item.span(), key, value);
            }
        }
        distinct.values
    }

    /// As [`parsed`](Self::parsed), and the key must be there.
    pub(crate) fn required<T: Clone + Ord>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Complaint>,
    ) -> Vec<T> {
        if section.value(key).is_none() {
            self.missing(section, key);
        }
        self.parsed(section, key, parse)
    }
}

/// Collects the values of a list and notes those that occur twice.
#[derive(Debug)]
pub(crate) struct Distinct<T> {
    pub(crate) values: Vec<T>,
    seen: BTreeSet<T>,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self { values: Vec::new(), seen: BTreeSet::new() }
    }
}

impl<T: Clone + Ord> Distinct<T> {
    pub(crate) fn add(&mut self, reader: &mut Reader<'_>, span: Range<usize>, key: &str, value: T) {
        if self.seen.insert(value.clone()) {
            self.values.push(value);
        } else {
            reader.note(span, Complaint::new(format!("`{key}` names this twice")));
        }
    }
}

/// A value's type, with its article.
pub(crate) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::Array(_) => "a list",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Float(_) => "a fraction",
        DeValue::Integer(_) => "a number",
        DeValue::String(_) => "a text",
        DeValue::Table(_) => "a table",
    }
}

/// The known name that `given` was most likely meant to be: at most a third of it differs.
fn nearest<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let given: String = given.chars().take(MAX_COMPARED_CHARS).collect::<String>().to_lowercase();
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&given, name), *name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
