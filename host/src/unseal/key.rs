//! The RSA key pair: reading it from PEM, opening with the private half, sealing to the public half.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::hkdf;
use aws_lc_rs::rsa::{
    KeyPair, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use zeroize::{Zeroize as _, Zeroizing};

use super::envelope::{self, Envelope, KEY_BYTES};
use super::{MAX_SEALED_BYTES, Misshapen, SealError, UnsealError};

/// Longest PEM text that is looked at. An RSA-8192 key is 6.5 KiB. Attack: none, it stops a wrong file path.
const MAX_PEM_BYTES: usize = 64 * 1024;

/// DER of the object identifier `rsaEncryption`, which a PKCS#8 RSA key and an RSA certificate carry.
const RSA_ENCRYPTION_OID: &[u8] =
    &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// Keeps our subkeys apart from those that another program may derive from the same key.
const SUBKEY_SALT: &[u8] = b"blockhouse subkeys";

/// The runner's private key: opens what meshStack sealed to the runner's certificate.
///
/// Cheap to share behind an `Arc`; all methods take `&self`. `Debug` shows the size only.
pub struct PrivateKey {
    opener: OaepPrivateDecryptingKey,
    public: Arc<PublicKey>,
    subkeys: hkdf::Prk,
}

/// The public half of a [`PrivateKey`] or of a certificate: seals values that only the private key can open.
pub struct PublicKey {
    sealer: OaepPublicEncryptingKey,
    spki_der: Vec<u8>,
}

/// Why a text is not a private key that this runner can use. Each says what to provide instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// A certificate was given where its private key belongs.
    #[error("found a certificate; provide the private key that belongs to it")]
    Certificate,
    /// The PEM block is there, but what it holds can't be used.
    #[error("RSA private key is damaged or its size is not within 2048 to 8192 bits")]
    Damaged,
    /// The key is protected by a passphrase.
    #[error(
        "private key is encrypted; provide it without passphrase (`openssl pkey -in <file> -out <new file>`)"
    )]
    Encrypted,
    /// No PEM block was found.
    #[error(
        "not a PEM text; it must begin with `-----BEGIN PRIVATE KEY-----` or `-----BEGIN RSA PRIVATE KEY-----`"
    )]
    NotPem,
    /// A private key of another kind, such as an elliptic curve.
    #[error("private key is not an RSA key; meshStack encrypts to RSA keys only")]
    NotRsa,
    /// The key is in OpenSSH's own format.
    #[error("private key is in OpenSSH's format; convert it with `ssh-keygen -p -m PEM -f <file>`")]
    OpenSsh,
    /// A public key was given where the private key belongs.
    #[error("found a public key; provide the private key that belongs to it")]
    Public,
    /// A PEM block of a kind that has nothing to do with keys.
    #[error("PEM text holds no private key")]
    Unknown,
}

/// Why bytes are not a public key that values can be sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// The text holds no X.509 certificate.
    #[error("not an X.509 certificate in PEM format")]
    NotACertificate,
    /// The key is not RSA, is damaged, or has a size that is not supported.
    #[error("public key is not an RSA key of 2048 to 8192 bits")]
    NotUsable,
}

// === impl PrivateKey ===

impl PrivateKey {
    /// Reads a key from PEM text, PKCS#1 (`RSA PRIVATE KEY`) or PKCS#8 (`PRIVATE KEY`), RSA with 2048 to 8192 bits.
    ///
    /// Other PEM blocks beside the key (a certificate, say) are skipped.
    ///
    /// # Errors
    /// When there is no usable key; the error says what was found instead and never carries any of the text.
    pub fn from_pem(text: &SecretString) -> Result<Self, PrivateKeyError> {
        let text = text.expose_secret();
        if text.len() > MAX_PEM_BYTES {
            return Err(PrivateKeyError::NotPem);
        }
        // SECURITY: the parser's error may quote the text, so it is dropped (errors_never_quote_the_key)
        let blocks = pem::parse_many(text).map_err(|_| PrivateKeyError::NotPem)?;
        let mut first_reason = None;
        for block in blocks {
            let encrypted = block.headers().iter().any(|(name, _)| name == "Proc-Type");
            let tag = block.tag().to_owned();
            let der = Zeroizing::new(block.into_contents());
            match Self::from_block(&tag, encrypted, &der) {
                Ok(key) => return Ok(key),
                Err(reason) => first_reason = first_reason.or(Some(reason)),
            }
        }
        Err(first_reason.unwrap_or(PrivateKeyError::NotPem))
    }

