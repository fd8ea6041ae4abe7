//! Redaction of text that comes in pieces: [`Stream`].

use super::automaton::Automaton;
use super::{NAMELESS, Name, Redactor};
use aho_corasick::automaton::StateID;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Line ends in a row that a secret may be interrupted by.
///
/// They are skipped when matching, since text is wrapped, and since whoever writes part of a line at a time has a line end added.
/// Bounded: what may be a secret is held back with the line ends in it.
const GAP_MAX: u8 = 4;

/// Bytes of what is held back that may be shown. Too few to tell anything of a secret, and enough that most lines are whole.
const GLIMPSE_MAX: usize = 3;

/// Redacts the text of one sink, whose pieces may end anywhere.
///
/// Gives out what is certain and holds back the longest end that may be the beginning of a secret, 64 bytes at most, and the line
/// ends in it. However the text is cut into pieces, the result is that of [`Redactor::redact`] of the whole.
pub struct Stream {
    redactor: Arc<Redactor>,
    pub(super) scan: Option<Scan>,
}

impl Stream {
    pub(super) fn new(redactor: Arc<Redactor>) -> Self {
        let scan = (!redactor.is_empty()).then(Scan::default);
        Self { redactor, scan }
    }

    /// Takes the next piece, and appends to `released` what is certain now.
    pub fn push(&mut self, text: &str, released: &mut String) {
        match &mut self.scan {
            Some(scan) => scan.push(&self.redactor, None, text, released),
            None => released.push_str(text),
        }
    }

    /// Appends what was held back: no more is coming. A text that is pushed later is another text.
    pub fn finish(&mut self, released: &mut String) {
        if let Some(scan) = &mut self.scan {
            scan.finish(&self.redactor, None, released);
            *scan = Scan::default();
        }
    }

    /// Goes on with a redactor that finds more: made of the present one by [`Redactor::and`], or the present one finds nothing. What is held
    /// back stays so.
    pub fn go_on_with(&mut self, redactor: &Arc<Redactor>) {
        // What is held back is looked at anew with each piece; what is given out was not the beginning of a token that is new.
        if self.scan.is_none() {
            *self = redactor.stream();
        }
        self.redactor = Arc::clone(redactor);
    }

    /// What is held back, if it is so little that it may be shown meanwhile; or nothing.
    #[must_use]
    pub fn glimpse(&self) -> &str {
        match &self.scan {
            Some(scan) if scan.starts.len() <= GLIMPSE_MAX => &scan.held,
            _ => "",
        }
    }
}

/// Tells nothing of the text, part of which may be part of a secret.
impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.scan.as_ref().map_or(0, |scan| scan.held.len());
        f.debug_struct("Stream").field("held", &held).finish_non_exhaustive()
    }
}

/// How a byte counts for matching.
pub(super) enum Taken {
    /// It is a byte like any other.
    Counts,
    /// It is one line end too many: nothing before it belongs to what follows.
    Ends,
    /// It is a line end that is passed over.
    Skipped,
}

/// The line ends in a row up to here.
#[derive(Default)]
pub(super) struct Gap(u8);

impl Gap {
    pub(super) fn takes(&mut self, byte: u8) -> Taken {
        if !matches!(byte, b'\n' | b'\r') {
            self.0 = 0;
            return Taken::Counts;
        }
        self.0 = self.0.saturating_add(1);
        if self.0 > GAP_MAX { Taken::Ends } else { Taken::Skipped }
    }
}

/// Where a text is, and what of it is not given out yet. Offsets are those of the whole text.
///
/// It has nothing of the automata, which need not be there between two pieces: where they were follows from the bytes that may be the
/// beginning of a secret.
#[derive(Default)]
pub(super) struct Scan {
    gap: Gap,
    /// The text from `base` on.
    pub(super) held: String,
    base: usize,
    /// The bytes that may be the beginning of a secret, and where they stand. Some may be given out, as the end of another one.
    pub(super) starts: VecDeque<(usize, u8)>,
    /// What will be replaced, in order, neither overlapping nor touching.
    spans: VecDeque<Span>,
    /// Where the last replacement ended.
    covered: Option<usize>,
}

