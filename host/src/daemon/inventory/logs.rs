//! What is on the disk of what a run has told: [`Logs`].
//!
//! The messages in a final status are as meshStack gets them. What native programs have printed is as they have printed it: it is redacted
//! here, by what the daemon redacts it by, or not shown at all.

use super::KnownRun;
use crate::excerpt::plain;
use crate::os;
use crate::prepare::{Protection, redactor_of};
use crate::redact::{Redactor, Stream};
use crate::shim;
use crate::terraform::{Shown, shown};
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::sync::Arc;

/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;

/// What takes the place of the run's token.
const TOKEN: &str = "run token";

/// Writes what a run has told.
#[derive(Debug)]
pub struct Logs<'a> {
    run: &'a KnownRun,
    /// What programs print goes through all of them.
    redactors: Result<[Arc<Redactor>; 2], LogError>,
}

/// Why what programs have printed can't be shown.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The run's secrets are not known, so that they can't be found.
    #[error("the run's document is not known, and with it what would have to be redacted")]
    Document,
    /// A secret can't be opened, so that it can't be found.
    #[error("what would have to be redacted can't be told: {0}")]
    Secrets(String),
}

impl<'a> Logs<'a> {
    /// Gets ready to write what a run has told. Blocks: its secrets are opened.
    #[must_use]
    pub fn of(run: &'a KnownRun, protection: &Protection) -> Self {
        Self { run, redactors: redactors(run, protection) }
    }

    /// Writes all of it; or only that of a step or operation. Tells whether there was anything.
    ///
    /// # Errors
    /// If it can't be written or read.
    pub fn write(&self, only: Option<&str>, out: &mut impl Write) -> io::Result<bool> {
        let is_wanted = |name: &str| only.is_none_or(|only| only == name);
        let mut is_any = false;
        for step in self.run.steps().into_iter().filter(|step| is_wanted(&step.id)) {
            for (what, text) in [("user", &step.user_message), ("system", &step.system_message)] {
                let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else { continue };
                is_any = true;
                writeln!(out, "--- {}: {what} message", plain(&step.id))?;
                writeln!(out, "{}", plain(text.trim_end()))?;
            }
        }
        let summary = self.run.history().end.as_ref().and_then(|end| end.summary.as_deref());
        if let (None, Some(summary)) = (only, summary) {
            is_any = true;
            writeln!(out, "--- summary\n{}", plain(summary))?;
        }
        for operation in self.run.operations().iter().filter(|found| is_wanted(&found.name)) {
            // SECURITY: terraform::tail::what_is_data_or_unknown_is_not_shown
            if shown(&operation.name) != Shown::All {
                continue;
            }
            let directory = &operation.directory;
            for (what, path) in
                [("output", shim::stdout(directory)), ("errors", shim::stderr(directory))]
            {
                is_any |= self.write_stream(&format!("{}: {what}", operation.name), &path, out)?;
            }
        }
        Ok(is_any)
    }

