//! Encrypts secrets to the runner's certificate, as meshStack does. Main type: [`Sealer`].
//!
//! The format is `base64(RSA-OAEP-SHA1(AES key) ‖ u32 BE IV length ‖ IV ‖ AES-128-GCM ciphertext and tag)`.
//! It shares no code with the host's unsealing, so that each checks the other.

use aes_gcm::aead::consts::{U12, U13, U14, U15};
use aes_gcm::aead::{Aead, KeyInit, Nonce};
use aes_gcm::{AesGcm, aes::Aes128};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Why a value could not be sealed, or a certificate not be used for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The text isn't an X.509 certificate in PEM form.
    #[error("read the runner's certificate: not an X.509 certificate in PEM form")]
    Certificate,
    /// The certificate's key isn't an RSA key of a usable size.
    #[error("read the runner's certificate: its key is not RSA with 2048 to 8192 bits")]
    Key,
    /// A secret was given, but [`crate::Builder::runner_certificate`] was not.
    #[error("seal a secret: the emulator was built without `runner_certificate`")]
    NoCertificate,
    /// The cipher or the system's random source refused.
    #[error("seal a secret: the cipher failed")]
    Cipher,
}

/// Holds a runner's public key and seals values to it.
#[derive(Debug)]
pub struct Sealer {
    key: OaepPublicEncryptingKey,
}

impl Sealer {
    /// Takes the public key out of an X.509 certificate in PEM form.
    ///
    /// # Errors
    /// [`SealError::Certificate`] or [`SealError::Key`].
    pub fn new(certificate_pem: &str) -> Result<Self, SealError> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(certificate_pem.as_bytes())
            .map_err(|_| SealError::Certificate)?;
        let certificate = pem.parse_x509().map_err(|_| SealError::Certificate)?;
        let key = PublicEncryptingKey::from_der(certificate.public_key().raw)
            .map_err(|_| SealError::Key)?;
        Ok(Self { key: OaepPublicEncryptingKey::new(key).map_err(|_| SealError::Key)? })
    }

    /// Seals `plaintext` with a fresh key and an IV of 12 to 15 bytes. An empty text stays empty.
    ///
    /// # Errors
    /// [`SealError::Cipher`] when the system's random source or the cipher fails.
    pub fn seal(&self, plaintext: &str) -> Result<String, SealError> {
        if plaintext.is_empty() {
            return Ok(String::new());
        }
        let [random] = random::<1>()?;
        self.seal_with_iv(plaintext, usize::from(12 + random % 4))
    }

    fn seal_with_iv(&self, plaintext: &str, iv_length: usize) -> Result<String, SealError> {
        let key: [u8; 16] = random()?;
        let iv: [u8; 15] = random()?;
        let iv = iv.get(..iv_length).ok_or(SealError::Cipher)?;
        let sealed = match iv_length {
            12 => AesGcm::<Aes128, U12>::new(&key.into()).seal(iv, plaintext),
            13 => AesGcm::<Aes128, U13>::new(&key.into()).seal(iv, plaintext),
            14 => AesGcm::<Aes128, U14>::new(&key.into()).seal(iv, plaintext),
            15 => AesGcm::<Aes128, U15>::new(&key.into()).seal(iv, plaintext),
            _ => None,
        };
        let sealed = sealed.ok_or(SealError::Cipher)?;
        let mut block = vec![0; self.key.ciphertext_size()];
        let block = self
            .key
            .encrypt(&OAEP_SHA1_MGF1SHA1, &key, &mut block, None)
            .map_err(|_| SealError::Cipher)?;
        let length = u32::try_from(iv_length).map_err(|_| SealError::Cipher)?;
        Ok(STANDARD.encode([&*block, &length.to_be_bytes(), iv, &sealed].concat()))
    }
}

trait SealOnce {
    fn seal(&self, iv: &[u8], plaintext: &str) -> Option<Vec<u8>>;
}

impl<C: Aead> SealOnce for C {
    fn seal(&self, iv: &[u8], plaintext: &str) -> Option<Vec<u8>> {
        let nonce = Nonce::<Self>::try_from(iv).ok()?;
        self.encrypt(&nonce, plaintext.as_bytes()).ok()
    }
}

fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| SealError::Cipher)?;
    Ok(bytes)
}

/// An unguessable token in URL-safe text.
pub(crate) fn token() -> String {
    // Two v4 UUIDs hold 244 random bits and come from the system's random source.
    let bytes: Vec<u8> =
        [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].iter().flat_map(|id| *id.as_bytes()).collect();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey};
    use serde_json::Value;

    const CERTIFICATE: &str = include_str!("../../fixtures/sealed/TEST-ONLY-certificate.pem");
    const PKCS8: &str = include_str!("../../fixtures/sealed/TEST-ONLY-runner-pkcs8.pem");
    const PKCS1: &str = include_str!("../../fixtures/sealed/TEST-ONLY-runner-pkcs1.pem");
    const VALUES: &str = include_str!("../../fixtures/sealed/values.json");

    /// (IV length, plaintext), by the private key.
    fn open(sealed: &str) -> (usize, String) {
        let key = PrivateDecryptingKey::from_pkcs8(pem::parse(PKCS8).unwrap().contents()).unwrap();
        let key = OaepPrivateDecryptingKey::new(key).unwrap();
        let bytes = STANDARD.decode(sealed).unwrap();
        let (block, rest) = bytes.split_at(key.key_size_bytes());
        let mut output = vec![0; key.min_output_size()];
        let aes = key.decrypt(&OAEP_SHA1_MGF1SHA1, block, &mut output, None).unwrap();
        let aes: [u8; 16] = (&*aes).try_into().unwrap();
        let (length, rest) = rest.split_at(4);
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let (iv, rest) = rest.split_at(length);
        let plain = match length {
            12 => AesGcm::<Aes128, U12>::new(&aes.into()).decrypt(&iv.try_into().unwrap(), rest),
            13 => AesGcm::<Aes128, U13>::new(&aes.into()).decrypt(&iv.try_into().unwrap(), rest),
            14 => AesGcm::<Aes128, U14>::new(&aes.into()).decrypt(&iv.try_into().unwrap(), rest),
            15 => AesGcm::<Aes128, U15>::new(&aes.into()).decrypt(&iv.try_into().unwrap(), rest),
            _ => panic!("IV of {length} bytes"),
        };
        (length, String::from_utf8(plain.unwrap()).unwrap())
    }

    #[test]
    fn what_is_sealed_here_opens_with_the_private_key_for_every_iv_length() {
        let sealer = Sealer::new(CERTIFICATE).unwrap();
        for length in 12..=15 {
            let sealed = sealer.seal_with_iv("grün 🔑", length).unwrap();
            assert_eq!(open(&sealed), (length, "grün 🔑".to_owned()));
        }
    }

    #[test]
    fn python_sealed_values_open_with_the_same_steps() {
        let rows: Vec<Value> = serde_json::from_str(VALUES).unwrap();
        assert!(rows.len() >= 8);
        for row in rows {
            let (length, plain) = open(row["sealed"].as_str().unwrap());
            assert_eq!(length as u64, row["iv_length"].as_u64().unwrap());
            assert_eq!(plain, row["plaintext"].as_str().unwrap());
        }
    }

    #[test]
    fn seal_varies_the_iv_length() {
        let sealer = Sealer::new(CERTIFICATE).unwrap();
        let lengths: std::collections::BTreeSet<usize> =
            (0..64).map(|_| STANDARD.decode(sealer.seal("x").unwrap()).unwrap().len()).collect();
        assert!(lengths.len() > 1, "{lengths:?}");
    }

    #[test]
    fn an_empty_text_stays_empty() {
        assert_eq!(Sealer::new(CERTIFICATE).unwrap().seal("").unwrap(), "");
    }

    #[test]
    fn a_certificate_that_is_none_is_an_error() {
        assert!(matches!(Sealer::new("x"), Err(SealError::Certificate)));
        assert!(matches!(Sealer::new(PKCS8), Err(SealError::Certificate)));
    }

    #[test]
    fn both_key_files_hold_the_same_key() {
        let (pkcs8, pkcs1) = (pem::parse(PKCS8).unwrap(), pem::parse(PKCS1).unwrap());
        assert!(pkcs8.contents().ends_with(pkcs1.contents()));
    }
}
