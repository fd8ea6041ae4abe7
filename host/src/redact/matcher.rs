//! What finds one set of secrets: [`Matcher`].

use super::BuildError;
use super::automaton::Automaton;
use super::patterns::{Patterns, Room, Warning};
use secrecy::SecretString;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Bytes of the largest automaton that is made again when it is used again. That takes less than a millisecond; and a run that waits for a
/// service for half an hour says something twice a minute.
const SMALL: usize = 64 << 10;

/// Bytes of the small automata that stay although nobody uses them at the moment: those that were made last.
const RECENT: usize = 512 << 10;

/// Finds one set of secrets.
pub struct Matcher {
    keys: Vec<String>,
    made: Made,
    memory: usize,
}

/// Where the automaton is.
enum Made {
    Kept(Arc<Automaton>),
    Again { secrets: Vec<SecretString>, room: Room, last: Mutex<Weak<Automaton>> },
}

impl Matcher {
    /// Finds these secrets; none if there is nothing to be found. And what it will not find.
    ///
    /// # Errors
    /// [`BuildError`].
    pub(super) fn new(
        secrets: &[(&str, &SecretString)],
        room: Room,
    ) -> Result<(Option<Self>, Vec<Warning>), BuildError> {
        let (patterns, warnings) = Patterns::collect(secrets, room);
        if patterns.is_empty() {
            return Ok((None, warnings));
        }
        let automaton = Arc::new(Automaton::build(patterns, room.dense).map_err(BuildError)?);
        let keys = secrets.iter().map(|(key, _)| (*key).to_owned()).collect();
        let memory = automaton.memory();
        let made = if memory > SMALL {
            Made::Kept(automaton)
        } else {
            let secrets = secrets.iter().map(|(_, secret)| (*secret).clone()).collect();
            let last = Mutex::new(Arc::downgrade(&automaton));
            stay(automaton);
            Made::Again { secrets, room, last }
        };
        Ok((Some(Self { keys, made, memory }), warnings))
    }

    /// Finds a token that a run has from its beginning; none if it is too short. Unlike other secrets it is looked for as it is, as
    /// [`Redactor::and`](super::Redactor::and) does.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn of_token(key: &str, token: &SecretString) -> Result<Option<Self>, BuildError> {
        Self::new(&[(key, token)], Room::TOKENS).map(|(matcher, _)| matcher)
    }

    /// The automaton. One that is made again is another one with the same patterns, but other numbers for its states.
    pub(super) fn automaton(&self) -> Option<Arc<Automaton>> {
        let (secrets, room, last) = match &self.made {
            Made::Kept(automaton) => return Some(Arc::clone(automaton)),
            Made::Again { secrets, room, last } => (secrets, *room, last),
        };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(automaton) = last.upgrade() {
            return Some(automaton);
        }
        let secrets: Vec<_> = self.keys.iter().map(String::as_str).zip(secrets).collect();
        let (patterns, _) = Patterns::collect(&secrets, room);
        // It could be built before, and this is the same.
        if patterns.is_empty() {
            return None;
        }
        let automaton = Arc::new(Automaton::build(patterns, room.dense).ok()?);
        *last = Arc::downgrade(&automaton);
        stay(Arc::clone(&automaton));
        Some(automaton)
    }

    /// The keys of the secrets.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// Bytes of the automaton.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    // SECURITY: redact::matcher::what_can_not_be_looked_at_is_not_shown
    pub(super) fn finds(&self, text: &str) -> bool {
        self.automaton().is_none_or(|automaton| automaton.finds(text))
    }
}

/// Tells the number and nothing else.
impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher").field("secrets", &self.keys.len()).finish_non_exhaustive()
    }
}

/// Keeps an automaton for some time.
fn stay(automaton: Arc<Automaton>) {
    static STAYING: Mutex<(VecDeque<Arc<Automaton>>, usize)> = Mutex::new((VecDeque::new(), 0));
    let mut staying = STAYING.lock().unwrap_or_else(PoisonError::into_inner);
    let (automata, bytes) = &mut *staying;
    *bytes += automaton.memory();
    automata.push_back(automaton);
    while *bytes > RECENT
        && let Some(oldest) = automata.pop_front()
    {
        *bytes = bytes.saturating_sub(oldest.memory());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redactor;

    fn matcher(secrets: &[&str]) -> Matcher {
        let secrets: Vec<_> = secrets.iter().copied().map(SecretString::from).collect();
        let named: Vec<_> = secrets.iter().map(|secret| ("key", secret)).collect();
        Matcher::new(&named, Room::SECRETS).unwrap().0.unwrap()
    }

    fn forget(matcher: &Matcher) {
        let Made::Again { last, .. } = &matcher.made else { panic!("it is large") };
        *last.lock().unwrap() = Weak::new();
    }

    #[test]
    fn what_is_made_again_in_the_middle_of_a_text_changes_nothing() {
        let matcher = Arc::new(matcher(&["hunter2-and-more", "more-of-it"]));
        let redactor = Arc::new(Redactor::of([Arc::clone(&matcher)]));
        let text = "a hunter2-and-more-of-it\n, hunter2\n\n-and-more";
        let mut stream = redactor.stream();
        let mut shown = String::new();
        for piece in text.split_inclusive(|_| true) {
            forget(&matcher);
            stream.push(piece, &mut shown);
        }
        stream.finish(&mut shown);
        assert_eq!(shown, redactor.redact(text));
        assert_eq!(shown, "a [secret key]\n, [secret key]");
    }

    #[test]
    fn what_can_not_be_looked_at_is_not_shown() {
        let mut matcher = matcher(&["hunter2-and-more"]);
        let Made::Again { secrets, last, .. } = &mut matcher.made else { panic!("it is large") };
        secrets.clear();
        *last = Mutex::default();
        let redactor = Arc::new(Redactor::of([Arc::new(matcher)]));
        assert_eq!(redactor.redact("a hunter2-and-more"), "[…]");
        assert_eq!(
            redactor.redact_json("{\"a\":\"hunter2-and-more\"}").matches("hunter2").count(),
            0
        );
        let mut stream = redactor.stream();
        let mut shown = String::new();
        stream.push("a hunter2-and-more", &mut shown);
        stream.finish(&mut shown);
        assert_eq!(shown, "[…]");
    }

    #[test]
    fn large_automata_are_kept() {
        let large = matcher(&[&(0..4000).map(|number| format!("{number:x}")).collect::<String>()]);
        assert!(matches!(large.made, Made::Kept(_)), "{}", large.memory);
    }
}
