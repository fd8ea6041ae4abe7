//! State that could not be written where it belongs is kept here, sealed, until it could: [`Quarantine`].
//!
//! ```text
//! u32, big endian     length of the sealed key
//! sealed key          32 bytes for AES-256-GCM, sealed to the runner's key as meshStack seals secrets
//! ciphertext, tag     of the state; the nonce is zero, since each key is used once
//! ```

use super::files;
use crate::os;
use crate::unseal::{PrivateKey, PublicKey, UnsealError};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const LENGTH_BYTES: usize = 4;

/// What sealed copies end with.
const SEALED: &str = ".tfstate.sealed";

/// What copies of a runner without a key end with.
const PLAIN: &str = ".tfstate";

/// The directory with the copies.
#[derive(Clone, Debug)]
pub(super) struct Quarantine {
    directory: PathBuf,
    key: Option<Arc<PublicKey>>,
}

/// Why a copy can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
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

impl Quarantine {
    pub(super) fn new(directory: PathBuf, key: Option<Arc<PublicKey>>) -> Self {
        Self { directory, key }
    }

    /// Keeps a copy, durably; returns where. The same block, run, call and time have the same file: one that is there already is as
    /// good. Blocks.
    pub(super) fn keep(
        &self,
        state: &[u8],
        block: &str,
        run: &str,
        call: &str,
        at: SystemTime,
    ) -> io::Result<PathBuf> {
        drop(os::create_private_directory(&self.directory)?);
        let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let suffix = if self.key.is_some() { SEALED } else { PLAIN };
        let name = format!("{}.{run}.{call}.{seconds}{suffix}", plain(block));
        let path = self.directory.join(name);
        if path.try_exists()? {
            return Ok(path);
        }
        let sealed = self.key.as_ref().map(|key| seal(state, key)).transpose()?;
        files::write(&path, sealed.as_deref().unwrap_or(state), None)?;
        Ok(path)
    }

    /// Whether the copies are sealed.
    pub(super) fn seals(&self) -> bool {
        self.key.is_some()
    }
}

/// The block's uuid comes from outside and becomes part of a name.
pub(super) fn plain(text: &str) -> String {
    let plain = text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-');
    plain.take(64).collect()
}

fn seal(state: &[u8], runner: &PublicKey) -> io::Result<Vec<u8>> {
    let refused = || io::Error::other("the state can't be encrypted");
    let mut plain = Zeroizing::new([0; KEY_BYTES]);
    aws_lc_rs::rand::fill(plain.as_mut_slice()).map_err(|_| refused())?;
    let wrapped = runner.seal(plain.as_slice()).map_err(io::Error::other)?;
    let length = u32::try_from(wrapped.len()).map_err(io::Error::other)?;
    let key = key(plain.as_slice()).ok_or_else(refused)?;
    // Room for the tag, so that no copy of the state is left behind by a reallocation.
    let mut body = Vec::with_capacity(state.len() + AES_256_GCM.tag_len());
    body.extend_from_slice(state);
    key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut body).map_err(|_| refused())?;
    Ok([&length.to_be_bytes()[..], &wrapped, &body].concat())
}

/// Opens a copy. Blocks.
///
/// # Errors
/// [`QuarantineError`].
pub fn open(path: &Path, runner: &PrivateKey) -> Result<Zeroizing<Vec<u8>>, QuarantineError> {
    let content = fs::read(path).map_err(QuarantineError::Read)?;
    let (length, rest) =
        content.split_first_chunk::<LENGTH_BYTES>().ok_or(QuarantineError::Damaged)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let (wrapped, body) = rest.split_at_checked(length).ok_or(QuarantineError::Damaged)?;
    let plain = runner.unseal_bytes(wrapped).map_err(QuarantineError::Key)?;
    let key = key(&plain).ok_or(QuarantineError::Damaged)?;
    let mut body = Zeroizing::new(body.to_vec());
    let opened = key.open_in_place(nonce(), Aad::empty(), &mut body);
    let length = opened.map_err(|_| QuarantineError::Damaged)?.len();
    body.truncate(length);
    Ok(body)
}

fn key(bytes: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, bytes).ok().map(LessSafeKey::new)
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    const KEY: &str = include_str!("../../../tests/fixtures/sealed/TEST-ONLY-runner-pkcs8.pem");

    #[test]
    fn what_is_kept_can_be_opened_by_the_runner_and_read_by_nobody_else() {
        let place = tempfile::tempdir().unwrap();
        let key = PrivateKey::from_pem(&SecretString::from(KEY)).unwrap();
        let directory = place.path().join("quarantine");
        let quarantine = Quarantine::new(directory.clone(), Some(Arc::clone(key.public())));
        let state = vec![b'x'; 100_000];
        let at = SystemTime::UNIX_EPOCH;
        let keep = || quarantine.keep(&state, "../b", "run", "0001-apply", at).unwrap();
        let path = keep();
        assert_eq!(path.file_name().unwrap(), "b.run.0001-apply.0.tfstate.sealed");
        assert_eq!(path, keep());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        let sealed = fs::read(&path).unwrap();
        assert!(!sealed.windows(4).any(|part| part == b"xxxx"));
        assert_eq!(*open(&path, &key).unwrap(), state);
        for length in [0, 3, 4, 100, sealed.len() - 1] {
            fs::write(&path, &sealed[..length]).unwrap();
            open(&path, &key).unwrap_err();
        }
    }

    #[test]
    fn without_a_key_the_copy_is_plain_but_ours_alone() {
        let place = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::new(place.path().join("q"), None);
        let path = quarantine.keep(b"{}", "b", "r", "c", SystemTime::UNIX_EPOCH).unwrap();
        assert!(path.to_string_lossy().ends_with(".tfstate"));
        assert_eq!(fs::read(&path).unwrap(), b"{}");
    }
}
