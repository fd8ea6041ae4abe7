//! Opens the values that meshStack sealed to this runner's certificate, and seals our own journals to it.
//!
//! Main types: [`PrivateKey`] and [`PublicKey`]. The format is hybrid: an AES-128 key encrypted with RSA-OAEP, then the
//! value encrypted with that key (see `unseal/envelope.rs` for the layout). Everything that comes in is hostile: each
//! length is checked before it is used, and a value that can't be opened is an error that says what to do, never a crash.
//! This module does no I/O, spawns nothing, and must never put a plaintext or a key into an error.

mod envelope;
mod key;

pub use key::{PrivateKey, PrivateKeyError, PublicKey, PublicKeyError};

/// Longest sealed value that is looked at, as base64 text or as bytes.
///
/// Attack: a huge input value would make us hold several copies of it per run. meshStack's largest inputs are files of a
/// few MiB.
pub const MAX_SEALED_BYTES: usize = 16 * 1024 * 1024;

/// Why a sealed value could not be opened. No variant carries any part of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsealError {
    /// The value is well formed but was sealed to another key, or was changed on the way.
    ///
    /// RSA and AES failures are deliberately the same variant: telling them apart would make us a padding oracle.
    #[error("value was encrypted for another key")]
    AnotherKey,
    /// The value does not have the shape of a sealed value.
    #[error("value is not an encrypted value: {0}")]
    NotSealed(Misshapen),
    /// The value was opened, but it is not UTF-8 text.
    #[error("decrypted value is not UTF-8 text")]
    NotText,
    /// The value is longer than [`MAX_SEALED_BYTES`].
    #[error("encrypted value is longer than {} MiB", MAX_SEALED_BYTES / (1024 * 1024))]
    TooLong,
}

/// What is wrong with the shape of a value that should have been sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misshapen {
    /// Not base64 text.
    #[error("it is not base64")]
    Base64,
    /// The length of the initialisation vector is not 12 to 15 bytes.
    #[error("its initialisation vector has an impossible length")]
    IvLength,
    /// It ends before all parts are there.
    #[error("it is too short")]
    Short,
}

impl UnsealError {
    /// What the people who see the failed run can do about it, in meshStack's words. Goes into the run's message.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::AnotherKey => {
                "It was most likely encrypted for another runner. Check that the building block definition uses the right \
                 runner, and that this runner was started with the private key that belongs to the certificate shown for \
                 it in meshStack. If both are right, publish a new version of the definition with all its secrets entered \
                 again."
            }
            Self::NotSealed(_) => {
                "The runner expected an encrypted value. Enter the secret again and publish a new version of the building \
                 block definition; if that does not help, tell the operator of this runner."
            }
            Self::NotText => {
                "Only text can be a secret. Enter the secret again as text, or provide binary content as a file input."
            }
            Self::TooLong => "Provide a shorter value.",
        }
    }
}

/// Sealing failed: the operating system's randomness or the key refused to work. Not caused by the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to seal a value")]
pub struct SealError;
