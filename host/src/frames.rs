//! Files of encrypted frames, written once and appended to: [`Writer`] and [`Reader`]. The journal and the tapes of runs are made of them.
//!
//! ```text
//! u32, big endian     length of the sealed key
//! sealed key          32 bytes for AES-256-GCM, sealed to the runner's key as meshStack seals secrets
//! then frames:
//!   u32, big endian   length of what follows
//!   ciphertext, tag   the nonce is the frame's number, so that frames can't change places
//! ```
//!
//! A crash may leave a frame unfinished at the end; nobody was told that it is there. For the same reason a file is never appended to by
//! another process than the one that began it: its next frame would have the nonce of the unfinished one.

use crate::os;
use crate::unseal::{PrivateKey, PublicKey, UnsealError};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const LENGTH_BYTES: usize = 4;

/// Why such a file can't be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FramesError {
    /// A part of the file is not what was written.
    #[error("`{path}` is damaged {offset} bytes from its beginning")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
    /// A frame can't be encrypted: the system has no randomness, or it is absurdly large.
    #[error("failed to encrypt a record")]
    Encrypt,
    /// The system refused.
    #[error("failed to {operation} `{path}`")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// It was written by a runner with another private key.
    #[error("failed to open `{path}` with this runner's private key")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: UnsealError,
    },
}

/// A file that is being written.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
    key: LessSafeKey,
    frames: u64,
    /// Bytes that are written for certain.
    length: u64,
}

impl Writer {
    /// Begins a file; one of that name must not exist.
    ///
    /// # Errors
    /// [`FramesError`]; then there is no such file.
    pub fn create(path: &Path, runner: &PublicKey) -> Result<Self, FramesError> {
        let directory = path.parent().unwrap_or(path);
        let mut plain = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(plain.as_mut_slice()).map_err(|_| FramesError::Encrypt)?;
        let sealed = runner.seal(plain.as_slice()).map_err(|_| FramesError::Encrypt)?;
        let length = u32::try_from(sealed.len()).map_err(|_| FramesError::Encrypt)?;
        let mut file = at("create", path, os::create_private_file(path))?;
        let header = [&length.to_be_bytes()[..], &sealed].concat();
        let written = file.write_all(&header).and_then(|()| os::sync_directory(directory));
        if written.is_err() {
            // It holds nothing, and on a full disk there would be one for each try.
            let _ = fs::remove_file(path);
        }
        at("write", path, written)?;
        let key = key(plain.as_slice())?;
        Ok(Self { path: path.to_owned(), file, key, frames: 0, length: header.len() as u64 })
    }

