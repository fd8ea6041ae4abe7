//! The document of a claimed run, read in two steps: [`Claim::parse`] finds what is needed to report *anything* about
//! the run, [`Claim::run`] reads all of it. So a run whose document is bad can still be reported as failed.
//!
//! Hostile input: parts that we don't name are skipped without recursion (any depth is fine), numbers that we don't
//! compute with are kept as text (see [`Json`](crate::run::Json)), and errors name the place, never the value.

mod addresses;
mod envelope;
mod fault;
mod full;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

pub use fault::DocumentError;

use crate::run::{Run, RunId};

/// A claimed run: ours to execute and to report, whatever its document holds.
pub struct Claim {
    id: RunId,
    token: Option<SecretString>,
    links: Links,
    document: SecretString,
}

impl Claim {
    /// Reads the run's id, token and links; each but the id may be missing or broken.
    ///
    /// # Errors
    /// [`DocumentError`] if `bytes` is not a JSON object or has no usable `metadata.uuid`: then there is no run that
    /// anything could be reported about.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let text = std::str::from_utf8(bytes).map_err(|_| DocumentError::not_utf8())?;
        let (id, token, links) = envelope::read(text)?;
        Ok(Self { id, token, links, document: SecretString::from(text) })
    }

    /// Reads the whole document.
    ///
    /// # Errors
    /// [`DocumentError`] naming the JSON path of the first thing that is missing or wrong. Unknown fields and unknown
    /// words (input types, trigger reasons, implementation types) are never wrong; an unknown `behavior` is.
    pub fn run(&self) -> Result<Run, DocumentError> {
        full::read(self.id.clone(), self.document.expose_secret())
    }

    /// Identifies the run.
    #[must_use]
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// The token for all calls about this run, if it brought one.
    #[must_use]
    pub fn run_token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    /// Where the run wants to be reported.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Whether the run must apply a plan made earlier. True also when the link to it is broken: re-planning silently
    /// is never right.
    #[must_use]
    pub fn has_plan(&self) -> bool {
        self.links.plan_artifact.is_some()
    }

    /// The document byte for byte, for passing on and for keeping. Secret, since it holds the run token.
    #[must_use]
    pub fn document(&self) -> &SecretString {
        &self.document
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("id", &self.id)
            .field("has_token", &self.token.is_some())
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

/// The run's links as received, not yet judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// `self`: the run.
    pub this: Option<Link>,
    /// `registerSource`.
    pub register_source: Option<Link>,
    /// `updateSource`: a template with `{sourceId}`.
    pub update_source: Option<Link>,
    /// `meshstackBaseUrl`: in front of `/api`.
    pub meshstack_base_url: Option<Link>,
    /// `planArtifact`: set if the run must apply a plan made earlier.
    pub plan_artifact: Option<Link>,
}

/// One link as received. `Debug` doesn't show it: signed URLs are secrets.
#[derive(Clone, PartialEq, Eq)]
pub enum Link {
    /// Its `href`.
    Href(String),
    /// There is something in its place, but without a `href` that is text.
    Unreadable,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Href(_) => "Href",
            Self::Unreadable => "Unreadable",
        })
    }
}

#[cfg(test)]
mod tests;
