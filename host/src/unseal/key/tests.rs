use std::sync::LazyLock;

use super::*;

/// Golden values made with another implementation (python `cryptography`), see `make.py` beside them.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/sealed/", $name))
    };
}

const PKCS8: &str = fixture!("TEST-ONLY-runner-pkcs8.pem");
const PKCS1: &str = fixture!("TEST-ONLY-runner-pkcs1.pem");
const CERTIFICATE: &str = fixture!("TEST-ONLY-certificate.pem");
const VALUES: &str = fixture!("values.json");

static KEY: LazyLock<PrivateKey> = LazyLock::new(|| read(PKCS8).unwrap());

fn read(pem: &str) -> Result<PrivateKey, PrivateKeyError> {
    PrivateKey::from_pem(&SecretString::from(pem.to_owned()))
}

/// Some well-formed DER that is not an RSA key: PKCS#8 of a P-256 key.
fn ec_key() -> String {
    rcgen::KeyPair::generate().unwrap().serialize_pem()
}

fn relabel(pem: &str, label: &str) -> String {
    let block = pem::parse(pem).unwrap();
    pem::encode(&pem::Pem::new(label, block.contents()))
}

fn golden() -> Vec<(u64, String, String)> {
    let values: serde_json::Value = serde_json::from_str(VALUES).unwrap();
    let text = |value: &serde_json::Value, key: &str| value[key].as_str().unwrap().to_owned();
    values
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (v["iv_length"].as_u64().unwrap(), text(v, "plaintext"), text(v, "sealed")))
        .collect()
}

/// A small generator with a fixed seed: the same bytes on every machine.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    })
}

#[test]
fn golden_values_open_with_both_key_formats() {
    let pkcs1 = read(PKCS1).unwrap();
    let values = golden();
    for (iv_length, plaintext, sealed) in &values {
        for key in [&*KEY, &pkcs1] {
            assert_eq!(key.unseal(sealed).unwrap().expose_secret(), plaintext, "IV {iv_length}");
        }
    }
    for length in 12..16 {
        assert!(values.iter().any(|(n, _, _)| *n == length), "no value with an IV of {length}");
    }
}

#[test]
fn certificate_holds_the_public_half_of_the_key() {
    let public = PublicKey::from_certificate_pem(CERTIFICATE).unwrap();
    assert_eq!(public, **KEY.public());
    assert_eq!(PublicKey::from_certificate_pem("x").unwrap_err(), PublicKeyError::NotACertificate);
    assert_eq!(
        PublicKey::from_certificate_pem(PKCS8).unwrap_err(),
        PublicKeyError::NotACertificate
    );
    assert_eq!(PublicKey::from_spki_der(b"x").unwrap_err(), PublicKeyError::NotUsable);
}

#[test]
fn empty_text_stays_empty_both_ways() {
    assert_eq!(KEY.unseal("").unwrap().expose_secret(), "");
    assert_eq!(KEY.public().seal_text("").unwrap(), "");
}

#[test]
fn sealed_bytes_open_again_whatever_they_are() {
    for plaintext in [&b""[..], b"x", b"\0\xff\xfe", &[b'y'; 100_000]] {
        let sealed = KEY.public().seal(plaintext).unwrap();
        assert_eq!(KEY.unseal_bytes(&sealed).unwrap().as_slice(), plaintext);
    }
}

#[test]
fn line_breaks_in_base64_are_skipped() {
    let sealed = KEY.public().seal_text("secret").unwrap();
    let wrapped: String = sealed
        .as_bytes()
        .chunks(76)
        .map(|line| format!("{}\r\n", str::from_utf8(line).unwrap()))
        .collect();
    assert_eq!(KEY.unseal(&wrapped).unwrap().expose_secret(), "secret");
}

