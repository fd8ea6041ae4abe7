//! Keeps the beginning and the end of a text that may be endless.

use std::borrow::Cow;
use std::collections::VecDeque;

/// A log that keeps its head and its tail: the head says how it began, the tail why it ended.
///
/// What arrives is untrusted text: control characters other than line ends and tabs are removed, so that neither a terminal
/// nor a log file can be taken over by it.
#[derive(Clone, Debug)]
pub struct Excerpt {
    head: String,
    tail: VecDeque<u8>,
    half: usize,
    dropped: u64,
}

impl Excerpt {
    /// Keeps up to `capacity` bytes, half of them from the beginning.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { head: String::new(), tail: VecDeque::new(), half: capacity / 2, dropped: 0 }
    }

    /// Appends text.
    pub fn push(&mut self, text: &str) {
        for character in text.chars().filter(|c| is_plain(*c)) {
            self.push_char(character);
        }
    }

    /// Whether nothing was ever kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// The text, with a line in the place of what was dropped.
    #[must_use]
    pub fn render(&self) -> String {
        let (front, back) = self.tail.as_slices();
        let mut tail = Vec::with_capacity(self.tail.len());
        tail.extend_from_slice(front);
        tail.extend_from_slice(back);
        // Dropping bytes from the front may have cut a character in two.
        let start = tail.iter().position(|byte| !is_continuation(*byte)).unwrap_or(tail.len());
        let cut = u64::try_from(start).unwrap_or(u64::MAX);
        let tail = String::from_utf8_lossy(tail.get(start..).unwrap_or_default());
        match self.dropped {
            0 => format!("{}{tail}", self.head),
            dropped => format!("{}\n[… {} bytes dropped …]\n{tail}", self.head, dropped + cut),
        }
    }

    fn push_char(&mut self, character: char) {
        let size = character.len_utf8();
        if self.tail.is_empty() && self.head.len() + size <= self.half {
            self.head.push(character);
            return;
        }
        let mut buffer = [0; 4];
        self.tail.extend(character.encode_utf8(&mut buffer).bytes());
        while self.tail.len() > self.half {
            self.tail.pop_front();
            self.dropped += 1;
        }
    }
}

/// Cuts a text to at most `limit` bytes, visibly, and removes control characters.
#[must_use]
pub fn clip(text: &str, limit: usize) -> String {
    const MARK: &str = "…";
    let plain = plain(text);
    if plain.len() <= limit {
        return plain.into_owned();
    }
    let room = limit.saturating_sub(MARK.len());
    let end = (0..=room).rev().find(|end| plain.is_char_boundary(*end)).unwrap_or(0);
    format!("{}{MARK}", plain.get(..end).unwrap_or_default())
}

/// As [`clip`], on one line: for lists and tables, in which a line end would begin a line of ours.
#[must_use]
pub fn line(text: &str, limit: usize) -> String {
    clip(text, limit).replace(['\n', '\t'], " ")
}

/// The text without control characters other than line ends and tabs.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| is_plain(*c)).collect())
}

/// Neither a control character nor one that changes the direction of the text around it ("Trojan Source").
fn is_plain(character: char) -> bool {
    match character {
        '\n' | '\t' => true,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            false
        }
        // Line ends that only some programs take for such.
        '\u{2028}' | '\u{2029}' => false,
        other => !other.is_control(),
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_is_kept_as_it_is() {
        let mut log = Excerpt::new(100);
        log.push("one\n");
        log.push("two\n");
        assert_eq!(log.render(), "one\ntwo\n");
    }

    #[test]
    fn head_and_tail_of_a_flood_are_kept_and_the_rest_is_counted() {
        let mut log = Excerpt::new(20);
        log.push("beginning.");
        log.push(&"x".repeat(1_000));
        log.push("the ending");
        assert_eq!(log.render(), "beginning.\n[… 1000 bytes dropped …]\nthe ending");
    }

    #[test]
    fn memory_is_bounded_however_much_is_written() {
        let mut log = Excerpt::new(64);
        (0..10_000).for_each(|_| log.push("äöü€😀"));
        assert!(log.head.len() <= 32 && log.tail.len() <= 32);
        assert!(!log.render().contains('\u{fffd}'), "a character was cut in two: {}", log.render());
    }

    #[test]
    fn terminal_escapes_and_carriage_returns_are_removed() {
        let mut log = Excerpt::new(100);
        log.push("a\x1b[31mred\x1b[0m\r\nb\u{202e}evil\x07\0");
        assert_eq!(log.render(), "a[31mred[0m\nbevil");
    }

    #[test]
    fn clipping_respects_characters_and_the_limit() {
        assert_eq!(clip("short", 10), "short");
        for limit in 0..12 {
            let clipped = clip("ääääääää", limit);
            assert!(clipped.len() <= limit.max("…".len()), "{limit}: {clipped}");
        }
    }
}