    fn from_block(tag: &str, encrypted: bool, der: &[u8]) -> Result<Self, PrivateKeyError> {
        let key = match tag {
            "RSA PRIVATE KEY" if encrypted => return Err(PrivateKeyError::Encrypted),
            "RSA PRIVATE KEY" => pkcs8_from_pkcs1(der)
                .and_then(|der| PrivateDecryptingKey::from_pkcs8(der.as_ref()).ok())
                .ok_or(PrivateKeyError::Damaged)?,
            "PRIVATE KEY" => PrivateDecryptingKey::from_pkcs8(der).map_err(|_| {
                let is_rsa = der.windows(RSA_ENCRYPTION_OID.len()).any(|w| w == RSA_ENCRYPTION_OID);
                if is_rsa { PrivateKeyError::Damaged } else { PrivateKeyError::NotRsa }
            })?,
            "ENCRYPTED PRIVATE KEY" => return Err(PrivateKeyError::Encrypted),
            "EC PRIVATE KEY" | "DSA PRIVATE KEY" => return Err(PrivateKeyError::NotRsa),
            "OPENSSH PRIVATE KEY" => return Err(PrivateKeyError::OpenSsh),
            "PUBLIC KEY" | "RSA PUBLIC KEY" => return Err(PrivateKeyError::Public),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                return Err(PrivateKeyError::Certificate);
            }
            _ => return Err(PrivateKeyError::Unknown),
        };
        let public = PublicKey::new(key.public_key()).map_err(|_| PrivateKeyError::Damaged)?;
        // Written anew, so that a key has the same subkeys whatever format its file has.
        let der: Pkcs8V1Der<'_> = key.as_der().map_err(|_| PrivateKeyError::Damaged)?;
        let subkeys = hkdf::Salt::new(hkdf::HKDF_SHA256, SUBKEY_SALT).extract(der.as_ref());
        let opener = OaepPrivateDecryptingKey::new(key).map_err(|_| PrivateKeyError::Damaged)?;
        Ok(Self { opener, public: Arc::new(public), subkeys })
    }

    /// The public half, for sealing values to ourselves.
    #[must_use]
    pub fn public(&self) -> &Arc<PublicKey> {
        &self.public
    }

    /// A key of its own for another purpose than unsealing, named by `label`: the same for the same private key, and of no
    /// use to find the private key or the subkey of another label. `None` if the cryptography refuses, which it does not.
    #[must_use]
    pub fn subkey(&self, label: &str) -> Option<SecretBox<[u8; 32]>> {
        let info = [label.as_bytes()];
        let subkey = self.subkeys.expand(&info, hkdf::HKDF_SHA256).ok()?;
        let mut bytes = Zeroizing::new([0; 32]);
        subkey.fill(bytes.as_mut_slice()).ok()?;
        Some(SecretBox::init_with_mut(|secret: &mut [u8; 32]| *secret = *bytes))
    }

    /// Opens a value as meshStack sends it: base64 text. The empty text is not encrypted and stays empty.
    ///
    /// # Errors
    /// See [`UnsealError`]; none of them carries any part of the value.
    pub fn unseal(&self, text: &str) -> Result<SecretString, UnsealError> {
        if text.is_empty() {
            return Ok(SecretString::from(String::new()));
        }
        if text.len() > MAX_SEALED_BYTES {
            return Err(UnsealError::TooLong);
        }
        let sealed = if text.contains(['\r', '\n']) {
            // MIME-style encoders wrap lines; the incumbent's decoder skips the breaks, too.
            STANDARD.decode(text.replace(['\r', '\n'], ""))
        } else {
            STANDARD.decode(text)
        }
        .map_err(|_| UnsealError::NotSealed(Misshapen::Base64))?;
        let mut plaintext = self.unseal_bytes(&sealed)?;
        match String::from_utf8(std::mem::take(&mut *plaintext)) {
            Ok(text) => Ok(SecretString::from(text)),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(UnsealError::NotText)
            }
        }
    }

    /// Opens a value sealed by [`PublicKey::seal`]: the same format as bytes, without base64.
    ///
    /// # Errors
    /// See [`UnsealError`].
    pub fn unseal_bytes(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        if sealed.len() > MAX_SEALED_BYTES {
            return Err(UnsealError::TooLong);
        }
        let envelope =
            Envelope::cut(sealed, self.opener.key_size_bytes()).map_err(UnsealError::NotSealed)?;
        // SECURITY: a failed RSA step goes on with a random key and fails at the tag, so that neither the answer nor the
        // path taken tells which of the two failed (changed_bytes_in_any_part_are_another_key)
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| UnsealError::AnotherKey)?;
        let mut block = Zeroizing::new(vec![0; self.opener.min_output_size()]);
        let opened =
            self.opener.decrypt(&OAEP_SHA1_MGF1SHA1, envelope.wrapped_key, &mut block, None);
        if let Ok(opened) = opened
            && let Ok(opened) = <&[u8; KEY_BYTES]>::try_from(&*opened)
        {
            *key = *opened;
        }
        envelope.open(&key).ok_or(UnsealError::AnotherKey)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("bits", &self.opener.key_size_bits())
            .finish_non_exhaustive()
    }
}

