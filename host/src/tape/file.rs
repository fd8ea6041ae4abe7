//! The files of a tape: [`Recorder`] writes one, [`Recording`] reads those of earlier processes.

use super::{Entry, FRUITLESS_MAX, TapeError};
use crate::crash::{self, CrashPoint};
use crate::frames::{FramesError, Read, Reader, Writer, at};
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
        at("create", &self.directory, os::create_private_directory(&self.directory))?;
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
    key: Arc<PrivateKey>,
    /// Those that are still to be read. One at a time is open: there is one for each restart.
    files: VecDeque<PathBuf>,
    open: Option<Reader>,
    entries: VecDeque<Entry>,
    /// What the first process began with.
    first: Option<Entry>,
    fruitless: usize,
    following: u32,
    last_written: Option<SystemTime>,
}

impl Recording {
    /// Finds the files in a run's directory; there need be none. Blocks.
    pub(super) fn open(directory: &Path, key: &Arc<PrivateKey>) -> Result<Self, TapeError> {
        let found = files(directory)?;
        let following = found.last().map_or(1, |(number, _)| number.saturating_add(1));
        let written = found.iter().filter_map(|(_, path)| path.metadata().ok()?.modified().ok());
        let last_written = written.max();
        let last = found.iter().rev().take(FRUITLESS_MAX);
        let mut fruitless = 0;
        for file in last.filter_map(|(_, path)| Reader::open(path, key).transpose()) {
            if is_fruitful(file?)? {
                break;
            }
            fruitless += 1;
        }
        let mut recording = Self {
            key: Arc::clone(key),
            files: found.into_iter().map(|(_, path)| path).collect(),
            open: None,
            entries: VecDeque::new(),
            first: None,
            fruitless,
            following,
            last_written,
        };
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
                    let Some(file) = self.file()? else { return Ok(None) };
                    match frame(file)? {
                        Some(entries) => self.entries.extend(entries),
                        None => self.open = None,
                    }
                }
            }
        }
    }

    /// The file that is to be read now.
    fn file(&mut self) -> Result<Option<&mut Reader>, TapeError> {
        while self.open.is_none() {
            let Some(path) = self.files.pop_front() else { return Ok(None) };
            self.open = Reader::open(&path, &self.key)?;
        }
        Ok(self.open.as_mut())
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
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => at("read", directory, entries)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = at("read", directory, entry)?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse().ok());
        if let Some(number) = number {
            files.push((number, entry.path()));
        }
    }
    files.sort_unstable();
    Ok(files)
}
