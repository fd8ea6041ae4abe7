//! Takes a run's secrets out of text that people read: [`Redactor`].
//!
//! A net against accidents, not a wall: a component that was granted a secret's plain text can always write it in an encoding of
//! its own. What is found is the secret as it is, escaped for JSON, percent-encoded, in base64 and in hex, across the borders of
//! chunks and of lines; of secrets with parts (lines, the strings of a JSON document, the content of a file) each part as well.
//!
//! Made once per run and immutable from then on; for tokens that come up later there is another one, which finds them as well. Each sink
//! has a [`Stream`]. What finds the secrets of a definition is [`Shared`] by its runs.
//! Building takes time that grows with the secrets, so it is done where blocking is allowed. Knows neither runs nor logs: what it leaves out, it returns as [`Warning`]s.

mod encoding;
mod json;
mod patterns;
mod shared;
mod stream;

pub use patterns::{Omission, PART_MIN, VALUE_MIN, Warning};
pub use shared::Shared;
pub use stream::Stream;

use crate::excerpt::clip;
use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, PatternID};
use patterns::{Patterns, Room};
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

/// Finds one set of secrets: an automaton and what its patterns stand for.
pub struct Matcher {
    automaton: NFA,
    start: StateID,
    /// How many bytes of a pattern have been seen in a state, by state.
    depths: Vec<u8>,
    /// The longest of the patterns that end in a state, by state. Up to 59 may end in one, too many to look at for every byte;
    /// states in which patterns end have the lowest numbers, so this is short.
    longest: Vec<PatternID>,
    /// Which secret a pattern belongs to, by pattern.
    names: Vec<u32>,
    /// The keys of the secrets.
    keys: Vec<String>,
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
            let marker = |key: &String| {
                let key = clip(key, KEY_MAX).replace(['\n', '\t'], " ");
                let marker = format!("[secret {key}]");
                // SECURITY: redact::a_marker_holds_no_secret_of_another_part
                if finds(&marker) { NAMELESS.to_owned() } else { marker }
            };
            matcher.keys.iter().map(marker).collect()
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

    /// Bytes that the automata take.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.parts.iter().map(|part| part.matcher.memory()).sum()
    }

    fn replace<'t>(&self, text: &'t str, marker: Option<&str>) -> Cow<'t, str> {
        if !self.finds(text) {
            return Cow::Borrowed(text);
        }
        let mut scan = stream::Scan::new(self);
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

/// Likewise.
impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher").field("patterns", &self.names.len()).finish_non_exhaustive()
    }
}

impl Matcher {
    /// Finds these secrets; none if there is nothing to be found. And what it will not find.
    ///
    /// # Errors
    /// [`BuildError`].
    fn new(
        secrets: &[(&str, &SecretString)],
        room: Room,
    ) -> Result<(Option<Self>, Vec<Warning>), BuildError> {
        let (patterns, warnings) = Patterns::collect(secrets, room);
        if patterns.is_empty() {
            return Ok((None, warnings));
        }
        let keys = secrets.iter().map(|(key, _)| (*key).to_owned()).collect();
        let matcher = Self::build(patterns, keys, room.dense).map_err(BuildError)?;
        Ok((Some(matcher), warnings))
    }

    /// Finds a token that a run has from its beginning; none if it is too short. Unlike other secrets it is looked for as it is, as
    /// [`Redactor::and`] does.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn of_token(key: &str, token: &SecretString) -> Result<Option<Self>, BuildError> {
        Self::new(&[(key, token)], Room::TOKENS).map(|(matcher, _)| matcher)
    }

    fn build(
        patterns: Patterns,
        keys: Vec<String>,
        dense: usize,
    ) -> Result<Self, aho_corasick::BuildError> {
        let (bytes, names) = patterns.into_parts();
        let automaton = NFA::builder().prefilter(false).dense_depth(dense).build(&bytes)?;
        // Searches without an anchor are what the default start kind is for.
        let start = automaton.start_state(Anchored::No).unwrap_or_default();
        let mut depths = Vec::new();
        let mut longest = Vec::new();
        for pattern in &bytes {
            let mut state = start;
            // A pattern leads through its own nodes of the trie, one level per byte.
            for (byte, depth) in pattern.bytes().zip(1_u8..) {
                state = automaton.next_state(Anchored::No, state, byte);
                let index = state.as_usize();
                if depths.len() <= index {
                    depths.resize(index + 1, 0);
                }
                if let Some(known) = depths.get_mut(index) {
                    *known = depth;
                }
                if let Some(pattern) = longest_match(&automaton, state) {
                    if longest.len() <= index {
                        longest.resize(index + 1, PatternID::default());
                    }
                    if let Some(known) = longest.get_mut(index) {
                        *known = pattern;
                    }
                }
            }
        }
        depths.shrink_to_fit();
        longest.shrink_to_fit();
        Ok(Self { automaton, start, depths, longest, names, keys })
    }

    fn memory(&self) -> usize {
        let numbers = self.longest.len() + self.names.len();
        self.automaton.memory_usage() + self.depths.len() + 4 * numbers
    }

    fn next(&self, state: StateID, byte: u8) -> StateID {
        self.automaton.next_state(Anchored::No, state, byte)
    }

    /// How many of the last bytes are the beginning of a pattern.
    fn depth(&self, state: StateID) -> usize {
        self.depths.get(state.as_usize()).copied().unwrap_or_default().into()
    }

    /// The length of the longest pattern that ends here, and its name.
    fn longest(&self, state: StateID) -> Option<(usize, u32)> {
        if !self.automaton.is_match(state) {
            return None;
        }
        let pattern = *self.longest.get(state.as_usize())?;
        let name = self.names.get(pattern.as_usize()).copied().unwrap_or_default();
        Some((self.automaton.pattern_len(pattern), name))
    }

    fn finds(&self, text: &str) -> bool {
        let mut gap = stream::Gap::default();
        let mut state = self.start;
        text.bytes().any(|byte| {
            match gap.takes(byte) {
                stream::Taken::Counts => state = self.next(state, byte),
                stream::Taken::Ends => state = self.start,
                stream::Taken::Skipped => {}
            }
            self.automaton.is_match(state)
        })
    }
}

/// The longest pattern that ends in a state, found by looking at all that do.
fn longest_match(automaton: &NFA, state: StateID) -> Option<PatternID> {
    if !automaton.is_match(state) {
        return None;
    }
    (0..automaton.match_len(state))
        .map(|index| automaton.match_pattern(state, index))
        .max_by_key(|pattern| automaton.pattern_len(*pattern))
}

#[cfg(test)]
mod tests;
