//! Whether a program that was asked to stop is getting anywhere: [`Progress`] reads what it writes.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

/// Bytes of one stream that are read at a time. Whoever writes more than that is getting somewhere.
const READ_MAX: u64 = 256 << 10;
/// A line this long is counted before its end.
const LINE_MAX: usize = 64 << 10;

/// Follows one stream from where it is first looked at.
#[derive(Debug)]
pub(super) struct Progress {
    offset: u64,
    /// The beginning of a line.
    line: Vec<u8>,
}

impl Progress {
    /// From now on.
    pub(super) fn after(offset: u64) -> Self {
        Self { offset, line: Vec::new() }
    }

    /// Whether there is a new line that tells of progress.
    pub(super) fn look(&mut self, file: &mut File) -> io::Result<bool> {
        let length = file.metadata()?.len();
        if length.saturating_sub(self.offset) > READ_MAX {
            *self = Self::after(length);
            return Ok(true);
        }
        // The program can cut off its own file.
        self.offset = self.offset.min(length);
        let mut new = Vec::new();
        file.seek(SeekFrom::Start(self.offset))?;
        self.offset = self.offset.saturating_add(file.take(READ_MAX).read_to_end(&mut new)? as u64);
        Ok(self.feed(&new))
    }

    fn feed(&mut self, new: &[u8]) -> bool {
        let mut found = false;
        for part in new.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() > LINE_MAX {
                found |= tells(&self.line);
                self.line.clear();
            }
        }
        found
    }
}

/// Any line but a blank one. `Still creating... [10s elapsed]` as well: Terraform says so as long as it waits for a provider's call, whose
/// end it needs for its state, and a second interrupt would lose that. A provider that hangs says it for ever; [`Ladder::limit`] is
/// for that one.
///
/// [`Ladder::limit`]: super::Ladder::limit
fn tells(line: &[u8]) -> bool {
    !line.trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn whoever_waits_for_a_provider_and_says_so_is_getting_somewhere() {
        for line in [
            "null_resource.x: Still creating... [10s elapsed]\n",
            "null_resource.x: Still destroying... [id=1, 00m10s elapsed]\n",
            "data.http.x: Still reading... [10s elapsed]\n",
            "{\"@message\":\"a.b: Still modifying... [10s elapsed]\",\"type\":\"apply_progress\"}\n",
            "null_resource.x: Creation complete after 1s\n",
            "\u{fffd}\n",
        ] {
            assert!(Progress::after(0).feed(line.as_bytes()), "{line}");
        }
        for line in ["\n", "   \r\n", "\t\n\n"] {
            assert!(!Progress::after(0).feed(line.as_bytes()), "{line:?}");
        }
    }

    #[test]
    fn a_line_counts_when_it_is_whole() {
        let mut progress = Progress::after(0);
        assert!(!progress.feed(b"x: Still cre"));
        assert!(progress.feed(b"ating... [10s elapsed]\nx: Crea"));
        assert!(!progress.feed(b"tion"));
        assert!(progress.feed(b" complete\n"));
        assert!(progress.feed(&vec![b'x'; LINE_MAX + 1]), "a line without end");
    }

    #[test]
    fn only_what_is_new_counts_however_the_file_changes() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"old\n").unwrap();
        let mut progress = Progress::after(4);
        assert!(!progress.look(&mut file).unwrap());
        file.write_all(b"new\n").unwrap();
        assert!(progress.look(&mut file).unwrap());
        file.set_len(0).unwrap();
        assert!(!progress.look(&mut file).unwrap());
        file.set_len(2 * READ_MAX).unwrap();
        assert!(progress.look(&mut file).unwrap(), "a flood");
        assert!(!progress.look(&mut file).unwrap());
    }
}
