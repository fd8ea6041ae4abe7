//! Takes a run's secrets out of text that people read: [`Redactor`].
//!
//! A net against accidents, not a wall: a component that was granted a secret's plain text can always write it in an encoding of
//! its own. What is found is the secret as it is, escaped for JSON, percent-encoded, in base64 and in hex, across the borders of
//! chunks and of lines; of secrets with parts (lines, the strings of a JSON document, the content of a file) each part as well.
//!
//! Made once per run and immutable from then on; for tokens that come up later there is another one, which finds them as well. Each sink
//! has a [`Stream`]. What finds the secrets of a definition is [`Shared`] by its runs.
//! Building takes time that grows with the secrets, so it is done where blocking is allowed. Knows neither runs nor logs: what it leaves out, it returns as [`Warning`]s.

mod automaton;
mod encoding;
mod json;
mod matcher;
mod patterns;
mod shared;
mod stream;

pub use matcher::Matcher;
pub use patterns::{Omission, PART_MIN, VALUE_MIN, Warning};
pub use shared::Shared;
pub use stream::Stream;

use crate::excerpt::clip;
use automaton::Automaton;
use patterns::Room;
use secrecy::{ExposeSecret as _, SecretString};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Bytes of a secret's key in the text that takes the secret's place.
const KEY_MAX: usize = 32;

/// What takes a secret's place if its key can't be told. Shorter than any secret, so that it holds none.
const NAMELESS: &str = "[…]";

/// What takes a secret's place in an identifier.
const IN_IDENTIFIER: &str = "x";

/// Tokens that came up during a run and are looked for: the newest. A run that renews what it signs in with has two at a time; it may go
/// on for a week, and by then the first have long expired.
const TOKENS_MAX: usize = 4;

/// Bytes of a token that are looked for, from its end: without its end, which is its signature if it is a signed one, none is of use.
const TOKEN_MAX: usize = 1 << 10;

/// Finds the secrets of one run. Costs nothing without secrets.
#[derive(Default)]
pub struct Redactor {
    parts: Vec<Part>,
    /// How many of the parts are for what was known from the beginning. There is one more if there are tokens.
    fixed: usize,
    tokens: Vec<Token>,
}

/// A token, and what is shown in its place.
#[derive(Clone)]
struct Token {
    key: String,
    text: SecretString,
}

/// What finds some of a run's secrets, and what takes their places.
struct Part {
    matcher: Arc<Matcher>,
    markers: Vec<String>,
}

