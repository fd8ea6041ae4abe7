//! The key pair of a GitHub App, TEST ONLY, made when it is needed. Main type: [`AppKey`].

use std::error::Error;
use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use data_encoding::BASE64URL_NOPAD;
use pem::{EncodeConfig, LineEnding, Pem, encode_config};
use serde_json::Value;

/// A key can't be made or read.
#[derive(Debug)]
pub struct KeyError;

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("make or read an RSA key")
    }
}

impl Error for KeyError {}

/// An RSA key of 2048 bits, as GitHub makes them.
pub struct AppKey {
    pair: KeyPair,
    pkcs8: Vec<u8>,
}

impl AppKey {
    /// A new one.
    ///
    /// # Errors
    /// [`KeyError`] when it can't be made.
    pub fn generate() -> Result<Self, KeyError> {
        Self::of(KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError)?)
    }

    /// One that was written down, as PKCS#1 or PKCS#8.
    ///
    /// # Errors
    /// [`KeyError`] when it is none.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = pem::parse(text).map_err(|_| KeyError)?.into_contents();
        let pair = KeyPair::from_pkcs8(&der).or_else(|_| KeyPair::from_der(&der));
        Self::of(pair.map_err(|_| KeyError)?)
    }

    fn of(pair: KeyPair) -> Result<Self, KeyError> {
        let pkcs8 = pair.as_der().map_err(|_| KeyError)?.as_ref().to_vec();
        Ok(Self { pair, pkcs8 })
    }

    /// As GitHub hands them out.
    ///
    /// # Errors
    /// [`KeyError`] when the key has another shape than RSA keys have.
    pub fn pkcs1_pem(&self) -> Result<String, KeyError> {
        let inner = pkcs1(&self.pkcs8).ok_or(KeyError)?;
        Ok(armour("RSA PRIVATE KEY", inner))
    }

    /// As people convert them.
    #[must_use]
    pub fn pkcs8_pem(&self) -> String {
        armour("PRIVATE KEY", &self.pkcs8)
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// A JSON Web Token of these, signed with RS256: for clients that do it right, and those that don't.
    ///
    /// # Errors
    /// [`KeyError`] when it can't be signed.
    pub fn sign(&self, header: &Value, claims: &Value) -> Result<String, KeyError> {
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| KeyError)?;
        Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppKey")
    }
}

fn armour(tag: &str, der: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    encode_config(&Pem::new(tag, der), config)
}

/// What is inside of PKCS#8: `SEQUENCE { INTEGER, SEQUENCE, OCTET STRING }`, the last of which is PKCS#1.
fn pkcs1(pkcs8: &[u8]) -> Option<&[u8]> {
    let (_, inside, _) = element(pkcs8)?;
    let (_, _, rest) = element(inside)?;
    let (_, _, rest) = element(rest)?;
    let (tag, key, _) = element(rest)?;
    (tag == 0x04).then_some(key)
}

/// Tag, contents and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..0x80 => (usize::from(*first), rest),
        _ => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}
