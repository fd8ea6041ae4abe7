//! The format of a segment, written once and appended to.
//!
//! ```text
//! u32, big endian     length of the sealed key
//! sealed key          32 bytes for AES-256-GCM, sealed to the runner's key as meshStack seals secrets
//! then frames:
//!   u32, big endian   length of what follows
//!   ciphertext, tag   of a JSON array [run id, record]; the nonce is the frame's number, so that frames can't change places
//! ```
//!
//! A crash may leave a frame unfinished at the end; nobody was told that it is there.

use super::error::{JournalError, at};
use super::record::Record;
use crate::os;
use crate::run::RunId;
use crate::unseal::{PrivateKey, PublicKey};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What the names of segments end with; before it comes their number.
pub(super) const SUFFIX: &str = ".journal";

const KEY_BYTES: usize = 32;
const LENGTH_BYTES: usize = 4;

/// A segment that is being written.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    key: LessSafeKey,
    frames: u64,
    /// Bytes that are written for certain.
    length: u64,
}

impl Segment {
    /// Begins a segment; one of that number must not exist.
    pub(super) fn create(
        directory: &Path,
        number: u64,
        runner: &PublicKey,
    ) -> Result<Self, JournalError> {
        let path = directory.join(format!("{number:016}{SUFFIX}"));
        let mut plain = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(plain.as_mut_slice()).map_err(|_| JournalError::Encrypt)?;
        let sealed = runner.seal(plain.as_slice()).map_err(|_| JournalError::Encrypt)?;
        let length = u32::try_from(sealed.len()).map_err(|_| JournalError::Encrypt)?;
        let mut file = at("create", &path, os::create_private_file(&path))?;
        let header = [&length.to_be_bytes()[..], &sealed].concat();
        let written = file.write_all(&header).and_then(|()| os::sync_directory(directory));
        if written.is_err() {
            // It holds nothing, and on a full disk there would be one for each try.
            let _ = fs::remove_file(&path);
        }
        at("write", &path, written)?;
        let key = key(plain.as_slice())?;
        Ok(Self { path, file, key, frames: 0, length: header.len() as u64 })
    }

    /// The bytes of a frame for the end of the segment; it must be given to `append` before the next one is made.
    pub(super) fn frame(&mut self, content: &[u8]) -> Result<Vec<u8>, JournalError> {
        let mut frame = content.to_vec();
        let nonce = nonce(self.frames);
        self.key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut frame)
            .map_err(|_| JournalError::Encrypt)?;
        self.frames += 1;
        let length = u32::try_from(frame.len()).map_err(|_| JournalError::Encrypt)?;
        Ok([&length.to_be_bytes()[..], &frame].concat())
    }

    /// Writes frames. After an error the segment must not be written to any more.
    pub(super) fn append(&mut self, frames: &[u8], durably: bool) -> Result<(), JournalError> {
        let written = self.file.write_all(frames);
        let written = written.and_then(|()| if durably { self.file.sync_data() } else { Ok(()) });
        if written.is_err() {
            // What was written in part is as good as not there, and takes no room on a disk that may be full.
            let _ = self.file.set_len(self.length);
        }
        at("write", &self.path, written)?;
        self.length += frames.len() as u64;
        Ok(())
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

/// A segment that is being read.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    content: Vec<u8>,
    offset: usize,
    key: LessSafeKey,
    frames: u64,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Read {
    Damaged(JournalError),
    End,
    Record(RunId, Record),
}

impl Reader {
    /// `None` if the segment was not even begun.
    pub(super) fn open(path: &Path, runner: &PrivateKey) -> Result<Option<Self>, JournalError> {
        let content = at("read", path, fs::read(path))?;
        let Some(sealed) = part(&content, 0) else { return Ok(None) };
        let offset = LENGTH_BYTES + sealed.len();
        let plain = runner
            .unseal_bytes(sealed)
            .map_err(|source| JournalError::Key { path: path.to_owned(), source })?;
        let key = key(&plain)?;
        Ok(Some(Self { path: path.to_owned(), content, offset, key, frames: 0 }))
    }

    pub(super) fn next(&mut self) -> Read {
        // A frame that is cut off was never acknowledged, nor were zeros that a power cut left.
        let Some(frame) = part(&self.content, self.offset) else { return Read::End };
        if frame.len() < AES_256_GCM.tag_len() {
            return self.skip_rest();
        }
        let mut frame = Zeroizing::new(frame.to_vec());
        let damaged = JournalError::Damaged { path: self.path.clone(), offset: self.offset as u64 };
        self.offset += LENGTH_BYTES + frame.len();
        let nonce = nonce(self.frames);
        self.frames += 1;
        let opened = self.key.open_in_place(nonce, Aad::empty(), &mut frame);
        let Ok(content) = opened else { return Read::Damaged(damaged) };
        let record = serde_json::from_slice::<(String, Record)>(content).ok();
        let record = record.and_then(|(run, record)| Some((RunId::parse(&run).ok()?, record)));
        record.map_or(Read::Damaged(damaged), |(run, record)| Read::Record(run, record))
    }
}

impl Reader {
    /// Where a length is impossible, nothing behind it can be found.
    fn skip_rest(&mut self) -> Read {
        let offset = std::mem::replace(&mut self.offset, self.content.len());
        let rest = self.content.get(offset..).unwrap_or_default();
        if rest.iter().all(|byte| *byte == 0) {
            return Read::End;
        }
        Read::Damaged(JournalError::Damaged { path: self.path.clone(), offset: offset as u64 })
    }
}

/// The bytes behind a length at `offset`; `None` if they are not all there.
fn part(content: &[u8], offset: usize) -> Option<&[u8]> {
    let rest = content.get(offset..)?;
    let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn key(bytes: &[u8]) -> Result<LessSafeKey, JournalError> {
    let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| JournalError::Encrypt)?;
    Ok(LessSafeKey::new(key))
}

/// Each key is used for one segment, and each number once in it.
fn nonce(frame: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    let (_, number) = bytes.split_at_mut(NONCE_LEN - size_of::<u64>());
    number.copy_from_slice(&frame.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}