#[test]
fn short_value_is_an_error_not_a_panic() {
    let sealed = KEY.public().seal(b"secret value").unwrap();
    for length in 0..sealed.len() {
        let error = KEY.unseal_bytes(&sealed[..length]).unwrap_err();
        let complete = length >= KEY.opener.key_size_bytes() + 4 + 12 + 16;
        let expected = if complete {
            UnsealError::AnotherKey
        } else {
            UnsealError::NotSealed(Misshapen::Short)
        };
        assert_eq!(error, expected, "{length}");
    }
}

#[test]
fn short_text_is_an_error_not_a_panic() {
    let sealed = KEY.public().seal_text("s").unwrap();
    for length in 1..sealed.len() {
        assert!(KEY.unseal(&sealed[..length]).is_err(), "{length}");
    }
}

#[test]
fn changed_bytes_in_any_part_are_another_key() {
    let sealed = KEY.public().seal(b"secret value").unwrap();
    let modulus = KEY.opener.key_size_bytes();
    for position in [0, 1, modulus / 2, modulus - 1, modulus + 4, modulus + 15, modulus + 16]
        .into_iter()
        .chain(modulus + 17..sealed.len())
    {
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = sealed.clone();
            changed[position] ^= flip;
            assert_eq!(
                KEY.unseal_bytes(&changed).unwrap_err(),
                UnsealError::AnotherKey,
                "{position}"
            );
        }
    }
    for position in modulus..modulus + 4 {
        for flip in 1..=255 {
            let mut changed = sealed.clone();
            changed[position] ^= flip;
            assert!(KEY.unseal_bytes(&changed).is_err(), "{position} {flip}");
        }
    }
}

#[test]
fn key_of_a_wrong_size_inside_the_rsa_block_is_another_key() {
    for length in [0, 15, 17, 32] {
        let mut block = vec![0; KEY.public.sealer.ciphertext_size()];
        let key = vec![9; length];
        KEY.public.sealer.encrypt(&OAEP_SHA1_MGF1SHA1, &key, &mut block, None).unwrap();
        let sealed = envelope::build(&block, &[9; KEY_BYTES], b"secret").unwrap();
        assert_eq!(KEY.unseal_bytes(&sealed).unwrap_err(), UnsealError::AnotherKey, "{length}");
    }
}

#[test]
fn random_values_are_errors() {
    for seed in 1..200 {
        let length = usize::from(noise(seed).next().unwrap()) * 4;
        let bytes: Vec<u8> = noise(seed + 1000).take(length).collect();
        assert!(KEY.unseal_bytes(&bytes).is_err());
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        assert!(text.is_empty() || KEY.unseal(&text).is_err());
        assert!(bytes.is_empty() || KEY.unseal(&STANDARD.encode(&bytes)).is_err());
    }
}

#[test]
fn plain_text_is_told_apart_from_a_value_for_another_key() {
    for text in ["not base64!", "ä", "A", "====", "\n"] {
        let error = KEY.unseal(text).unwrap_err();
        assert!(matches!(error, UnsealError::NotSealed(_)), "{text:?}: {error}");
    }
    let stranger =
        rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_4096);
    let stranger = read(&stranger.unwrap().serialize_pem()).unwrap();
    let sealed = stranger.public().seal_text("x").unwrap();
    let error = KEY.unseal(&sealed).unwrap_err();
    assert_eq!(error.to_string(), "value was encrypted for another key");
    assert!(error.advice().contains("new version of the definition"));
}

#[test]
fn value_for_a_key_of_another_size_is_an_error() {
    let stranger =
        rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_3072);
    let stranger = read(&stranger.unwrap().serialize_pem()).unwrap();
    assert!(KEY.unseal(&stranger.public().seal_text("x").unwrap()).is_err());
    assert!(stranger.unseal(&KEY.public().seal_text("x").unwrap()).is_err());
}

