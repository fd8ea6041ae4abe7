//! The vocabulary of runs: what was ordered ([`Run`]), how it ended ([`Outcome`](crate::outcome::Outcome)), who is to blame.
//!
//! Plain data: nothing here does I/O, knows the wire format or knows WebAssembly.

mod document;
mod json;
mod opened;

use std::collections::BTreeMap;
use std::fmt;

pub use document::{DocumentForm, OpenedDocument};
pub use json::{InvalidJson, Json};
pub use opened::{OpenedInput, OpenedRun, Value};

/// Identifies one run; a UUID in meshStack, opaque text to us (checked to be safe as a file name).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(String);

/// The longest id we accept; a UUID has 36 characters. Ids name files and appear on every log line.
const RUN_ID_MAX: usize = 64;

impl RunId {
    /// Accepts `[A-Za-z0-9-]{1,64}` only, since the id becomes the name of the run's directory.
    ///
    /// # Errors
    /// [`InvalidRunId`] if it is empty, too long or has other characters.
    pub fn parse(text: &str) -> Result<Self, InvalidRunId> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if text.is_empty() || text.len() > RUN_ID_MAX || !plain {
            return Err(InvalidRunId);
        }
        Ok(Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A run id that can't be a directory's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run id must have 1 to {RUN_ID_MAX} letters, digits or hyphens")]
pub struct InvalidRunId;

/// One execution of one building block, as claimed; sealed values are still sealed.
#[derive(Clone, Debug)]
pub struct Run {
    /// Identifies the run.
    pub id: RunId,
    /// Counts the runs of the block, from 1.
    pub number: u64,
    /// What is to be done.
    pub behavior: Behavior,
    /// Why the run exists, if meshStack says so.
    pub trigger: Option<Trigger>,
    /// The block that is built.
    pub block: Block,
    /// The template behind the block.
    pub definition: Definition,
    /// Where it is in meshStack's API, ordered by name.
    pub links: Vec<RunLink>,
}

/// An address of a run. `Debug` shows the name only: nobody knows what may be in an address.
#[derive(Clone, PartialEq, Eq)]
pub struct RunLink {
    /// `self`, `updateSource`, …
    pub name: String,
    /// As it was received; it may be a template.
    pub href: String,
}

impl fmt::Debug for RunLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunLink").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a run does to its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Behavior {
    /// Create or update.
    Apply,
    /// Remove.
    Destroy,
    /// Dry run: say what would change.
    Detect,
}

/// Why a run exists.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// meshStack's word for it, passed on as it is (`MANUAL_EXECUTION`, …; new ones appear).
    pub reason: String,
    /// Who caused it.
    pub author: Option<Author>,
}

/// Who caused a run.
#[derive(Clone, Debug)]
pub struct Author {
    /// meshStack's identifier of the author.
    pub identifier: String,
    /// `User`, `ApiKey`, `System`, … (new ones appear).
    pub kind: String,
    /// A name to show, if there is one.
    pub display_name: Option<String>,
    /// The login name, if there is one.
    pub username: Option<String>,
    /// The mail address, if there is one.
    pub email: Option<String>,
    /// The external user id, if there is one.
    pub euid: Option<String>,
}

/// The building block that a run works on.
#[derive(Clone, Debug)]
pub struct Block {
    /// Identifies the block.
    pub uuid: String,
    /// Its name in the panel.
    pub display_name: String,
    /// The workspace that ordered it: the tenant.
    pub tenant: String,
    /// The project it lives in, if any.
    pub project: Option<String>,
    /// The platform it lives on (`platform.location`), if any.
    pub platform: Option<String>,
    /// What the user entered, in meshStack's order.
    pub inputs: Vec<Input>,
    /// The blocks it builds upon.
    pub parents: Vec<Parent>,
}

/// A block that another one builds upon.
#[derive(Clone, Debug)]
pub struct Parent {
    /// Identifies the parent block.
    pub block: String,
    /// Identifies the parent's definition.
    pub definition: String,
}

/// One input of a block.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name in the definition.
    pub key: String,
    /// How its value is to be read.
    pub kind: InputKind,
    /// Its value exactly as received; for a sealed one the sealed text.
    pub value: Json,
    /// Whether the user must not see it in clear.
    pub sensitive: bool,
    /// Whether it is meant for the environment of a process.
    pub environment: bool,
}

impl Input {
    /// Whether meshStack seals this input to the runner's key: sensitive text only.
    /// Other types are sent plain even when they are marked sensitive.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sensitive && matches!(self.kind, InputKind::Code | InputKind::File | InputKind::String)
    }
}

/// The type of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// `true` or `false`.
    Boolean,
    /// Structured text (JSON or HCL); the legacy `LIST` is read as this too but keeps its own name.
    Code,
    /// A data URL.
    File,
    /// A whole number of any size.
    Integer,
    /// The legacy name of `CODE`.
    List,
    /// Some of a list of choices.
    MultiSelect,
    /// One of a list of choices.
    SingleSelect,
    /// Text.
    String,
    /// A type that is newer than this runner.
    Other(String),
}

impl InputKind {
    /// Whether a value of this type is text as it was entered, rather than JSON.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Code | Self::File | Self::SingleSelect | Self::String)
    }
}

/// The template behind a block.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Identifies the definition.
    pub uuid: String,
    /// The workspace that owns the definition: the owner.
    pub owner: String,
    /// Its version.
    pub version: u64,
    /// How it is built.
    pub implementation: Implementation,
}

/// How a definition is built: its type and that type's settings.
#[derive(Clone, Debug)]
pub struct Implementation {
    /// `MANUAL`, `TERRAFORM`, … or a name we have never heard of.
    pub kind: String,
    /// Every other field, as received; those of [`Implementation::sealed_fields`] are sealed.
    pub settings: BTreeMap<String, Json>,
}

impl Implementation {
    /// The settings that meshStack seals for this type.
    #[must_use]
    pub fn sealed_fields(&self) -> &'static [&'static str] {
        match self.kind.as_str() {
            "AZURE_DEVOPS" => &["personalAccessToken"],
            "GITHUB_WORKFLOW" => &["appPem"],
            "GITLAB_CICD" => &["pipelineTriggerToken"],
            "TERRAFORM" => &["sshPrivateKey"],
            _ => &[],
        }
    }
}

#[cfg(test)]
impl Run {
    /// One of a type without inputs and settings.
    pub(crate) fn bare(kind: &str) -> Self {
        let implementation = Implementation { kind: kind.to_owned(), settings: BTreeMap::new() };
        Self {
            id: RunId("r".to_owned()),
            number: 1,
            behavior: Behavior::Apply,
            trigger: None,
            block: Block {
                uuid: "b".to_owned(),
                display_name: "b".to_owned(),
                tenant: "t".to_owned(),
                project: None,
                platform: None,
                inputs: Vec::new(),
                parents: Vec::new(),
            },
            definition: Definition {
                uuid: "d".to_owned(),
                owner: "o".to_owned(),
                version: 1,
                implementation,
            },
            links: Vec::new(),
        }
    }
}
