//! Files that only the runner can read, sealed to its key: [`seal`], [`open`].
//!
//! ```text
//! u32, big endian     length of the sealed key
//! sealed key          32 bytes for AES-256-GCM, sealed to the runner's key as meshStack seals secrets
//! pieces              of the content, 64 KiB each and the last one shorter, as STREAM (BE32) has them: each with a tag of 16 bytes that
//!                     covers its place and whether it is the last. The nonce is zero, since each key is used once
//! ```

use crate::unseal::{PrivateKey, PublicKey, UnsealError};
use aead_stream::{DecryptorBE32, EncryptorBE32, Key, Nonce, StreamBE32};
use aes_gcm::Aes256Gcm;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::Path;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const LENGTH_BYTES: usize = 4;
pub(super) const PIECE_BYTES: usize = 64 << 10;
pub(super) const TAG_BYTES: usize = 16;

/// Why a sealed file can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not what we wrote.
    #[error("the file is damaged")]
    Damaged,
    /// It was sealed to another key.
    #[error("failed to open the file")]
    Key(#[source] UnsealError),
    /// It can't be read.
    #[error("failed to read the file")]
    Read(#[source] io::Error),
}

/// Reads until the piece is full or there is no more; how much there was.
pub(super) fn fill(from: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = piece.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Writes what can be read, sealed to the runner's key. Blocks.
pub(super) fn seal(mut content: impl Read, to: &mut File, runner: &PublicKey) -> io::Result<()> {
    let refused = || io::Error::other("it can't be encrypted");
    let mut plain = Zeroizing::new([0; KEY_BYTES]);
    aws_lc_rs::rand::fill(plain.as_mut_slice()).map_err(|_| refused())?;
    let wrapped = runner.seal(plain.as_slice()).map_err(io::Error::other)?;
    let length = u32::try_from(wrapped.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(&wrapped)?;
    let mut stream = EncryptorBE32::<Aes256Gcm>::new(&Key::<Aes256Gcm>::from(*plain), &nonce());
    let mut piece = Zeroizing::new(vec![0; PIECE_BYTES]);
    loop {
        let length = fill(&mut content, &mut piece)?;
        let text = piece.get(..length).unwrap_or_default();
        if length < PIECE_BYTES {
            return to.write_all(&stream.encrypt_last(text).map_err(|_| refused())?);
        }
        to.write_all(&stream.encrypt_next(text).map_err(|_| refused())?)?;
    }
}

/// Opens a sealed file. Blocks.
///
/// # Errors
/// [`OpenError`].
pub fn open(path: &Path, runner: &PrivateKey) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let content = fs::read(path).map_err(OpenError::Read)?;
    let (length, rest) = content.split_first_chunk::<LENGTH_BYTES>().ok_or(OpenError::Damaged)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let (wrapped, body) = rest.split_at_checked(length).ok_or(OpenError::Damaged)?;
    let plain = runner.unseal_bytes(wrapped).map_err(OpenError::Key)?;
    let key = <[u8; KEY_BYTES]>::try_from(plain.as_slice()).map_err(|_| OpenError::Damaged)?;
    let mut stream = DecryptorBE32::<Aes256Gcm>::new(&Key::<Aes256Gcm>::from(key), &nonce());
    // Room for all of it, so that no part is left behind by a reallocation.
    let mut plain = Zeroizing::new(Vec::with_capacity(body.len()));
    let mut rest = body;
    while let Some((piece, after)) = rest.split_at_checked(PIECE_BYTES + TAG_BYTES) {
        let opened = stream.decrypt_next(piece).map_err(|_| OpenError::Damaged)?;
        plain.extend_from_slice(&Zeroizing::new(opened));
        rest = after;
    }
    let opened = stream.decrypt_last(rest).map_err(|_| OpenError::Damaged)?;
    plain.extend_from_slice(&Zeroizing::new(opened));
    Ok(plain)
}

fn nonce() -> Nonce<Aes256Gcm, StreamBE32<Aes256Gcm>> {
    Nonce::<Aes256Gcm, StreamBE32<Aes256Gcm>>::default()
}
