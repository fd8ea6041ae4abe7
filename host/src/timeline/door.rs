//! What everything that is said goes through on its way into a timeline: [`Door`].
//!
//! Apart from the timeline, since redaction takes time that whoever said it determines, and the timeline is behind a lock that
//! the reports of all runs wait for.

use super::{DeclareError, InvalidOutput, NAME_MAX, Output, STEP_ID_MAX};
use crate::excerpt::{clip, plain};
use crate::redact::Redactor;
use std::sync::Arc;

/// Bytes of a text that are looked at at a time.
const PIECE: usize = 16 << 10;

/// How many times as much of a text is read as may be shown of it. What it consists of may show as nothing: control characters,
/// or one secret again and again.
const READ_PER_SHOWN: usize = 4;

/// Bytes of the longest id of a step that is searched for secrets; without them it may be short enough.
const ID_READ_MAX: usize = 4 << 10;

/// Makes texts such as people may see them, without their timeline. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Door {
    pub(super) redactor: Arc<Redactor>,
    pub(super) message_bytes: usize,
}

/// A text as people may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown(pub(super) String);

/// A step that may be declared.
#[derive(Clone, Debug)]
pub struct NewStep {
    pub(super) id: String,
    pub(super) display_name: Shown,
}

/// An output as it may be kept, with its key.
#[derive(Clone, Debug)]
pub struct NewOutput {
    pub(super) key: Shown,
    pub(super) output: Output,
    /// Bytes of both, of the value as the component gave it.
    pub(super) size: usize,
}

impl Door {
    /// A text: plain, without secrets, and cut to `limit` bytes, in this order.
    #[must_use]
    pub fn shown(&self, text: &str, limit: usize) -> Shown {
        // SECURITY: walls::a_secret_is_in_no_text_that_is_shown
        let mut stream = self.redactor.stream();
        let mut shown = String::new();
        let mut rest = text;
        // SECURITY: timeline::door::a_text_that_shows_as_nothing_is_not_read_to_its_end
        let readable = limit.saturating_mul(READ_PER_SHOWN);
        while shown.len() <= limit
            && text.len() - rest.len() <= readable
            && let Some((piece, after)) = split_piece(rest)
        {
            stream.push(&plain(piece), &mut shown);
            rest = after;
        }
        if rest.is_empty() {
            stream.finish(&mut shown);
        } else {
            // What is held back may be the beginning of a secret, so it goes with the rest.
            shown.push('…');
        }
        Shown(clip(&shown, limit))
    }

    /// A message or a summary.
    #[must_use]
    pub fn message(&self, text: &str) -> Shown {
        self.shown(text, self.message_bytes)
    }

    /// A step.
    ///
    /// # Errors
    /// [`DeclareError::InvalidId`] if its id has the wrong form.
    pub fn step(&self, id: &str, display_name: &str) -> Result<NewStep, DeclareError> {
        // Before it is searched, since it may be of any length.
        if id.len() > ID_READ_MAX {
            return Err(DeclareError::InvalidId);
        }
        // SECURITY: walls::a_secret_is_in_no_text_that_is_shown
        let id = self.redactor.redact_identifier(id).into_owned();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if id.is_empty() || id.len() > STEP_ID_MAX || !id.bytes().all(plain) {
            return Err(DeclareError::InvalidId);
        }
        let mut display_name = self.shown(display_name, NAME_MAX);
        // meshStack rejects a report with a step that has none, and everything else in it.
        if display_name.0.trim().is_empty() {
            display_name.0.clone_from(&id);
        }
        Ok(NewStep { id, display_name })
    }

    /// An output.
    ///
    /// # Errors
    /// [`InvalidOutput::Key`] if the key has the wrong form.
    pub fn output(&self, key: &str, output: Output) -> Result<NewOutput, InvalidOutput> {
        if key.is_empty() || key.len() > NAME_MAX || key.chars().any(char::is_control) {
            return Err(InvalidOutput::Key);
        }
        // SECURITY: walls::a_secret_is_in_no_text_that_is_shown
        let key = self.shown(key, NAME_MAX);
        let size = key.0.len() + output.size();
        Ok(NewOutput { key, output: output.redacted(&self.redactor), size })
    }
}

impl Shown {
    /// The text, which is no longer known to be one that people may see.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// A text for a log in pieces: so small that nobody waits long for the timeline while one of them is taken in. At least one.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (piece, after) = split_piece(text).unwrap_or_default();
        rest = (!after.is_empty()).then_some(after);
        Some(piece)
    })
}

/// The same for bytes; none if there are none.
pub fn byte_pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(PIECE)
}

/// The next piece of a text that is looked at, and the rest.
fn split_piece(text: &str) -> Option<(&str, &str)> {
    if text.is_empty() { None } else { text.split_at_checked(text.ceil_char_boundary(PIECE)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    fn door() -> Door {
        let secret = SecretString::from("hunter2");
        let (redactor, _) = Redactor::new([("key", &secret)]).unwrap();
        Door { redactor: Arc::new(redactor), message_bytes: 100 }
    }

    #[test]
    fn a_text_that_shows_as_nothing_is_not_read_to_its_end() {
        let nothing = "\0".repeat(1 << 20) + "the end";
        assert_eq!(door().message(&nothing).0, "…");
        let secrets = "hunter2".repeat(1 << 17) + "the end";
        let shown = door().message(&secrets).0;
        assert!(!shown.contains("end") && !shown.contains("hun"), "{shown}");
        assert!(shown.ends_with('…'), "{shown}");
    }

    #[test]
    fn a_text_that_is_not_too_long_is_shown_whole() {
        let door = Door { message_bytes: 1 << 20, ..door() };
        let text = "ä".repeat(40_000) + "hunter2" + &"ö".repeat(40_000) + "hunt";
        assert_eq!(door.message(&text).0, text.replace("hunter2", "[secret key]"));
        assert_eq!(door.message("").0, "");
    }

    #[test]
    fn a_step_without_a_name_has_its_id_for_one() {
        for nothing in ["", " \n", "\u{7}"] {
            assert_eq!(door().step("one", nothing).unwrap().display_name.0, "one");
        }
        assert_eq!(door().step("one", "One").unwrap().display_name.0, "One");
    }

    #[test]
    fn an_id_that_is_too_long_is_not_searched() {
        let shown = |id: &str| door().step(id, "x").map(|step| step.id);
        assert_eq!(shown("step-hunter2"), Ok("step-x".to_owned()));
        // Searched, it would be short enough.
        assert_eq!(shown(&"hunter2".repeat(10)), Ok("x".to_owned()));
        assert_eq!(shown(&"hunter2".repeat(1000)), Err(DeclareError::InvalidId));
    }

    #[test]
    fn pieces_make_the_text() {
        let text = "äöü€😀".repeat(10_000);
        let all: Vec<_> = pieces(&text).collect();
        assert_eq!(all.concat(), text);
        assert!(all.len() == 8 && all.iter().all(|piece| piece.len() < PIECE + 4));
        assert_eq!(pieces("").collect::<Vec<_>>(), [""]);
    }
}
