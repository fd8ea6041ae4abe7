//! Takes settings out of the file and the environment, remembers where each came from, and collects every mistake.
//!
//! Main types: [`Reader`] (one per load), [`Section`] (one map of the file) and [`Found`] (a value that somebody gave, not
//! yet understood). A section's parser asks for its keys, gives a function from text to type, and goes on with the default
//! when that fails: the collected mistakes end the load later, all at once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::mistake::{Mistake, Place, Warning, shown};
use super::yaml::{Entry, Mark, Node, Value};

/// Longest secret or certificate file that is read. Attack: none; it stops a wrong path.
const MAX_SIDE_FILE_BYTES: u64 = 1024 * 1024;

/// Where the value of a setting came from; for `config show`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) place: Place,
    /// The file that holds the value, when the setting named one (`clientSecretFile`).
    pub(super) side_file: Option<PathBuf>,
}

/// What a parser of a single value has to say. Must not quote the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// A value that somebody gave, with its key and place. Has no `Debug`: any value can be a secret.
#[derive(Clone)]
pub(super) struct Found<'n> {
    /// The key as it was written, with its sections: `limits.fuel`.
    pub(super) key: String,
    given: Given<'n>,
}

#[derive(Clone)]
enum Given<'n> {
    Node(&'n Node),
    Variable {
        name: &'static str,
        text: String,
    },
    /// A file that is used because it exists at its default path.
    Existing {
        path: &'static str,
    },
}

/// One map of the file whose keys are all known. Empty when the file does not have it.
#[derive(Clone)]
pub(super) struct Section<'n> {
    path: String,
    mark: Option<Mark>,
    entries: &'n [Entry],
}

/// Collects while the sections are read.
pub(super) struct Reader<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    /// Relative paths start here.
    directory: &'a Path,
    /// The configuration file as it was given, and as it is shown.
    file_path: Option<PathBuf>,
    file: Option<String>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Warning>,
    pub(super) origins: BTreeMap<String, Origin>,
}

// === impl Found ===

impl<'n> Found<'n> {
    /// A file that nobody named but that exists at its default path.
    pub(super) fn existing(key: &str, path: &'static str) -> Self {
        Self { key: key.to_owned(), given: Given::Existing { path } }
    }

    /// The text of a scalar; `None` for a list or map.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.given {
            Given::Variable { text, .. } => Some(text),
            Given::Existing { path } => Some(path),
            Given::Node(Node { value: Value::Text(text), .. }) => Some(text),
            Given::Node(_) => None,
        }
    }

    /// The items of a list, or the single value as a list of one.
    pub(super) fn items(&self) -> Vec<Found<'n>> {
        match &self.given {
            Given::Node(Node { value: Value::List(nodes), .. }) => nodes
                .iter()
                .enumerate()
                .map(|(index, node)| Found {
                    key: format!("{}[{index}]", self.key),
                    given: Given::Node(node),
                })
                .collect(),
            _ => vec![self.clone()],
        }
    }
}

// === impl Section ===

