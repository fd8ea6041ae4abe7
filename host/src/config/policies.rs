//! `ceiling` and `policy` of routes: policy files, read and checked while the configuration is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blockhouse_policy::Policy;

use super::EmbeddedPolicy;
use super::known::nearest;
use super::reader::{Complaint, Found, Reader, Section, read_text};
use super::show::Show;

/// The most that is read of a policy, which is then told to be too long.
const MAX_POLICY_BYTES: u64 = 1024 * 1024;
const POLICY_KEYS: &[&str] = &["embedded", "file"];

/// Where a policy comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// Part of this program.
    Embedded {
        /// Its name.
        name: String,
    },
    /// A file.
    File {
        /// The path as it was given; relative paths start at the configuration file.
        given: PathBuf,
    },
}

impl PolicySource {
    pub(super) fn show(&self, out: &mut Show<'_>) {
        match self {
            Self::Embedded { name } => out.value("embedded", name),
            Self::File { .. } => self.show_file(out, "file"),
        }
    }

    /// The path of a file under `key`; nothing for what is part of the program.
    pub(super) fn show_file(&self, out: &mut Show<'_>, key: &str) {
        if let Self::File { given } = self {
            out.value(key, &given.to_string_lossy());
        }
    }
}

/// A policy and where it comes from.
#[derive(Debug, Clone)]
pub struct Sourced {
    /// Where it comes from.
    pub source: PolicySource,
    /// What it says.
    pub policy: Arc<Policy>,
}

/// Reads policies; each file once, however many routes name it.
pub(super) struct Policies<'c> {
    embedded: &'c [EmbeddedPolicy<'c>],
    files: HashMap<PathBuf, Option<Arc<Policy>>>,
}

impl<'c> Policies<'c> {
    pub(super) fn new(embedded: &'c [EmbeddedPolicy<'c>]) -> Self {
        Self { embedded, files: HashMap::new() }
    }

    /// `ceiling`: the policy that bounds all others.
    pub(super) fn ceiling(
        &mut self,
        reader: &mut Reader<'_>,
        root: &Section<'_>,
    ) -> Option<Sourced> {
        let found = root.find("ceiling")?;
        self.file(reader, "ceiling", &found)
    }

    /// `policy` of a route that has one. `None` only beside a mistake.
    pub(super) fn of_route(
        &mut self,
        reader: &mut Reader<'_>,
        route: &Section<'_>,
    ) -> Option<Sourced> {
        let section = reader.subsection(route, "policy", POLICY_KEYS);
        match (section.find("embedded"), section.find("file")) {
            (Some(name), Some(_)) => {
                reader.wrong(&name, "excludes `file`; a route has one policy");
                None
            }
            (Some(name), None) => {
                let known: Vec<_> = self.embedded.iter().map(|policy| policy.name).collect();
                let name = reader.parse(&section.join("embedded"), Some(name), |text| {
                    known_name(text.trim(), &known)
                })?;
                self.embedded(&name)
            }
            (None, Some(file)) => self.file(reader, &section.join("file"), &file),
            (None, None) => {
                missing(reader, route);
                None
            }
        }
    }

    /// The policy of this name that is part of the program.
    pub(super) fn embedded(&self, name: &str) -> Option<Sourced> {
        let embedded = self.embedded.iter().find(|policy| policy.name == name)?;
        // The shipped policies are valid, which a test sees to.
        let policy = Policy::parse(&format!("embedded/{name}.toml"), embedded.text).ok()?;
        let source = PolicySource::Embedded { name: name.to_owned() };
        Some(Sourced { source, policy: Arc::new(policy) })
    }

    fn file(
        &mut self,
        reader: &mut Reader<'_>,
        canonical: &str,
        found: &Found<'_>,
    ) -> Option<Sourced> {
        let given = reader.parse(canonical, Some(found.clone()), |text| Ok(PathBuf::from(text)))?;
        let path = reader.beside_file(&given);
        let policy = match self.files.get(&path) {
            // If it has mistakes, they have been told.
            Some(known) => known.clone(),
            None => {
                let policy = match read_policy(&reader.directory().join(&path), &path) {
                    Ok(policy) => Some(Arc::new(policy)),
                    Err(complaint) => {
                        reader.wrong(found, complaint);
                        None
                    }
                };
                self.files.insert(path, policy.clone());
                policy
            }
        };
        policy.map(|policy| Sourced { source: PolicySource::File { given }, policy })
    }
}

/// A route that needs a policy has none.
pub(super) fn missing(reader: &mut Reader<'_>, route: &Section<'_>) {
    let hint =
        "write `policy: { file: <path> }`, or `policy: { embedded: deny-all }` to grant nothing";
    reader.missing(route, "policy", Complaint::from("is missing").hint(hint));
}

fn read_policy(path: &Path, shown: &Path) -> Result<Policy, Complaint> {
    let text = read_text(path, MAX_POLICY_BYTES)
        .map_err(|error| Complaint::from(format!("names a file that can't be read: {error}")))?;
    Policy::parse(&shown.to_string_lossy(), &text)
        .map_err(|mistakes| Complaint::from(format!("names a policy with mistakes:\n{mistakes}")))
}

fn known_name(name: &str, known: &[&str]) -> Result<String, Complaint> {
    if known.contains(&name) {
        return Ok(name.to_owned());
    }
    let hint = nearest(name, known).map_or_else(
        || format!("embedded are: {}", known.join(", ")),
        |name| format!("did you mean `{name}`?"),
    );
    Err(Complaint::from("names no embedded policy").hint(hint))
}
