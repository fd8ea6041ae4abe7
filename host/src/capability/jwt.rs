//! `blockhouse:block/jwt`: tokens that the host signs with a secret, neither of which the component sees.
//!
//! The claims go into the token as they are, so that nothing is left for a library of tokens to do but one call of the cryptography
//! that is here anyway.

use super::types::{Origin, SecretHandle};
use crate::sandbox::RunState;
use crate::sandbox::bindings::blockhouse::block::jwt::{Algorithm, Host, SignError};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::value::RawValue;
use wasmtime::component::Resource;
use zeroize::Zeroizing;

/// Fuel for reading a key and signing with it: 2 ms with 2048 bits, 9 ms with 4096, in which a guest executes about this many
/// instructions.
const PER_SIGNATURE: usize = 30_000_000;

/// Bits of a key. Smaller ones are broken; larger ones take so long that neighbours on the same thread would wait.
const KEY_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Bytes of a key's text. One of 4096 bits has 3.3 KiB, and certificates may stand beside it.
const KEY_TEXT_MAX: usize = 64 << 10;

/// Bytes of claims. They go into a header, which has no more room.
const CLAIMS_MAX: usize = 32 << 10;

/// The base64 of `{"alg":"RS256","typ":"JWT"}`.
const RS256_HEADER: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";

impl Host for RunState {
    fn sign(
        &mut self,
        key: Resource<SecretHandle>,
        algorithm: Algorithm,
        claims: String,
    ) -> wasmtime::Result<Result<Resource<SecretHandle>, SignError>> {
        let secret = self.table.get(&key)?;
        let granted = match &secret.origin {
            // SECURITY: walls::signing_takes_a_grant_for_this_very_key
            Origin::Run(entry) => {
                self.grants.secret_in_jwt(&entry.key).map(|permit| (permit, entry.key.clone()))
            }
            // SECURITY: walls::a_token_is_neither_shown_nor_passed_on
            // SECURITY: walls::a_received_secret_is_neither_shown_nor_passed_on
            origin @ (Origin::Received(_) | Origin::Signed { .. }) => {
                Err(origin.for_requests_only(&self.grants))
            }
        };
        let (permit, key) = match granted {
            Ok(granted) => granted,
            Err(denied) => {
                self.auditor.denied("secret in jwt", &secret.origin.subject(), &denied);
                return Ok(Err(SignError::Denied(denied.rule)));
            }
        };
        let checked = check(&claims);
        let signed = checked.map(|()| match algorithm {
            Algorithm::Rs256 => rs256(&secret.text, &claims),
        });
        self.charge(claims.len());
        let signed = match signed {
            Ok(signed) => signed,
            Err(error) => return Ok(Err(error)),
        };
        // What is no key may take as long as one that signs.
        // SECURITY: walls::signatures_use_up_the_fuel
        self.charge(PER_SIGNATURE);
        let text = match signed {
            Ok(token) => token,
            Err(what) => {
                return Ok(Err(SignError::InvalidKey(format!("the secret `{key}` {what}"))));
            }
        };
        self.auditor.signed(&key, permit.rule());
        Ok(Ok(self.hidden(Origin::Signed { key }, text)?))
    }
}

/// A token with these claims, byte for byte; or what is wrong with the key.
fn rs256(key: &SecretString, claims: &str) -> Result<SecretString, &'static str> {
    let pair = pair(key.expose_secret())?;
    let mut token = Zeroizing::new(format!("{RS256_HEADER}.{}", URL_SAFE_NO_PAD.encode(claims)));
    let mut signature = vec![0; pair.public_modulus_len()];
    let signed =
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature);
    signed.map_err(|_| "is a damaged key")?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(SecretString::from(token.as_str()))
}

/// Claims are a JSON object, of whatever depth: nobody here looks into it.
// SECURITY: walls::claims_that_are_no_object_are_not_signed
fn check(claims: &str) -> Result<(), SignError> {
    if claims.len() > CLAIMS_MAX {
        let text = format!("the claims have more than {} KiB", CLAIMS_MAX >> 10);
        return Err(SignError::InvalidClaims(text));
    }
    let is_object = serde_json::from_str::<&RawValue>(claims)
        .is_ok_and(|json| json.get().trim_start().starts_with('{'));
    let error = || SignError::InvalidClaims("the claims are no JSON object".to_owned());
    is_object.then_some(()).ok_or_else(error)
}

