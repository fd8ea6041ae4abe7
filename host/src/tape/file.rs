//! The files of a tape: [`Recorder`] writes one, [`Recording`] reads those of earlier processes.

use super::{Entry, FRUITLESS_MAX, TapeError};
use crate::crash::{self, CrashPoint};
use crate::frames::{FramesError, Read, Reader, Writer};
use crate::os;
use crate::unseal::{PrivateKey, PublicKey};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What the names of the files end with; before it comes their number.
const SUFFIX: &str = ".tape";

/// Writes what happens in this process. A frame is a list of entries.
pub(super) struct Recorder {
    directory: PathBuf,
    runner: Arc<PublicKey>,
    number: u32,
    first: Entry,
    writer: Option<Writer>,
    has_begun: bool,
    is_durable: bool,
    /// In files that are written to no more.
    earlier: u64,
}

impl Recorder {
    pub(super) fn new(directory: &Path, runner: Arc<PublicKey>, number: u32, first: Entry) -> Self {
        let directory = directory.to_owned();
        let (writer, has_begun, is_durable, earlier) = (None, false, true, 0);
        Self { directory, runner, number, first, writer, has_begun, is_durable, earlier }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether all that was written survives a crash of the machine.
    pub(super) fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// Bytes written.
    pub(super) fn bytes(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::length).saturating_add(self.earlier)
    }

    /// Writes entries; after an error the next ones go into another file, and these are still to be written.
    pub(super) fn write(&mut self, entries: &[Entry], durably: bool) -> Result<(), TapeError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.begin()?,
        };
        let content = encode(entries)?;
        // A file that can't be written is given up.
        let begun = writer.length();
        self.is_durable = false;
        let written = writer.frame(&content).and_then(|frame| writer.append(&frame, durably));
        if let Err(error) = written {
            self.earlier = self.earlier.saturating_add(begun);
            return Err(error.into());
        }
        self.is_durable = durably;
        self.writer = Some(writer);
        crash::point(CrashPoint::TapeWritten);
        Ok(())
    }

    fn begin(&mut self) -> Result<Writer, TapeError> {
        let made = os::create_private_directory(&self.directory);
        made.map_err(|source| failed("create", &self.directory, source))?;
        let name = format!("{:08}{SUFFIX}", self.number);
        let mut writer = Writer::create(&self.directory.join(name), &self.runner)?;
        self.has_begun = true;
        self.number = self.number.saturating_add(1);
        let began = encode(std::slice::from_ref(&self.first))?;
        let frame = writer.frame(&began)?;
        writer.append(&frame, false)?;
        Ok(writer)
    }
}

/// Reads what happened in earlier processes.
pub(super) struct Recording {
    /// Those that are still to be read.
    files: VecDeque<Reader>,
    entries: VecDeque<Entry>,
    /// What the first process began with.
    first: Option<Entry>,
    fruitless: usize,
    following: u32,
    last_written: Option<SystemTime>,
}

impl Recording {
    /// Finds the files in a run's directory; there need be none. Blocks.
    pub(super) fn open(directory: &Path, key: &PrivateKey) -> Result<Self, TapeError> {
        let found = files(directory)?;
        let following = found.last().map_or(1, |(number, _)| number.saturating_add(1));
        let written = found.iter().filter_map(|(_, path)| path.metadata().ok()?.modified().ok());
        let last_written = written.max();
        let open = |(_, path): &(u32, PathBuf)| Reader::open(path, key).transpose();
        let mut fruitless = 0;
        for file in found.iter().rev().take(FRUITLESS_MAX).filter_map(open) {
            if is_fruitful(file?)? {
                break;
            }
            fruitless += 1;
        }
        let files = found.iter().filter_map(open).collect::<Result<VecDeque<_>, _>>()?;
        let entries = VecDeque::new();
        let mut recording =
            Self { files, entries, first: None, fruitless, following, last_written };
        // With that, what it began with is known as well.
        if let Some(entry) = recording.next()? {
            recording.entries.push_front(entry);
        }
        Ok(recording)
    }

    /// What the first process began with.
    pub(super) fn first(&self) -> Option<Entry> {
        self.first.clone()
    }

    /// The number of the next file.
    pub(super) fn following(&self) -> u32 {
        self.following
    }

    /// How many processes in a row have died while they executed the run and got no further.
    pub(super) fn fruitless(&self) -> usize {
        self.fruitless
    }

    /// How long ago something was written.
    pub(super) fn age(&self, now: SystemTime) -> Duration {
        // Clocks may have been set back.
        self.last_written.and_then(|then| now.duration_since(then).ok()).unwrap_or_default()
    }

    /// The next entry for the component.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, TapeError> {
        loop {
            match self.entries.pop_front() {
                Some(began @ Entry::Began { .. }) => {
                    self.first.get_or_insert(began);
                }
                Some(Entry::Waiting | Entry::Woken) => {}
                Some(entry) => return Ok(Some(entry)),
                None => {
                    let Some(file) = self.files.front_mut() else { return Ok(None) };
                    match frame(file)? {
                        Some(entries) => self.entries.extend(entries),
                        None => drop(self.files.pop_front()),
                    }
                }
            }
        }
    }
}

/// Whether a process got further with the run, or was not executing it when it died.
fn is_fruitful(mut file: Reader) -> Result<bool, TapeError> {
    let mut is_waiting = false;
    while let Some(entries) = frame(&mut file)? {
        for entry in entries {
            match entry {
                Entry::Began { .. } => {}
                Entry::Waiting => is_waiting = true,
                Entry::Woken => is_waiting = false,
                _ => return Ok(true),
            }
        }
    }
    Ok(is_waiting)
}

fn frame(file: &mut Reader) -> Result<Option<Vec<Entry>>, TapeError> {
    match file.read()? {
        Read::Frame(content) => {
            postcard::from_bytes(&content).map(Some).map_err(|_| TapeError::Unreadable)
        }
        Read::Damaged(error) => Err(error.into()),
        Read::End => Ok(None),
    }
}

fn encode(entries: &[Entry]) -> Result<zeroize::Zeroizing<Vec<u8>>, TapeError> {
    let content = postcard::to_allocvec(entries).map_err(|_| FramesError::Encrypt)?;
    Ok(zeroize::Zeroizing::new(content))
}

/// By their numbers, ascending.
fn files(directory: &Path) -> Result<Vec<(u32, PathBuf)>, TapeError> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", directory, error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed("read", directory, error))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse().ok());
        if let Some(number) = number {
            files.push((number, entry.path()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn failed(operation: &'static str, path: &Path, source: io::Error) -> TapeError {
    let (path, source) = (path.to_owned(), Arc::new(source));
    TapeError::File(FramesError::Io { operation, path, source })
}