/// aws-lc reads decryption keys from PKCS#8 only; its signing key reads PKCS#1 and writes PKCS#8.
fn pkcs8_from_pkcs1(der: &[u8]) -> Option<Pkcs8V1Der<'static>> {
    KeyPair::from_der(der).ok()?.as_der().ok()
}

// === impl PublicKey ===

impl PublicKey {
    fn new(key: PublicEncryptingKey) -> Result<Self, PublicKeyError> {
        let der: PublicKeyX509Der<'_> = key.as_der().map_err(|_| PublicKeyError::NotUsable)?;
        let spki_der = der.as_ref().to_vec();
        let sealer = OaepPublicEncryptingKey::new(key).map_err(|_| PublicKeyError::NotUsable)?;
        Ok(Self { sealer, spki_der })
    }

    /// Reads the key of an X.509 certificate in PEM format, as it is registered in meshStack.
    ///
    /// # Errors
    /// When there is no certificate or its key is not RSA with 2048 to 8192 bits.
    pub fn from_certificate_pem(text: &str) -> Result<Self, PublicKeyError> {
        let blocks = pem::parse_many(text).map_err(|_| PublicKeyError::NotACertificate)?;
        let block = blocks
            .iter()
            .find(|block| block.tag() == "CERTIFICATE")
            .ok_or(PublicKeyError::NotACertificate)?;
        let (_, certificate) = x509_parser::parse_x509_certificate(block.contents())
            .map_err(|_| PublicKeyError::NotACertificate)?;
        Self::from_spki_der(certificate.public_key().raw)
    }

    /// Reads a `SubjectPublicKeyInfo` in DER format.
    ///
    /// # Errors
    /// When the key is not RSA with 2048 to 8192 bits.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        Self::new(PublicEncryptingKey::from_der(der).map_err(|_| PublicKeyError::NotUsable)?)
    }

    /// Seals bytes so that only the private key's owner can open them, with [`PrivateKey::unseal_bytes`].
    ///
    /// # Errors
    /// When the system has no randomness for us.
    pub fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| SealError)?;
        let mut block = vec![0; self.sealer.ciphertext_size()];
        let wrapped_key = self
            .sealer
            .encrypt(&OAEP_SHA1_MGF1SHA1, key.as_slice(), &mut block, None)
            .map_err(|_| SealError)?;
        envelope::build(wrapped_key, &key, plaintext)
    }

    /// Seals a text the way meshStack does: base64, and the empty text stays empty.
    ///
    /// # Errors
    /// See [`PublicKey::seal`].
    pub fn seal_text(&self, plaintext: &str) -> Result<String, SealError> {
        if plaintext.is_empty() {
            return Ok(String::new());
        }
        self.seal(plaintext.as_bytes()).map(|sealed| STANDARD.encode(sealed))
    }
}

/// Equal when both are the same key: tells whether a certificate belongs to a private key.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki_der == other.spki_der
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("bits", &self.sealer.key_size_bits())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
