//! The layout of a sealed value and its two ciphers.
//!
//! ```text
//! RSA-OAEP(SHA-1, MGF1-SHA-1)(16-byte AES key)   as long as the modulus
//! u32, big endian                                length n of the initialisation vector, 12 <= n < 16
//! initialisation vector                          n bytes
//! AES-128-GCM ciphertext                         as long as the plaintext
//! tag                                            16 bytes
//! ```

use aes_gcm::aead::array::ArraySize;
use aes_gcm::aead::consts::{U12, U13, U14, U15};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aes::Aes128;
use aes_gcm::{AeadInOut, AesGcm, Key, KeyInit, Nonce, Tag};
use zeroize::Zeroizing;

use super::{Misshapen, SealError};

/// Bytes of the AES-128 key inside the RSA block.
pub(super) const KEY_BYTES: usize = 16;
const IV_LENGTH_BYTES: usize = 4;
/// What we use when sealing: the size GCM was made for.
const SEAL_IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// A sealed value cut into its parts. Borrowed, nothing decrypted yet.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) wrapped_key: &'a [u8],
    iv: &'a [u8],
    ciphertext: &'a [u8],
    tag: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Cuts `sealed`, whose first part is `modulus_bytes` long. Every length is checked before anything is cut.
    pub(super) fn cut(sealed: &'a [u8], modulus_bytes: usize) -> Result<Self, Misshapen> {
        let (wrapped_key, rest) = sealed.split_at_checked(modulus_bytes).ok_or(Misshapen::Short)?;
        let (iv_length, rest) =
            rest.split_first_chunk::<IV_LENGTH_BYTES>().ok_or(Misshapen::Short)?;
        // SECURITY: sender-controlled length; bounded before it is used (every_iv_length_outside_12_to_15_is_refused)
        let iv_length = match u32::from_be_bytes(*iv_length) {
            12 => 12,
            13 => 13,
            14 => 14,
            15 => 15,
            _ => return Err(Misshapen::IvLength),
        };
        let (iv, rest) = rest.split_at_checked(iv_length).ok_or(Misshapen::Short)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(Misshapen::Short)?;
        Ok(Self { wrapped_key, iv, ciphertext, tag })
    }

    /// Decrypts and authenticates with the AES key. `None` when the tag does not match.
    pub(super) fn open(&self, key: &[u8; KEY_BYTES]) -> Option<Zeroizing<Vec<u8>>> {
        match self.iv.len() {
            12 => self.open_with::<U12>(key),
            13 => self.open_with::<U13>(key),
            14 => self.open_with::<U14>(key),
            15 => self.open_with::<U15>(key),
            _ => None,
        }
    }

    fn open_with<N: ArraySize>(&self, key: &[u8; KEY_BYTES]) -> Option<Zeroizing<Vec<u8>>> {
        let cipher = AesGcm::<Aes128, N>::new(&Key::<AesGcm<Aes128, N>>::from(*key));
        let nonce = Nonce::<N>::try_from(self.iv).ok()?;
        let tag = Tag::try_from(self.tag).ok()?;
        // Exactly as long as the plaintext, so that it is never moved by a growing or shrinking allocation.
        let mut plaintext = Zeroizing::new(self.ciphertext.to_vec());
        cipher
            .decrypt_inout_detached(&nonce, b"", InOutBuf::from(plaintext.as_mut_slice()), &tag)
            .ok()?;
        Some(plaintext)
    }
}

/// Puts a sealed value together. `wrapped_key` is `key`, encrypted for the receiver.
pub(super) fn build(
    wrapped_key: &[u8],
    key: &[u8; KEY_BYTES],
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    let mut iv = [0; SEAL_IV_BYTES];
    aws_lc_rs::rand::fill(&mut iv).map_err(|_| SealError)?;
    let header = wrapped_key.len() + IV_LENGTH_BYTES + SEAL_IV_BYTES;
    // Exact, so that the plaintext is never left behind by a reallocation.
    let mut sealed = Vec::with_capacity(header + plaintext.len() + TAG_BYTES);
    sealed.extend_from_slice(wrapped_key);
    sealed.extend_from_slice(&u32::try_from(SEAL_IV_BYTES).map_err(|_| SealError)?.to_be_bytes());
    sealed.extend_from_slice(&iv);
    sealed.extend_from_slice(plaintext);
    let body = sealed.get_mut(header..).ok_or(SealError)?;
    let tag = AesGcm::<Aes128, U12>::new(&Key::<AesGcm<Aes128, U12>>::from(*key))
        .encrypt_inout_detached(&Nonce::<U12>::from(iv), b"", InOutBuf::from(body))
        .map_err(|_| SealError)?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_iv_length(length: u32, rest: usize) -> Vec<u8> {
        let mut bytes = vec![7; 256];
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend(std::iter::repeat_n(0, rest));
        bytes
    }

    #[test]
    fn every_iv_length_outside_12_to_15_is_refused() {
        for length in [0, 1, 11, 16, 17, 255, 0x0c00_0000, u32::MAX] {
            let bytes = with_iv_length(length, 64);
            assert_eq!(Envelope::cut(&bytes, 256).unwrap_err(), Misshapen::IvLength, "{length}");
        }
        for length in 12..16 {
            assert!(Envelope::cut(&with_iv_length(length, 64), 256).is_ok(), "{length}");
        }
    }

    #[test]
    fn missing_bytes_are_too_short_at_every_part() {
        let whole = with_iv_length(15, 15 + 16);
        assert!(Envelope::cut(&whole, 256).is_ok());
        for length in 0..whole.len() {
            assert_eq!(
                Envelope::cut(&whole[..length], 256).unwrap_err(),
                Misshapen::Short,
                "{length}"
            );
        }
    }

    #[test]
    fn built_value_opens_with_the_same_key_only() {
        let sealed = build(&[1; 256], &[2; 16], b"secret").unwrap();
        let envelope = Envelope::cut(&sealed, 256).unwrap();
        assert_eq!(envelope.wrapped_key, [1; 256]);
        assert_eq!(envelope.open(&[2; 16]).unwrap().as_slice(), b"secret");
        assert!(envelope.open(&[3; 16]).is_none());
    }

    #[test]
    fn two_seals_of_one_value_differ() {
        let first = build(&[1; 256], &[2; 16], b"secret").unwrap();
        assert_ne!(first, build(&[1; 256], &[2; 16], b"secret").unwrap());
    }
}