#[test]
fn plaintext_that_is_not_utf8_is_an_error_for_text_only() {
    let sealed = KEY.public().seal(b"\xff\xfe").unwrap();
    assert_eq!(KEY.unseal(&STANDARD.encode(&sealed)).unwrap_err(), UnsealError::NotText);
    assert!(KEY.unseal_bytes(&sealed).is_ok());
}

#[test]
fn huge_value_is_refused_before_it_is_decoded() {
    let text = "A".repeat(MAX_SEALED_BYTES + 1);
    assert_eq!(KEY.unseal(&text).unwrap_err(), UnsealError::TooLong);
    assert_eq!(KEY.unseal_bytes(text.as_bytes()).unwrap_err(), UnsealError::TooLong);
}

#[test]
fn every_wrong_kind_of_key_is_named() {
    let encrypted_pkcs1 = PKCS1.replacen(
        "KEY-----\n",
        "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n",
        1,
    );
    let cases = [
        ("", PrivateKeyError::NotPem),
        ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", PrivateKeyError::NotPem),
        ("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----", PrivateKeyError::NotPem),
        (&relabel(PKCS8, "ENCRYPTED PRIVATE KEY"), PrivateKeyError::Encrypted),
        (&encrypted_pkcs1, PrivateKeyError::Encrypted),
        (&ec_key(), PrivateKeyError::NotRsa),
        (&relabel(&ec_key(), "EC PRIVATE KEY"), PrivateKeyError::NotRsa),
        (CERTIFICATE, PrivateKeyError::Certificate),
        (&relabel(PKCS8, "PUBLIC KEY"), PrivateKeyError::Public),
        (&relabel(PKCS8, "OPENSSH PRIVATE KEY"), PrivateKeyError::OpenSsh),
        (&relabel(PKCS8, "X509 CRL"), PrivateKeyError::Unknown),
        (&relabel(PKCS8, "RSA PRIVATE KEY"), PrivateKeyError::Damaged),
        (&"-".repeat(MAX_PEM_BYTES + 1), PrivateKeyError::NotPem),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text).unwrap_err(), expected, "{expected:?}");
    }
}

#[test]
fn damaged_key_is_an_error_not_a_panic() {
    let block = pem::parse(PKCS8).unwrap();
    for length in (0..block.contents().len()).step_by(37) {
        let cut = pem::encode(&pem::Pem::new("PRIVATE KEY", &block.contents()[..length]));
        assert!(read(&cut).is_err(), "{length}");
    }
}

#[test]
fn small_key_is_refused() {
    // Made with `openssl genrsa 1024`; aws-lc does not generate such keys.
    const RSA_1024: &str = fixture!("TEST-ONLY-rsa1024.pem");
    assert_eq!(read(RSA_1024).unwrap_err(), PrivateKeyError::Damaged);
}

#[test]
fn certificate_in_the_same_file_is_skipped() {
    assert!(read(&format!("{CERTIFICATE}\n{PKCS8}")).is_ok());
    assert!(read(&format!("{PKCS1}\n{CERTIFICATE}")).is_ok());
}

#[test]
fn errors_never_quote_the_key() {
    let text = format!("-----BEGIN PRIVATE KEY-----\nMARKER: x: y\n{PKCS8}");
    let error = read(&text).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("MARKER"));
    assert_eq!(format!("{:?}", *KEY).matches(char::is_numeric).count(), 4);
}

#[test]
fn a_subkey_depends_on_the_key_and_the_label_and_not_on_the_format_of_the_file() {
    let subkey = |key: &PrivateKey, label| *key.subkey(label).unwrap().expose_secret();
    assert_eq!(subkey(&KEY, "one"), subkey(&read(PKCS1).unwrap(), "one"));
    assert_ne!(subkey(&KEY, "one"), subkey(&KEY, "two"));
    let pair = KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let other = read(&pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref()))).unwrap();
    assert_ne!(subkey(&KEY, "one"), subkey(&other, "one"));
    assert!(format!("{:?}", KEY.subkey("one")).contains("REDACTED"));
}
