//! The automaton that goes through a text: [`Automaton`].

use super::patterns::Patterns;
use super::stream::{Gap, Taken};
use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, BuildError, PatternID};

/// Numbers that a state takes at least: no two states are nearer to each other than that.
const STATE_MIN: usize = 3;

/// Finds patterns, and knows what they stand for.
pub(super) struct Automaton {
    automaton: NFA,
    pub(super) start: StateID,
    /// How many bytes of a pattern have been seen in a state, by place.
    depths: Vec<u8>,
    /// The longest of the patterns that end in a state, by place. Up to 59 may end in one, too many to look at for every byte;
    /// states in which patterns end have the lowest numbers, so this is short.
    longest: Vec<PatternID>,
    /// Which secret a pattern belongs to, by pattern.
    names: Vec<u32>,
}

impl Automaton {
    /// # Errors
    /// If the patterns are too many.
    pub(super) fn build(patterns: Patterns, dense: usize) -> Result<Self, BuildError> {
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
                let place = place(state);
                if depths.len() <= place {
                    depths.resize(place + 1, 0);
                }
                if let Some(known) = depths.get_mut(place) {
                    *known = depth;
                }
                if let Some(pattern) = longest_match(&automaton, state) {
                    if longest.len() <= place {
                        longest.resize(place + 1, PatternID::default());
                    }
                    if let Some(known) = longest.get_mut(place) {
                        *known = pattern;
                    }
                }
            }
        }
        depths.shrink_to_fit();
        longest.shrink_to_fit();
        Ok(Self { automaton, start, depths, longest, names })
    }

    pub(super) fn memory(&self) -> usize {
        let numbers = self.longest.len() + self.names.len();
        self.automaton.memory_usage() + self.depths.len() + 4 * numbers
    }

    pub(super) fn next(&self, state: StateID, byte: u8) -> StateID {
        self.automaton.next_state(Anchored::No, state, byte)
    }

    /// How many of the last bytes are the beginning of a pattern.
    pub(super) fn depth(&self, state: StateID) -> usize {
        self.depths.get(place(state)).copied().unwrap_or_default().into()
    }

    /// The length of the longest pattern that ends here, and its name.
    pub(super) fn longest(&self, state: StateID) -> Option<(usize, u32)> {
        if !self.automaton.is_match(state) {
            return None;
        }
        let pattern = *self.longest.get(place(state))?;
        let name = self.names.get(pattern.as_usize()).copied().unwrap_or_default();
        Some((self.automaton.pattern_len(pattern), name))
    }

    pub(super) fn finds(&self, text: &str) -> bool {
        let mut gap = Gap::default();
        let mut state = self.start;
        text.bytes().any(|byte| {
            match gap.takes(byte) {
                Taken::Counts => state = self.next(state, byte),
                Taken::Ends => state = self.start,
                Taken::Skipped => {}
            }
            self.automaton.is_match(state)
        })
    }
}

/// A number for a state: small ones, and no two have the same.
fn place(state: StateID) -> usize {
    state.as_usize() / STATE_MIN
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
