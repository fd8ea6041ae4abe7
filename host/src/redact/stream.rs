//! Redaction of text that comes in pieces: [`Stream`].

use super::{Name, Redactor};
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
        let scan = (!redactor.is_empty()).then(|| Scan::new(&redactor));
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
            *scan = Scan::new(&self.redactor);
        }
    }

    /// Goes on with a redactor that finds more: made of the present one by [`Redactor::and`], or the present one finds nothing. What is held
    /// back stays so.
    pub fn go_on_with(&mut self, redactor: &Arc<Redactor>) {
        match &mut self.scan {
            Some(scan) => scan.go_on_with(redactor),
            None => *self = redactor.stream(),
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
pub(super) struct Scan {
    /// Of each part of the redactor.
    states: Vec<StateID>,
    gap: Gap,
    /// The text from `base` on.
    pub(super) held: String,
    base: usize,
    /// Where the bytes stand that may be the beginning of a secret.
    pub(super) starts: VecDeque<usize>,
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
    pub(super) fn new(redactor: &Redactor) -> Self {
        Self {
            states: starts(redactor).collect(),
            gap: Gap::default(),
            held: String::new(),
            base: 0,
            starts: VecDeque::new(),
            spans: VecDeque::new(),
            covered: None,
        }
    }

    /// The parts that were there before are where they were. The one that finds tokens is another one, and begins with what is held back:
    /// what is given out was not the beginning of a token that is new.
    fn go_on_with(&mut self, redactor: &Redactor) {
        self.states.truncate(redactor.fixed);
        for part in redactor.parts.iter().skip(self.states.len()) {
            let mut gap = Gap::default();
            let state =
                self.held.bytes().fold(part.matcher.start, |state, byte| match gap.takes(byte) {
                    Taken::Counts => part.matcher.next(state, byte),
                    Taken::Ends => part.matcher.start,
                    Taken::Skipped => state,
                });
            self.states.push(state);
        }
    }

    /// `marker` takes a secret's place, if it is not to be the secret's own.
    pub(super) fn push(
        &mut self,
        redactor: &Redactor,
        marker: Option<&str>,
        text: &str,
        released: &mut String,
    ) {
        let first = self.base + self.held.len();
        self.held.push_str(text);
        for (offset, byte) in (first..).zip(text.bytes()) {
            match self.gap.takes(byte) {
                Taken::Counts => self.step(redactor, offset, byte),
                Taken::Ends => {
                    self.states.clear();
                    self.states.extend(starts(redactor));
                    self.starts.clear();
                }
                Taken::Skipped => {}
            }
        }
        let certain = self.starts.front().copied().unwrap_or(self.base + self.held.len());
        self.release(redactor, marker, certain, released);
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

    fn step(&mut self, redactor: &Redactor, offset: usize, byte: u8) {
        let mut depth = 0;
        for (state, part) in self.states.iter_mut().zip(&redactor.parts) {
            *state = part.matcher.next(*state, byte);
            depth = depth.max(part.matcher.depth(*state));
        }
        if depth == 0 {
            self.starts.clear();
            return;
        }
        self.starts.push_back(offset);
        // No secret that ends later begins before these.
        while self.starts.len() > depth {
            self.starts.pop_front();
        }
        for (index, part) in redactor.parts.iter().enumerate() {
            let longest = self.states.get(index).and_then(|state| part.matcher.longest(*state));
            let Some((length, name)) = longest else { continue };
            let first = self.starts.len().saturating_sub(length);
            if let Some(start) = self.starts.get(first).copied() {
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

fn starts(redactor: &Redactor) -> impl Iterator<Item = StateID> {
    redactor.parts.iter().map(|part| part.matcher.start)
}
