//! Sealed values: made from nothing, and good ones that were changed on the way.
#![no_main]

use blockhouse::unseal::PrivateKey;
use libfuzzer_sys::fuzz_target;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::LazyLock;

const KEY: &str = include_str!("../../../tests/fixtures/sealed/TEST-ONLY-runner-pkcs8.pem");
const PLAIN: &[u8] = b"what was sealed";

static OPENER: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::from_pem(&SecretString::from(KEY)).expect("the key is good"));
static SEALED: LazyLock<Vec<u8>> =
    LazyLock::new(|| OPENER.public().seal(PLAIN).expect("sealing works"));

fuzz_target!(|bytes: &[u8]| {
    let _ = OPENER.unseal_bytes(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = OPENER.unseal(text).map(|text| text.expose_secret().len());
    }
    // Pairs of a place and a value change a good one; the first byte cuts it.
    let Some((cut, changes)) = bytes.split_first() else { return };
    let mut sealed = SEALED.clone();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]])) % sealed.len();
        sealed[place] ^= change[2];
    }
    sealed.truncate(sealed.len() - usize::from(*cut) % sealed.len());
    let opened = OPENER.unseal_bytes(&sealed);
    // Authenticated encryption: it opens as it was, or not at all.
    assert_eq!(opened.is_ok(), sealed == *SEALED);
    if let Ok(plain) = opened {
        assert_eq!(plain.as_slice(), PLAIN);
    }
});