impl<'n> Section<'n> {
    /// The value of `key`. A key without value, or with an empty text, counts as not given: commented-out bodies and
    /// `clientId: ""` are common in files that people have.
    pub(super) fn find(&self, key: &str) -> Option<Found<'n>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        match &entry.node.value {
            Value::Null => None,
            Value::Text(text) if text.trim().is_empty() => None,
            _ => Some(Found { key: self.join(key), given: Given::Node(&entry.node) }),
        }
    }

    pub(super) fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) fn new(
        env: &'a dyn Fn(&str) -> Option<String>,
        directory: &'a Path,
        file_path: Option<PathBuf>,
    ) -> Self {
        let file = file_path.as_ref().map(|path| shown(&path.to_string_lossy()));
        let (mistakes, warnings, origins) = (vec![], vec![], BTreeMap::new());
        Self { env, directory, file, file_path, mistakes, warnings, origins }
    }

    /// The place of a mark in the configuration file.
    pub(super) fn at(&self, mark: Mark) -> Place {
        let path = self.file.clone().unwrap_or_default();
        Place::File { path, line: mark.line, column: mark.column }
    }

    /// The place for something that is missing.
    pub(super) fn whole(&self) -> Place {
        match &self.file {
            Some(path) => Place::WholeFile { path: path.clone() },
            None => Place::Nowhere,
        }
    }

    pub(super) fn place(&self, found: &Found<'_>) -> Place {
        match &found.given {
            Given::Node(node) => self.at(node.mark),
            Given::Variable { name, .. } => Place::Variable { name },
            Given::Existing { path } => Place::WholeFile { path: (*path).to_owned() },
        }
    }

    /// Adds a mistake about a value.
    pub(super) fn wrong(&mut self, found: &Found<'_>, complaint: impl Into<Complaint>) {
        let place = self.place(found);
        self.push(place, found.key.clone(), complaint.into());
    }

    /// Adds a mistake about something that is not there, at the section that should have it.
    pub(super) fn missing(
        &mut self,
        section: &Section<'_>,
        key: &str,
        complaint: impl Into<Complaint>,
    ) {
        let mark = section.mark.filter(|_| !section.path.is_empty());
        let place = mark.map_or_else(|| self.whole(), |mark| self.at(mark));
        self.push(place, section.join(key), complaint.into());
    }

    pub(super) fn push(&mut self, place: Place, key: String, complaint: Complaint) {
        let Complaint { message, hint } = complaint;
        self.mistakes.push(Mistake { place, key, message, hint });
    }

    pub(super) fn warn(&mut self, found: &Found<'_>, text: &str) {
        let place = self.place(found);
        self.warnings.push(Warning { place, key: found.key.clone(), text: text.to_owned() });
    }

    /// Opens a map. Keys that are not in `known` are mistakes, with the nearest known key as a hint.
    pub(super) fn section<'n>(
        &mut self,
        path: &str,
        node: Option<&'n Node>,
        known: &[&str],
    ) -> Section<'n> {
        let empty = Section { path: path.to_owned(), mark: None, entries: &[] };
        let Some(node) = node else { return empty };
        let entries = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => return empty,
            Value::List(_) | Value::Text(_) => {
                let place = self.at(node.mark);
                let complaint = Complaint::from("must be a section of keys and values");
                self.push(
                    place,
                    path.to_owned(),
                    complaint.hint(format!("keys: {}", known.join(", "))),
                );
                return empty;
            }
        };
        let section = Section { path: path.to_owned(), mark: Some(node.mark), entries };
        for entry in entries.iter().filter(|entry| !known.contains(&&*entry.key)) {
            let mut complaint = Complaint::from("is not a known key");
            complaint.hint = super::known::hint(path, &entry.key, known);
            let place = self.at(entry.mark);
            self.push(place, section.join(&shown(&entry.key)), complaint);
        }
        section
    }

    /// Opens the map under `key` of `parent`.
    pub(super) fn subsection<'n>(
        &mut self,
        parent: &Section<'n>,
        key: &str,
        known: &[&str],
    ) -> Section<'n> {
        let entry = parent.entries.iter().find(|entry| entry.key == key);
        self.section(&parent.join(key), entry.map(|entry| &entry.node), known)
    }

    /// Opens a value that must be a map.
    pub(super) fn open<'n>(&mut self, found: &Found<'n>, known: &[&str]) -> Section<'n> {
        match found.given {
            Given::Node(node) => self.section(&found.key, Some(node), known),
            Given::Existing { .. } | Given::Variable { .. } => {
                self.section(&found.key, None, known)
            }
        }
    }

    /// A variable of the environment; empty counts as not set.
    pub(super) fn variable<'n>(&self, name: &'static str, key: &str) -> Option<Found<'n>> {
        let text = (self.env)(name).filter(|text| !text.trim().is_empty())?;
        Some(Found { key: key.to_owned(), given: Given::Variable { name, text } })
    }

    /// The variable when it is set, else what the file says.
    pub(super) fn over<'n>(
        &self,
        name: &'static str,
        found: Option<Found<'n>>,
    ) -> Option<Found<'n>> {
        let key = found.as_ref().map_or("", |found| &found.key);
        self.variable(name, key).or(found)
    }

    /// Two names of one setting: at most one may be given.
    pub(super) fn either<'n>(
        &mut self,
        first: Option<Found<'n>>,
        second: Option<Found<'n>>,
    ) -> Option<Found<'n>> {
        if let (Some(first), Some(second)) = (&first, &second) {
            let other = match self.place(first) {
                Place::File { line, .. } => format!("`{}` on line {line}", first.key),
                _ => format!("`{}`", first.key),
            };
            let message = format!("sets the same as {other}; keep one of the two");
            self.wrong(second, Complaint::from(message));
        }
        first.or(second)
    }

    /// Understands a value as `T`, and remembers where the setting `canonical` came from.
    pub(super) fn parse<T>(
        &mut self,
        canonical: &str,
        found: Option<Found<'_>>,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        let found = found?;
        let Some(text) = found.text() else {
            self.wrong(&found, "must be a single value, not a list or section");
            return None;
        };
        match parse(text) {
            Ok(value) => {
                self.came_from(canonical, &found, None);
                Some(value)
            }
            Err(complaint) => {
                self.wrong(&found, complaint);
                None
            }
        }
    }

    /// Remembers where the setting `canonical` came from.
    pub(super) fn came_from(
        &mut self,
        canonical: &str,
        found: &Found<'_>,
        side_file: Option<PathBuf>,
    ) {
        let place = self.place(found);
        self.origins.insert(canonical.to_owned(), Origin { place, side_file });
    }

    /// A text that is taken as it is.
    pub(super) fn text(&mut self, canonical: &str, found: Option<Found<'_>>) -> Option<String> {
        self.parse(canonical, found, |text| Ok(text.trim().to_owned()))
    }

    /// A list of texts; a single text is a list of one. The items keep their places.
    pub(super) fn texts<T>(
        &mut self,
        canonical: &str,
        found: Option<Found<'_>>,
        parse: impl Fn(&str) -> Result<T, Complaint>,
    ) -> Option<Vec<T>> {
        let found = found?;
        let items = found.items();
        if items.is_empty() {
            self.wrong(&found, "must not be an empty list");
            return None;
        }
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            match item.text().map(|text| parse(text.trim())) {
                Some(Ok(value)) => values.push(value),
                Some(Err(complaint)) => self.wrong(&item, complaint),
                None => self.wrong(&item, "must be text"),
            }
        }
        self.came_from(canonical, &found, None);
        Some(values)
    }

    /// A secret: in a variable, in the file, or in a file of its own. The variable wins; the other two exclude each other.
    pub(super) fn secret(
        &mut self,
        canonical: &str,
        variable: Option<&'static str>,
        inline: Option<Found<'_>>,
        file: Option<Found<'_>>,
    ) -> Option<SecretString> {
        if let Some(found) = variable.and_then(|name| self.variable(name, canonical)) {
            return self
                .parse(canonical, Some(found), |text| Ok(SecretString::from(trimmed(text))));
        }
        self.either(inline.clone(), file.clone());
        match (inline, file) {
            (Some(inline), _) => {
                self.parse(canonical, Some(inline), |text| Ok(SecretString::from(trimmed(text))))
            }
            (None, Some(file)) => self.secret_file(canonical, &file),
            (None, None) => None,
        }
    }

    /// The content of the file that `found` names, as a secret without its trailing line break.
    pub(super) fn secret_file(
        &mut self,
        canonical: &str,
        found: &Found<'_>,
    ) -> Option<SecretString> {
        let content = self.side_file(found)?;
        let content = trimmed(&content);
        if content.is_empty() {
            self.wrong(found, "names an empty file");
            return None;
        }
        self.came_from(canonical, found, found.text().map(PathBuf::from));
        Some(SecretString::from(content))
    }

    /// The content of the file that `found` names: at most 1 MiB of text.
    pub(super) fn side_file(&mut self, found: &Found<'_>) -> Option<Zeroizing<String>> {
        let Some(path) = found.text() else {
            self.wrong(found, "must be the path of a file");
            return None;
        };
        match read_text(&self.directory.join(path), MAX_SIDE_FILE_BYTES) {
            Ok(text) => Some(text),
            Err(error) => {
                self.wrong(found, format!("names a file that can't be read: {error}"));
                None
            }
        }
    }

    /// Where relative paths start.
    pub(super) fn directory(&self) -> &'a Path {
        self.directory
    }

    /// A path that starts at the configuration file unless it is absolute: the file, its policies and components are moved and
    /// checked together, wherever the program is started. To be joined with [`Reader::directory`].
    pub(super) fn beside_file(&self, path: &Path) -> PathBuf {
        let parent = self.file_path.as_deref().and_then(Path::parent);
        parent.map_or_else(|| path.to_owned(), |parent| parent.join(path))
    }

    /// Looks a variable up that is not a setting of ours, such as `HOME`.
    pub(super) fn environment(&self, name: &'static str) -> Option<String> {
        (self.env)(name).filter(|text| !text.is_empty())
    }
}

/// Reads a whole text file of at most `limit` bytes.
pub(super) fn read_text(path: &Path, limit: u64) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = File::open(path)?.take(limit + 1).read_to_string(&mut text)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > limit {
        let message = format!("it is larger than {} KiB", limit / 1024);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

/// Editors and `echo` end a file with a line break that is no part of the secret.
fn trimmed(text: &str) -> String {
    text.trim_end_matches(['\r', '\n']).to_owned()
}

// === impl Complaint ===

impl Complaint {
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<&str> for Complaint {
    fn from(message: &str) -> Self {
        Self { message: message.to_owned(), hint: None }
    }
}

impl From<String> for Complaint {
    fn from(message: String) -> Self {
        Self { message, hint: None }
    }
}