    fn write_stream(&self, title: &str, path: &Path, out: &mut impl Write) -> io::Result<bool> {
        // A program that runs as our user may have put something else in its place.
        let file = match os::open_without_following(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        if file.metadata()?.len() == 0 {
            return Ok(false);
        }
        writeln!(out, "--- {}", plain(title))?;
        match &self.redactors {
            // SECURITY: daemon::inventory::tests::what_programs_print_is_not_shown_if_it_can_not_be_redacted
            Err(error) => writeln!(out, "[not shown: {error}]")?,
            Ok(redactors) => copy(file, redactors, out)?,
        }
        Ok(true)
    }
}

/// The run's own secrets, and its token, with which its programs log in.
fn redactors(run: &KnownRun, protection: &Protection) -> Result<[Arc<Redactor>; 2], LogError> {
    let claim = run.claim().ok_or(LogError::Document)?;
    let of_run = redactor_of(run.run().cloned().ok_or(LogError::Document)?, protection);
    let of_run = of_run.map_err(|outcome| {
        let why = outcome.detail().or_else(|| outcome.user_message());
        LogError::Secrets(why.unwrap_or_default())
    })?;
    let token = Redactor::new(claim.run_token().map(|token| (TOKEN, token)));
    let (of_token, _) = token.map_err(|error| LogError::Secrets(error.to_string()))?;
    Ok([Arc::new(of_run), Arc::new(of_token)])
}

/// Copies what a program has printed as people may see it: plain, then without secrets, in this order.
fn copy(mut file: File, redactors: &[Arc<Redactor>; 2], out: &mut impl Write) -> io::Result<()> {
    let mut streams = redactors.each_ref().map(Redactor::stream);
    let mut bytes = vec![0; CHUNK];
    let mut pending = Vec::new();
    let mut last = None;
    loop {
        let count = file.read(&mut bytes)?;
        let is_end = count == 0;
        pending.extend_from_slice(bytes.get(..count).unwrap_or_default());
        let text = decoded(&mut pending, is_end);
        let text = pushed(&mut streams, &plain(&text), is_end);
        out.write_all(text.as_bytes())?;
        last = text.chars().next_back().or(last);
        if is_end {
            break;
        }
    }
    if last.is_some_and(|last| last != '\n') { writeln!(out) } else { Ok(()) }
}

fn pushed(streams: &mut [Stream; 2], text: &str, is_end: bool) -> String {
    let mut text = text.to_owned();
    for stream in streams {
        let mut released = String::new();
        stream.push(&text, &mut released);
        if is_end {
            stream.finish(&mut released);
        }
        text = released;
    }
    text
}

/// Takes the text out of bytes; what may be the beginning of a character stays until there is more.
fn decoded(pending: &mut Vec<u8>, is_end: bool) -> String {
    let incomplete = match std::str::from_utf8(pending) {
        Err(error) if !is_end && error.error_len().is_none() => pending.len() - error.valid_up_to(),
        // Something invalid may stand before a character that is not complete.
        Err(_) if !is_end => incomplete_end(pending),
        _ => 0,
    };
    let rest = pending.split_off(pending.len() - incomplete);
    let text = String::from_utf8_lossy(pending).into_owned();
    *pending = rest;
    text
}

/// How many of the last bytes may be the beginning of a character.
fn incomplete_end(bytes: &[u8]) -> usize {
    let end = bytes.rchunks(3).next().unwrap_or_default();
    let is_begun = |start: usize| {
        let part = end.get(start..).unwrap_or_default();
        std::str::from_utf8(part)
            .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (0..end.len()).find(|start| is_begun(*start)).map_or(0, |start| end.len() - start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;
    use std::io::Seek as _;

    fn copied(text: &[u8], secrets: &[&str; 2]) -> String {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file.rewind().unwrap();
        let redactors = secrets.map(|secret| {
            let secret = SecretString::from(secret);
            Arc::new(Redactor::new([("key", &secret)]).unwrap().0)
        });
        let mut out = Vec::new();
        copy(file, &redactors, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn secrets_are_found_wherever_the_pieces_end() {
        let secrets = ["correct-hörse-battery", "the-rün-token-of-it"];
        for padding in (CHUNK - 30..CHUNK + 3).chain([0]) {
            for secret in secrets {
                let text = format!("{}{secret}\u{1b}[0m end", "x".repeat(padding));
                let told = copied(text.as_bytes(), &secrets);
                assert!(told.ends_with("x[secret key][0m end\n") || padding == 0, "{padding}");
                assert!(told.contains("[secret key][0m end\n") && !told.contains("rse-bat"));
            }
        }
        assert_eq!(copied(b"", &secrets), "");
        assert_eq!(copied(b"a\n", &secrets), "a\n");
        assert_eq!(copied(b"\xff\xc3", &secrets), "\u{fffd}\u{fffd}\n");
    }

    #[test]
    fn characters_are_put_together_again() {
        for text in ["aé€😀", "\u{fffd}€"] {
            for cut in 0..=text.len() {
                let (one, other) = text.as_bytes().split_at(cut);
                let mut pending = [b"\xff", one].concat();
                let mut told = decoded(&mut pending, false);
                pending.extend_from_slice(other);
                told.push_str(&decoded(&mut pending, true));
                assert_eq!(told, format!("\u{fffd}{text}"), "{cut}");
            }
        }
    }
}