    /// The bytes of a frame for the end of the file; it must be given to `append` before the next one is made.
    ///
    /// # Errors
    /// [`FramesError::Encrypt`].
    pub fn frame(&mut self, content: &[u8]) -> Result<Vec<u8>, FramesError> {
        let mut frame = content.to_vec();
        let nonce = nonce(self.frames);
        self.key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut frame)
            .map_err(|_| FramesError::Encrypt)?;
        self.frames += 1;
        let length = u32::try_from(frame.len()).map_err(|_| FramesError::Encrypt)?;
        Ok([&length.to_be_bytes()[..], &frame].concat())
    }

    /// Writes frames; `durably`: they survive a crash of the machine, else one of this process. After an error the file must not be
    /// written to any more.
    ///
    /// # Errors
    /// [`FramesError::Io`].
    pub fn append(&mut self, frames: &[u8], durably: bool) -> Result<(), FramesError> {
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

    /// Lets all that was written survive a crash of the machine. After an error the file must not be written to any more.
    ///
    /// # Errors
    /// [`FramesError::Io`]; then nobody knows how much of it does.
    pub fn sync(&mut self) -> Result<(), FramesError> {
        at("write", &self.path, self.file.sync_data())
    }

    /// Writes into another file from here on, which may fail in ways that a disk can't be made to.
    #[cfg(test)]
    pub(crate) fn replace_file(&mut self, file: File) {
        self.file = file;
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// A file that is being read, frame by frame.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    offset: u64,
    key: LessSafeKey,
    frames: u64,
}

/// What was read.
#[derive(Debug)]
pub enum Read {
    /// Something else than what was written. What comes after it can be read, unless it is a length.
    Damaged(FramesError),
    /// Nothing more.
    End,
    /// A frame's content.
    Frame(Zeroizing<Vec<u8>>),
}

impl Reader {
    /// `None` if the file was not even begun.
    ///
    /// # Errors
    /// [`FramesError`] if it can't be read, or not with this key.
    pub fn open(path: &Path, runner: &PrivateKey) -> Result<Option<Self>, FramesError> {
        let file = at("open", path, File::open(path))?;
        let mut file = BufReader::new(file);
        let Some(sealed) = at("read", path, part(&mut file))? else { return Ok(None) };
        let plain = runner
            .unseal_bytes(&sealed)
            .map_err(|source| FramesError::Key { path: path.to_owned(), source })?;
        let offset = (LENGTH_BYTES + sealed.len()) as u64;
        Ok(Some(Self { path: path.to_owned(), file, offset, key: key(&plain)?, frames: 0 }))
    }

    /// The next frame.
    ///
    /// # Errors
    /// [`FramesError::Io`] if the file can't be read.
    pub fn read(&mut self) -> Result<Read, FramesError> {
        let damaged = FramesError::Damaged { path: self.path.clone(), offset: self.offset };
        // A frame that is cut off was never acknowledged, nor were zeros that a power cut left.
        let Some(frame) = at("read", &self.path, part(&mut self.file))? else {
            return Ok(Read::End);
        };
        let mut frame = Zeroizing::new(frame);
        if frame.len() < AES_256_GCM.tag_len() {
            return self.skip_rest(&frame, damaged);
        }
        self.offset += (LENGTH_BYTES + frame.len()) as u64;
        let nonce = nonce(self.frames);
        self.frames += 1;
        let Ok(content) = self.key.open_in_place(nonce, Aad::empty(), &mut frame) else {
            return Ok(Read::Damaged(damaged));
        };
        let length = content.len();
        frame.truncate(length);
        Ok(Read::Frame(frame))
    }

    /// Where a length is impossible, nothing behind it can be found.
    fn skip_rest(&mut self, begun: &[u8], damaged: FramesError) -> Result<Read, FramesError> {
        let mut is_zero = begun.is_empty();
        let mut piece = [0; 4096];
        loop {
            let read = at("read", &self.path, self.file.read(&mut piece))?;
            let Some(read) = piece.get(..read).filter(|read| !read.is_empty()) else { break };
            is_zero &= read.iter().all(|byte| *byte == 0);
        }
        Ok(if is_zero { Read::End } else { Read::Damaged(damaged) })
    }
}

/// The bytes behind a length; `None` if they are not all there.
fn part(file: &mut BufReader<File>) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; LENGTH_BYTES];
    match file.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u64::from(u32::from_be_bytes(length));
    let mut bytes = Vec::new();
    let read = file.take(length).read_to_end(&mut bytes)?;
    Ok((read as u64 == length).then_some(bytes))
}

fn key(bytes: &[u8]) -> Result<LessSafeKey, FramesError> {
    let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| FramesError::Encrypt)?;
    Ok(LessSafeKey::new(key))
}

/// Each key is used for one file, and each number once in it.
fn nonce(frame: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    let (_, number) = bytes.split_at_mut(NONCE_LEN - size_of::<u64>());
    number.copy_from_slice(&frame.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Says what was tried on what.
pub(crate) fn at<T>(
    operation: &'static str,
    path: &Path,
    result: io::Result<T>,
) -> Result<T, FramesError> {
    result.map_err(|source| {
        let source = Arc::new(source);
        FramesError::Io { operation, path: path.to_owned(), source }
    })
}