#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    name: Name,
}

impl Scan {
    /// `marker` takes a secret's place, if it is not to be the secret's own.
    pub(super) fn push(
        &mut self,
        redactor: &Redactor,
        marker: Option<&str>,
        text: &str,
        released: &mut String,
    ) {
        let Some(automata) = redactor.automata() else {
            // SECURITY: redact::matcher::what_can_not_be_looked_at_is_not_shown
            released.push_str(NAMELESS);
            return;
        };
        let first = self.base + self.held.len();
        let mut states: Vec<_> = automata.iter().map(|part| self.state(part)).collect();
        self.held.push_str(text);
        for (offset, byte) in (first..).zip(text.bytes()) {
            match self.gap.takes(byte) {
                Taken::Counts => self.step(&automata, &mut states, offset, byte),
                Taken::Ends => {
                    states.clear();
                    states.extend(automata.iter().map(|part| part.start));
                    self.starts.clear();
                }
                Taken::Skipped => {}
            }
        }
        let certain =
            self.starts.front().map_or(self.base + self.held.len(), |(offset, _)| *offset);
        self.release(redactor, marker, certain, released);
    }

    /// Where an automaton is that has seen all of the text.
    fn state(&self, part: &Automaton) -> StateID {
        self.starts.iter().fold(part.start, |state, (_, byte)| part.next(state, *byte))
    }

    pub(super) fn finish(
        &mut self,
        redactor: &Redactor,
        marker: Option<&str>,
        released: &mut String,
    ) {
        self.starts.clear();
        self.release(redactor, marker, self.base + self.held.len(), released);
    }

    fn step(
        &mut self,
        automata: &[Arc<Automaton>],
        states: &mut [StateID],
        offset: usize,
        byte: u8,
    ) {
        let mut depth = 0;
        for (state, part) in states.iter_mut().zip(automata) {
            *state = part.next(*state, byte);
            depth = depth.max(part.depth(*state));
        }
        if depth == 0 {
            self.starts.clear();
            return;
        }
        self.starts.push_back((offset, byte));
        // No secret that ends later begins before these.
        while self.starts.len() > depth {
            self.starts.pop_front();
        }
        for (index, (state, part)) in states.iter().zip(automata).enumerate() {
            let Some((length, name)) = part.longest(*state) else { continue };
            let first = self.starts.len().saturating_sub(length);
            if let Some((start, _)) = self.starts.get(first).copied() {
                self.cover(Span { start, end: offset + 1, name: (index, name) });
            }
        }
    }

    /// Adds a span, and makes one of those that overlap or touch; it has the name of the one that begins first, of those the
    /// longest. So nothing is left of a secret that is part of another one.
    fn cover(&mut self, mut span: Span) {
        while let Some(last) = self.spans.back().filter(|last| last.end >= span.start) {
            if last.start < span.start {
                (span.start, span.name) = (last.start, last.name);
            }
            self.spans.pop_back();
        }
        self.spans.push_back(span);
    }

    /// Gives out the text before `certain`: no secret that is found later begins there.
    fn release(
        &mut self,
        redactor: &Redactor,
        marker: Option<&str>,
        certain: usize,
        released: &mut String,
    ) {
        let mut cursor = self.base;
        while let Some(span) = self.spans.front().copied().filter(|span| span.start < certain) {
            self.spans.pop_front();
            // One that touches what was replaced before is part of that.
            if self.covered.is_none_or(|covered| covered < span.start) {
                released.push_str(self.text(cursor, span.start));
                released.push_str(marker.unwrap_or_else(|| redactor.marker(span.name)));
            }
            cursor = cursor.max(span.end);
            self.covered = Some(span.end);
        }
        if cursor < certain {
            released.push_str(self.text(cursor, certain));
            cursor = certain;
        }
        self.held.drain(..(cursor - self.base).min(self.held.len()));
        self.base = cursor;
    }

    /// Part of what is held. Matches and their beginnings are whole characters, since patterns are.
    fn text(&self, start: usize, end: usize) -> &str {
        let range = start.saturating_sub(self.base)..end.saturating_sub(self.base);
        self.held.get(range).unwrap_or_default()
    }
}
