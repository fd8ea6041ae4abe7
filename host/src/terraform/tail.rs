//! Tells a log what a process prints into its files, while it runs and after: [`Tails`].

use super::workspace::LogSink;
use crate::os;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;

/// A line that is longer is told in pieces.
const LINE_MAX: usize = 16 << 10;

/// Which streams of a process belong into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Both.
    All,
    /// The error stream only: the output is data, some of it secret.
    Errors,
    /// Neither.
    Nothing,
}

/// Verbs of which both streams are for people.
const TALKING: [&str; 10] = [
    "apply",
    "apply-plan",
    "create-workspace",
    "delete-workspace",
    "destroy",
    "init",
    "plan",
    "run-script",
    "select-workspace",
    "validate",
];

/// Which streams of an operation of this name people may see, after redaction. What a program prints as data, such as a state or
/// outputs, holds secrets that no run's document has: so no stream is shown unless it is known what it is.
#[must_use]
pub fn shown(operation: &str) -> Shown {
    // SECURITY: terraform::tail::what_is_data_or_unknown_is_not_shown
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let verb = operation.split_once('-').filter(|(number, _)| is_number(number));
    let verb = verb.map(|(_, verb)| match verb.rsplit_once('-') {
        // The second try, and so on.
        Some((verb, attempt)) if is_number(attempt) => verb,
        _ => verb,
    });
    if verb.is_some_and(|verb| TALKING.contains(&verb)) { Shown::All } else { Shown::Nothing }
}

/// The streams of one process.
pub(super) struct Tails {
    tails: Vec<Tail>,
    log: LogSink,
}

struct Tail {
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line.
    pending: Vec<u8>,
}

impl Tails {
    pub(super) fn new(stdout: PathBuf, stderr: PathBuf, shown: Shown, log: LogSink) -> Self {
        let paths = match shown {
            Shown::All => vec![stdout, stderr],
            Shown::Errors => vec![stderr],
            Shown::Nothing => Vec::new(),
        };
        let tail = |path| Tail { path, file: None, pending: Vec::new() };
        Self { tails: paths.into_iter().map(tail).collect(), log }
    }

    /// Tells what has come since. Blocks.
    pub(super) fn pump(&mut self) -> io::Result<()> {
        self.tails.iter_mut().try_for_each(|tail| tail.pump(&self.log))
    }

    /// Tells the rest, also unfinished lines. Blocks.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let pumped = self.pump();
        for tail in &mut self.tails {
            if !tail.pending.is_empty() {
                tail.pending.push(b'\n');
                (self.log)(&tail.pending);
                tail.pending.clear();
            }
        }
        pumped
    }
}

impl Tail {
    fn pump(&mut self, log: &LogSink) -> io::Result<()> {
        if self.file.is_none() {
            self.file = match os::open_without_following(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                opened => Some(opened?),
            };
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            self.pending.extend_from_slice(buffer.get(..count).unwrap_or_default());
            let whole = match self.pending.iter().rposition(|byte| *byte == b'\n') {
                Some(last) => last + 1,
                None if self.pending.len() > LINE_MAX => self.pending.len(),
                None => continue,
            };
            let rest = self.pending.split_off(whole);
            log(&self.pending);
            self.pending = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::{Arc, Mutex};

    #[test]
    fn what_is_data_or_unknown_is_not_shown() {
        for name in ["0007-apply", "0007-apply-2", "12-apply-plan", "0001-init-3", "0002-plan"] {
            assert_eq!(shown(name), Shown::All, "{name}");
        }
        for name in [
            "0007-outputs",
            "0007-workspaces",
            "0007-apply-push-1",
            "0007-apply-push-1-pull",
            "0007-apply-probe",
            "0007-apply-unlock",
            "x-apply",
            "-apply",
            "apply",
            "0007-",
            "0007-apply-",
            "0007-show-2",
            "",
        ] {
            assert_eq!(shown(name), Shown::Nothing, "{name}");
        }
    }

    #[test]
    fn lines_are_told_whole_once_and_in_the_end_all_of_them() {
        let place = tempfile::tempdir().unwrap();
        let (stdout, stderr) = (place.path().join("stdout"), place.path().join("stderr"));
        let told = Arc::new(Mutex::new(Vec::<String>::new()));
        let log: LogSink = {
            let told = Arc::clone(&told);
            Arc::new(move |bytes| {
                told.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap())
            })
        };
        let take = || std::mem::take(&mut *told.lock().unwrap());
        let mut tails = Tails::new(stdout.clone(), stderr.clone(), Shown::All, Arc::clone(&log));
        tails.pump().unwrap();
        fs::write(&stdout, "one\ntw").unwrap();
        tails.pump().unwrap();
        assert_eq!(take(), ["one\n"]);
        fs::write(&stdout, "one\ntwo\n").unwrap();
        fs::write(&stderr, "error").unwrap();
        tails.pump().unwrap();
        assert_eq!(take(), ["two\n"]);
        tails.finish().unwrap();
        assert_eq!(take(), ["error\n"]);

        let mut quiet = Tails::new(stdout.clone(), stderr.clone(), Shown::Errors, Arc::clone(&log));
        quiet.finish().unwrap();
        assert_eq!(take(), ["error\n"]);
        Tails::new(stdout.clone(), stderr, Shown::Nothing, log).finish().unwrap();
        assert!(take().is_empty());
        // A line without an end takes no memory without an end.
        fs::write(&stdout, "x".repeat(10 * CHUNK)).unwrap();
        let before = tails.tails[0].pending.len();
        tails.pump().unwrap();
        assert_eq!((before, tails.tails[0].pending.len()), (0, 0));
        assert!(take().iter().all(|piece| piece.len() <= CHUNK + LINE_MAX));
    }
}
