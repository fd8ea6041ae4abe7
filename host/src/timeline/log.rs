//! The log of a step: made plain, redacted, bounded, in this order.

use crate::excerpt::{Excerpt, plain};
use crate::redact::{Redactor, Stream};
use std::sync::Arc;

/// What a step has written, as far as it may be shown.
///
/// Redaction works on the text as it will be read: control characters are gone before, and what is dropped or cut is dropped
/// after. All that the step's log is made of goes through one stream, whoever wrote it.
#[derive(Debug)]
pub(super) struct Log {
    excerpt: Excerpt,
    stream: Stream,
    is_at_line_start: bool,
}

impl Log {
    /// A log of which so many bytes are kept.
    pub(super) fn new(capacity: usize, redactor: &Arc<Redactor>) -> Self {
        Self { excerpt: Excerpt::new(capacity), stream: redactor.stream(), is_at_line_start: true }
    }

    /// What comes from now on, and what is held back, is redacted by this one, which finds all that the present one does.
    pub(super) fn redact_with(&mut self, redactor: &Arc<Redactor>) {
        self.stream.go_on_with(redactor);
    }

    /// Appends text.
    pub(super) fn push(&mut self, text: &str) {
        let text = plain(text);
        if text.is_empty() {
            return;
        }
        self.is_at_line_start = text.ends_with('\n');
        let mut released = String::new();
        self.stream.push(&text, &mut released);
        self.excerpt.push(&released);
    }

    /// What comes next begins a line.
    pub(super) fn begin_line(&mut self) {
        if !self.is_at_line_start {
            self.push("\n");
        }
    }

    /// Appends text as lines of their own.
    pub(super) fn push_line(&mut self, line: &str) {
        self.begin_line();
        self.push(line);
        self.begin_line();
    }

    /// Shows what was held back, since no more is coming; tells whether there was anything.
    pub(super) fn finish(&mut self) -> bool {
        let mut released = String::new();
        self.stream.finish(&mut released);
        self.excerpt.push(&released);
        !released.is_empty()
    }

    /// The log so far; nothing if there is none.
    pub(super) fn render(&self) -> Option<String> {
        let mut text = if self.excerpt.is_empty() { String::new() } else { self.excerpt.render() };
        text.push_str(self.stream.glimpse());
        (!text.is_empty()).then_some(text)
    }
}

/// Makes text of bytes that may end within a character.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The beginning of a character.
    rest: Vec<u8>,
}

impl Decoder {
    /// The text; what is not UTF-8 is replaced.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> String {
        let mut whole = std::mem::take(&mut self.rest);
        whole.extend_from_slice(bytes);
        let mut bytes = whole.as_slice();
        let mut text = String::with_capacity(bytes.len());
        loop {
            let error = match std::str::from_utf8(bytes) {
                Ok(valid) => {
                    text.push_str(valid);
                    return text;
                }
                Err(error) => error,
            };
            let (valid, rest) = bytes.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid));
            let Some(invalid) = error.error_len() else {
                self.rest = rest.to_vec();
                return text;
            };
            text.push(char::REPLACEMENT_CHARACTER);
            bytes = rest.get(invalid..).unwrap_or_default();
        }
    }

    /// What is left of a character whose end never came.
    pub(super) fn finish(&mut self) -> &'static str {
        if std::mem::take(&mut self.rest).is_empty() { "" } else { "\u{fffd}" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    fn log(capacity: usize, secret: &str) -> Log {
        let (redactor, _) = Redactor::new([("key", &SecretString::from(secret))]).unwrap();
        Log::new(capacity, &Arc::new(redactor))
    }

    fn finished(mut log: Log) -> String {
        log.finish();
        log.render().unwrap_or_default()
    }

    #[test]
    fn lines_start_on_their_own_line() {
        let mut log = log(100, "hunter2");
        log.push("unfinished");
        log.push_line("one");
        log.push_line("two\n");
        assert_eq!(finished(log), "unfinished\none\ntwo\n");
    }

    #[test]
    fn control_characters_do_not_hide_a_secret() {
        let mut log = log(100, "hunter2");
        log.push("a hun\x1bter\r2\0 b");
        assert_eq!(finished(log), "a [secret key] b");
    }

    #[test]
    fn a_secret_with_control_characters_is_found_as_it_is_shown() {
        for secret in ["hun\x1bter2", "hunter2\r\nhunter3\r\n", "hun\tter2"] {
            let mut log = log(100, secret);
            log.push(&format!("a {secret} b"));
            assert!(!finished(log).contains("ter"), "{secret:?}");
        }
    }

    #[test]
    fn what_is_cut_out_of_a_long_log_is_cut_after_redaction() {
        // Cut before, the kept ends would be the ends of the secret.
        let mut log = log(30, "0123456789abcdefghijklmnopqrstuvwxyz");
        log.push("the beginning 0123456789abcdefghijklmnopqrstuvwxyz the end");
        assert_eq!(finished(log), "the beginning [\n[… 4 bytes dropped …]\net key] the end");
    }

    #[test]
    fn only_a_glimpse_of_what_may_become_a_secret_is_shown() {
        let mut log = log(100, "hunter2");
        log.push_line("done h");
        assert_eq!(log.render().unwrap(), "done h\n");
        log.push("unt");
        assert_eq!(log.render().unwrap(), "done ", "`hunt` is held back");
        log.push("ing");
        assert_eq!(log.render().unwrap(), "done h\nunting");
    }

    #[test]
    fn characters_that_are_split_over_writes_are_whole() {
        let text = "äö€😀".as_bytes();
        for border in 0..text.len() {
            let mut decoder = Decoder::default();
            let (first, second) = text.split_at(border);
            let decoded = decoder.decode(first) + &decoder.decode(second) + decoder.finish();
            assert_eq!(decoded, "äö€😀", "{border}");
        }
        let mut decoder = Decoder::default();
        assert_eq!(decoder.decode(b"a\xffb\xe2\x82"), "a\u{fffd}b");
        assert_eq!(decoder.decode(b"c\xf0"), "\u{fffd}c");
        assert_eq!(decoder.finish(), "\u{fffd}");
    }
}