/// Reads the first private key of a PEM text. Errors say nothing of the text.
fn pair(text: &str) -> Result<RsaKeyPair, &'static str> {
    const NONE: &str = "holds no private key in PEM format (`RSA PRIVATE KEY` or `PRIVATE KEY`)";
    if text.len() > KEY_TEXT_MAX {
        return Err(NONE);
    }
    let blocks = pem::parse_many(text).map_err(|_| NONE)?;
    let mut keys = blocks.into_iter().filter_map(|block| {
        let is_pkcs1 = match block.tag() {
            "PRIVATE KEY" => false,
            "RSA PRIVATE KEY" => true,
            _ => return None,
        };
        Some((is_pkcs1, Zeroizing::new(block.into_contents())))
    });
    let (is_pkcs1, der) = keys.next().ok_or(NONE)?;
    let pair = if is_pkcs1 { RsaKeyPair::from_der(&der) } else { RsaKeyPair::from_pkcs8(&der) };
    let bits = |pair: &RsaKeyPair| pair.public_modulus_len().saturating_mul(8);
    // SECURITY: capability::jwt::tests::keys_of_other_kinds_and_sizes_are_refused
    let pair = pair.ok().filter(|pair| KEY_BITS.contains(&bits(pair)));
    pair.ok_or("is no RSA key of 2048 to 4096 bits, is encrypted, or is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    const PKCS1: &str = include_str!("../../../tests/fixtures/sealed/TEST-ONLY-runner-pkcs1.pem");
    const PKCS8: &str = include_str!("../../../tests/fixtures/sealed/TEST-ONLY-runner-pkcs8.pem");
    const SMALL: &str = include_str!("../../../tests/fixtures/sealed/TEST-ONLY-rsa1024.pem");

    fn signed(key: &str, claims: &str) -> Result<SecretString, &'static str> {
        rs256(&SecretString::from(key), claims)
    }

    #[test]
    fn claims_are_signed_byte_for_byte_by_keys_of_both_forms() {
        let claims = " {\"iss\": 1e400, \"iat\":1.10,\"iat\":9007199254740993, \"x\":\"\u{fc}\"} ";
        for pem in [PKCS1, PKCS8] {
            let token = signed(pem, claims).unwrap();
            let token = token.expose_secret();
            let (message, signature) = token.rsplit_once('.').unwrap();
            let (header, body) = message.split_once('.').unwrap();
            let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
            assert_eq!(decoded(header), br#"{"alg":"RS256","typ":"JWT"}"#);
            assert_eq!(decoded(body), claims.as_bytes());
            let pair = pair(pem).unwrap();
            let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key());
            public.verify(message.as_bytes(), &decoded(signature)).unwrap();
        }
    }

    #[test]
    fn a_key_beside_a_certificate_is_found() {
        let certificate = include_str!("../../../tests/fixtures/sealed/TEST-ONLY-certificate.pem");
        assert!(signed(&format!("{certificate}\r\n{PKCS1}"), "{}").is_ok());
        assert!(signed(&PKCS1.replace('\n', "\r\n"), "{}").is_ok());
    }

    #[test]
    fn keys_of_other_kinds_and_sizes_are_refused() {
        let huge = KeyPair::generate(KeySize::Rsa8192).unwrap();
        let huge: Pkcs8V1Der<'_> = huge.as_der().unwrap();
        let huge = pem::encode(&pem::Pem::new("PRIVATE KEY", huge.as_ref()));
        let curve = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let public = include_str!("../../../tests/fixtures/sealed/TEST-ONLY-certificate.pem");
        let damaged = PKCS1.replacen("MII", "MIJ", 1);
        let renamed = PKCS1.replace("RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let long = format!("{}{PKCS1}", "#".repeat(KEY_TEXT_MAX));
        for key in ["", "hunter2", SMALL, &huge, &curve, public, &damaged, &renamed, &long] {
            let error = signed(key, "{}").unwrap_err();
            assert!(
                error.starts_with("holds no private key") || error.starts_with("is no RSA key")
            );
        }
    }

    #[test]
    fn only_objects_are_claims() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        for claims in ["{}", " {\"a\":1}\n", &deep] {
            assert!(check(claims).is_ok(), "{claims}");
        }
        let long = format!("{{\"a\":\"{}\"}}", "a".repeat(CLAIMS_MAX));
        for claims in ["", "[]", "1", "\"{}\"", "null", "{", "{}{}", "{'a':1}", "{\"a\":}", &long] {
            assert!(matches!(check(claims), Err(SignError::InvalidClaims(_))), "{claims}");
        }
    }
}