/// The automaton can't be built; the secrets are too many.
#[derive(Debug, thiserror::Error)]
#[error("failed to build the redactor")]
pub struct BuildError(#[source] aho_corasick::BuildError);

impl Redactor {
    /// A redactor for these secrets, each with the key that is shown in its place; and what it will not find.
    ///
    /// CPU-bound, and for secrets of megabytes slow: call it where blocking is allowed.
    ///
    /// # Errors
    /// [`BuildError`], which bounded patterns should not bring about.
    pub fn new<'a>(
        secrets: impl IntoIterator<Item = (&'a str, &'a SecretString)>,
    ) -> Result<(Self, Vec<Warning>), BuildError> {
        let secrets: Vec<_> = secrets.into_iter().collect();
        let (matcher, warnings) = Matcher::new(&secrets, Room::SECRETS)?;
        Ok((Self::of(matcher.map(Arc::new)), warnings))
    }

    /// A redactor that finds this token as well, and no longer the oldest of those that came up before. A [`Stream`] goes on with it.
    ///
    /// A token is looked for as it is, and a short one in other forms. Takes 0.1 ms, and 17 bytes of memory for each byte of patterns.
    ///
    /// # Errors
    /// [`BuildError`], which bounded patterns should not bring about.
    pub fn and(&self, key: &str, token: &SecretString) -> Result<Self, BuildError> {
        let text = token.expose_secret();
        let end = text.get(text.ceil_char_boundary(text.len().saturating_sub(TOKEN_MAX))..);
        let token = Token { key: key.to_owned(), text: SecretString::from(end.unwrap_or(text)) };
        let mut tokens = self.tokens.clone();
        tokens.retain(|known| !known.is(&token));
        tokens.push(token);
        tokens.drain(..tokens.len().saturating_sub(TOKENS_MAX));
        let named: Vec<_> = tokens.iter().map(|token| (token.key.as_str(), &token.text)).collect();
        let (matcher, _) = Matcher::new(&named, Room::TOKENS)?;
        let fixed = self.parts.iter().take(self.fixed).map(|part| Arc::clone(&part.matcher));
        let parts = Self::of(fixed.chain(matcher.map(Arc::new))).parts;
        Ok(Self { parts, fixed: self.fixed, tokens })
    }

    /// A redactor that finds what any of these finds.
    #[must_use]
    pub fn of(matchers: impl IntoIterator<Item = Arc<Matcher>>) -> Self {
        let matchers: Vec<_> = matchers.into_iter().collect();
        let finds = |text: &str| matchers.iter().any(|matcher| matcher.finds(text));
        let markers = |matcher: &Matcher| {
            let marker = |key: &str| {
                let key = clip(key, KEY_MAX).replace(['\n', '\t'], " ");
                let marker = format!("[secret {key}]");
                // SECURITY: redact::a_marker_holds_no_secret_of_another_part
                if finds(&marker) { NAMELESS.to_owned() } else { marker }
            };
            matcher.keys().map(marker).collect()
        };
        let parts = matchers
            .iter()
            .map(|matcher| Part { markers: markers(matcher), matcher: Arc::clone(matcher) });
        let parts: Vec<_> = parts.collect();
        Self { fixed: parts.len(), parts, tokens: Vec::new() }
    }

    /// The text without the secrets.
    ///
    /// For text that is whole; what comes in pieces goes through a [`Stream`], with the same result.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.replace(text, None)
    }

    /// The same for an identifier: what takes a secret's place is a letter.
    #[must_use]
    pub fn redact_identifier<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.replace(text, Some(IN_IDENTIFIER))
    }

    /// JSON without the secrets: still JSON, in which strings, keys and numbers were replaced.
    ///
    /// A secret that reaches over several values leaves nothing of the structure: the whole becomes one string.
    #[must_use]
    pub fn redact_json<'t>(&self, json: &'t str) -> Cow<'t, str> {
        json::redact(self, json)
    }

    /// Whether a secret is in the text.
    #[must_use]
    pub fn finds(&self, text: &str) -> bool {
        self.parts.iter().any(|part| part.matcher.finds(text))
    }

    /// Whether there is nothing to be found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// A stream for one sink.
    #[must_use]
    pub fn stream(self: &Arc<Self>) -> Stream {
        Stream::new(Arc::clone(self))
    }

    /// Bytes that the automata take while they are used.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.parts.iter().map(|part| part.matcher.memory()).sum()
    }

    /// Of each part; none if they are not all there, which should not come about.
    fn automata(&self) -> Option<Vec<Arc<Automaton>>> {
        self.parts.iter().map(|part| part.matcher.automaton()).collect()
    }

    fn replace<'t>(&self, text: &'t str, marker: Option<&str>) -> Cow<'t, str> {
        if !self.finds(text) {
            return Cow::Borrowed(text);
        }
        let mut scan = stream::Scan::default();
        let mut redacted = String::with_capacity(text.len());
        scan.push(self, marker, text, &mut redacted);
        scan.finish(self, marker, &mut redacted);
        Cow::Owned(redacted)
    }

    fn marker(&self, (part, name): Name) -> &str {
        let index = usize::try_from(name).unwrap_or(usize::MAX);
        let part = self.parts.get(part);
        part.and_then(|part| part.markers.get(index)).map_or(NAMELESS, String::as_str)
    }
}

impl Token {
    fn is(&self, other: &Self) -> bool {
        self.text.expose_secret() == other.text.expose_secret()
    }
}

/// A secret: the part that finds it, and its number there.
type Name = (usize, u32);

/// Tells the size and nothing else.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts.iter().map(|part| &part.matcher)).finish()
    }
}

#[cfg(test)]
mod tests;
