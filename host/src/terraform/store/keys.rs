//! Who signs releases: [`TrustedKeys`], which lets a list of checksums through or not.
//!
//! A key is trusted because the fingerprint of its primary key is pinned, wherever its material comes from. A signature counts if it was
//! made by that primary key or by one of its signing subkeys, each bound to it in both directions.
//!
//! * **Expired keys**: a signature counts if it was made while its key was valid. Releases never change, so that those of years ago
//!   are signed by keys that have expired since. What is lost: whoever steals an expired key can date a signature back; that is
//!   what revocation is for.
//! * **Revoked keys** count for nothing, whenever and for whatever reason they were revoked.
//! * SHA-2 only: SHA-1 and MD5 can be collided.

use super::Tool;
use pgp::composed::{Deserializable as _, DetachedSignature, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, Timestamp, VerifyingKey};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The key that comes with the program, published at `https://www.hashicorp.com/security` or `https://get.opentofu.org/opentofu.asc`.
pub(super) fn embedded(tool: Tool) -> &'static str {
    match tool {
        Tool::Terraform => HASHICORP,
        Tool::Tofu => OPENTOFU,
    }
}

const HASHICORP: &str = include_str!("keys/hashicorp.asc");

const OPENTOFU: &str = include_str!("keys/opentofu.asc");

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// A file of signatures has one; a few more let the signer move from one key to the next.
const SIGNATURES_MAX: usize = 8;

/// How far ahead of ours the clock of whoever signs may be.
const SKEW: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a signature does not count, or there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("the keys can't be read: {0}")]
    Material(pgp::errors::Error),
    #[error("none of the keys has the fingerprint {0}")]
    Missing(String),
    #[error("a fingerprint is written with 40 hexadecimal digits, which `{0}` is not")]
    Fingerprint(String),
    #[error("the signature can't be read: {0}")]
    Signature(pgp::errors::Error),
    #[error("it is signed by {0}, which is not one of the trusted keys")]
    Stranger(String),
    #[error("the signature by the trusted key {0} is not good: {1}")]
    Bad(String, &'static str),
}

/// Keys whose primary fingerprints are pinned.
#[derive(Debug)]
pub(super) struct TrustedKeys(Vec<SignedPublicKey>);

impl TrustedKeys {
    /// No key at all.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// Reads armoured keys, one block after the other, and keeps those that are pinned; there must be one for each fingerprint.
    pub(super) fn read(armoured: &str, fingerprints: &[String]) -> Result<Self, KeyError> {
        let mut all = Vec::new();
        for block in armoured.split(BEGIN).skip(1) {
            let block = format!("{BEGIN}{block}");
            let (keys, _) =
                SignedPublicKey::from_string_many(&block).map_err(KeyError::Material)?;
            for key in keys {
                all.push(key.map_err(KeyError::Material)?);
            }
        }
        let mut trusted = Vec::new();
        for text in fingerprints {
            let pinned: String = text.chars().filter(|c| *c != ' ').collect();
            let pinned = pinned.to_ascii_uppercase();
            if pinned.len() != 40 || !pinned.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(KeyError::Fingerprint(text.chars().take(80).collect()));
            }
            // SECURITY: terraform::store::keys::a_key_that_is_not_pinned_counts_for_nothing
            let mut found =
                all.iter().filter(|key| fingerprint(&key.primary_key) == pinned).peekable();
            if found.peek().is_none() {
                return Err(KeyError::Missing(pinned));
            }
            trusted.extend(found.cloned());
        }
        Ok(Self(trusted))
    }

    /// Whether one of `signatures`, binary or armoured, is a trusted one of `document`.
    pub(super) fn verify(&self, document: &[u8], signatures: &[u8]) -> Result<(), KeyError> {
        let is_armoured = signatures.trim_ascii_start().starts_with(b"-----BEGIN");
        let parsed = if is_armoured {
            DetachedSignature::from_armor_many_buf(signatures).map(|(found, _)| found)
        } else {
            DetachedSignature::from_bytes_many(signatures)
        };
        let mut error = KeyError::Stranger("nobody".to_owned());
        for signature in parsed.map_err(KeyError::Signature)?.take(SIGNATURES_MAX) {
            let signature = signature.map_err(KeyError::Signature)?.signature;
            match self.verify_one(document, &signature) {
                Ok(()) => return Ok(()),
                Err(next) => error = next,
            }
        }
        Err(error)
    }

    fn verify_one(&self, document: &[u8], signature: &Signature) -> Result<(), KeyError> {
        let mut error = KeyError::Stranger(issuer(signature));
        for key in &self.0 {
            let primary = Candidate { key: &key.primary_key, validity: primary_validity(key) };
            let subkeys = key.public_subkeys.iter().map(|subkey| Candidate {
                key: &subkey.key,
                validity: subkey_validity(key, subkey),
            });
            let found = primary.verify(document, signature);
            let found = found
                .into_iter()
                .chain(subkeys.filter_map(|subkey| subkey.verify(document, signature)));
            for result in found {
                match result {
                    // A subkey is worth no more than the key that it belongs to.
                    Ok(()) if is_revoked(key) => {
                        error = bad(&key.primary_key, "the key is revoked")
                    }
                    Ok(()) => return Ok(()),
                    Err(next) => error = next,
                }
            }
        }
        Err(error)
    }
}

/// From when to when a key may sign; `None` as the end: for ever.
struct Validity {
    from: u64,
    until: Option<u64>,
}

/// A key that may have made a signature; the validity is why it may not, if so.
struct Candidate<'a, K> {
    key: &'a K,
    validity: Result<Validity, &'static str>,
}

impl<K: VerifyingKey> Candidate<'_, K> {
    /// `None` if the signature is not by this key.
    fn verify(&self, document: &[u8], signature: &Signature) -> Option<Result<(), KeyError>> {
        let by_fingerprint = signature.issuer_fingerprint().contains(&&self.key.fingerprint());
        let by_id = signature.issuer_key_id().contains(&&self.key.legacy_key_id());
        (by_fingerprint || by_id)
            .then(|| self.check(document, signature).map_err(|why| bad(self.key, why)))
    }

    fn check(&self, document: &[u8], signature: &Signature) -> Result<(), &'static str> {
        let validity = self.validity.as_ref().map_err(|why| *why)?;
        if signature.typ() != Some(SignatureType::Binary) {
            return Err("it is not one of a file");
        }
        is_strong(signature)?;
        let made = signature.created().map(seconds).ok_or("it does not say when it was made")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if made > now.saturating_add(SKEW).as_secs() {
            return Err("it was made in the future; is this machine's clock right?");
        }
        if ends(made, signature.signature_expiration_time()).is_some_and(|end| end < now.as_secs())
        {
            return Err("it has expired");
        }
        // SECURITY: terraform::store::keys::a_signature_counts_if_its_key_was_valid_when_it_was_made
        if made < validity.from || validity.until.is_some_and(|until| made >= until) {
            return Err(
                "its key was not valid when it was made; if the key was prolonged since, replace the key file",
            );
        }
        signature.verify(self.key, document).map_err(|_| "it is one of other content")
    }
}

fn is_strong(signature: &Signature) -> Result<(), &'static str> {
    match signature.hash_alg() {
        Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512) => Ok(()),
        _ => Err("it does not use SHA-2"),
    }
}

/// When the primary key may sign, by its newest self-signature.
fn primary_validity(key: &SignedPublicKey) -> Result<Validity, &'static str> {
    let by_users = key.details.users.iter().flat_map(|user| {
        let own = user.signatures.iter().filter(|signature| signature.is_certification());
        own.filter(|signature| {
            signature.verify_certification(&key.primary_key, Tag::UserId, &user.id).is_ok()
        })
    });
    let direct = key.details.direct_signatures.iter();
    let direct = direct.filter(|signature| signature.verify_key(&key.primary_key).is_ok());
    let newest = by_users.chain(direct).max_by_key(|signature| signature.created().map(seconds));
    let newest = newest.ok_or("the key has not signed itself")?;
    if !newest.key_flags().sign() {
        return Err("the key is not one that signs");
    }
    let from = seconds(key.primary_key.created_at());
    Ok(Validity { from, until: ends(from, newest.key_expiration_time()) })
}

/// When a subkey may sign, by the newest signature that binds it.
fn subkey_validity(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
) -> Result<Validity, &'static str> {
    let valid = subkey.signatures.iter();
    let valid = valid
        .filter(|signature| signature.verify_subkey_binding(&key.primary_key, &subkey.key).is_ok());
    let valid: Vec<_> = valid.collect();
    if valid.iter().any(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation)) {
        return Err("the key is revoked");
    }
    let newest = valid.into_iter().max_by_key(|signature| signature.created().map(seconds));
    let newest = newest.ok_or("the key is not bound to the trusted one")?;
    // Without the signature back, anybody could take another's subkey for one of theirs.
    let back = newest.embedded_signature();
    let back = back
        .is_some_and(|back| back.verify_primary_key_binding(&subkey.key, &key.primary_key).is_ok());
    if !newest.key_flags().sign() || !back {
        return Err("the key is not one that signs");
    }
    let from = seconds(subkey.key.created_at());
    Ok(Validity { from, until: ends(from, newest.key_expiration_time()) })
}

fn is_revoked(key: &SignedPublicKey) -> bool {
    let mut revocations = key.details.revocation_signatures.iter();
    // SECURITY: terraform::store::keys::a_revoked_key_counts_for_nothing
    revocations.any(|signature| signature.verify_key(&key.primary_key).is_ok())
}

fn seconds(time: Timestamp) -> u64 {
    u64::from(time.as_secs())
}

/// Zero and absent are both "never".
fn ends(from: u64, after: Option<pgp::types::Duration>) -> Option<u64> {
    let after = after.map(pgp::types::Duration::as_secs).filter(|seconds| *seconds > 0)?;
    Some(from.saturating_add(u64::from(after)))
}

fn fingerprint(key: &impl KeyDetails) -> String {
    data_encoding::HEXUPPER.encode(key.fingerprint().as_bytes())
}

fn issuer(signature: &Signature) -> String {
    let by_fingerprint = signature
        .issuer_fingerprint()
        .first()
        .map(|found| data_encoding::HEXUPPER.encode(found.as_bytes()));
    let by_id = || {
        signature
            .issuer_key_id()
            .first()
            .map(|found| data_encoding::HEXUPPER.encode(found.as_ref()))
    };
    by_fingerprint.or_else(by_id).unwrap_or_else(|| "nobody who is named".to_owned())
}

fn bad(key: &impl KeyDetails, why: &'static str) -> KeyError {
    KeyError::Bad(fingerprint(key), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terraform::store::{TERRAFORM_FINGERPRINT, TOFU_FINGERPRINT};
    use pgp::composed::{
        ArmorOptions, EncryptionCaps, KeyType, SecretKeyParamsBuilder, SignedSecretKey,
        SubpacketConfig,
    };
    use pgp::packet::{SignatureConfig, Subpacket, SubpacketData};
    use pgp::types::Password;

    /// A key that signs by itself.
    fn key() -> SignedSecretKey {
        let params = SecretKeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .can_encrypt(EncryptionCaps::None)
            .primary_user_id("TEST ONLY <test@example.com>".into())
            .build();
        params.unwrap().generate(rand::thread_rng()).unwrap()
    }

    fn armoured(key: &SignedPublicKey) -> String {
        key.to_armored_string(ArmorOptions::default()).unwrap()
    }

    fn trusting(key: &SignedPublicKey) -> TrustedKeys {
        TrustedKeys::read(&armoured(key), &[fingerprint(&key.primary_key)]).unwrap()
    }

    /// A signature of `document` that was made so many seconds after the key, and lasts so many.
    fn signed(key: &SignedSecretKey, hash: HashAlgorithm, at: i64, lasts: Option<u32>) -> Vec<u8> {
        let made = i64::from(key.primary_key.created_at().as_secs()) + at;
        let mut hashed = vec![
            SubpacketData::SignatureCreationTime(Timestamp::from_secs(
                u32::try_from(made).unwrap(),
            )),
            SubpacketData::IssuerFingerprint(key.primary_key.fingerprint()),
        ];
        if let Some(lasts) = lasts {
            hashed.push(SubpacketData::SignatureExpirationTime(pgp::types::Duration::from_secs(
                lasts,
            )));
        }
        let hashed = hashed.into_iter().map(|data| Subpacket::regular(data).unwrap()).collect();
        let subpackets = SubpacketConfig::UserDefined { hashed, unhashed: Vec::new() };
        let signature = DetachedSignature::sign_binary_data_with_subpackets(
            rand::thread_rng(),
            &key.primary_key,
            &Password::empty(),
            hash,
            &b"document"[..],
            subpackets,
        );
        pgp::ser::Serialize::to_bytes(&signature.unwrap()).unwrap()
    }

    #[test]
    fn the_embedded_keys_are_the_published_ones() {
        for (tool, pinned) in
            [(Tool::Terraform, TERRAFORM_FINGERPRINT), (Tool::Tofu, TOFU_FINGERPRINT)]
        {
            let keys = TrustedKeys::read(embedded(tool), &[pinned.to_lowercase()]).unwrap();
            assert_eq!(keys.0.len(), 1);
            assert_eq!(fingerprint(&keys.0[0].primary_key), pinned);
            keys.0[0].verify_bindings().unwrap();
        }
    }

    #[test]
    fn hashicorp_signs_with_a_subkey_that_is_bound_both_ways() {
        let keys = TrustedKeys::read(HASHICORP, &[TERRAFORM_FINGERPRINT.to_owned()]).unwrap();
        let signing = keys.0[0].public_subkeys.iter().filter(|subkey| {
            let validity = subkey_validity(&keys.0[0], subkey);
            validity.is_ok_and(|validity| validity.until.is_none_or(|until| until > 1_800_000_000))
        });
        let signing: Vec<_> = signing.map(|subkey| fingerprint(&subkey.key)).collect();
        assert_eq!(signing, ["374EC75B485913604A831CC7C820C6D5CD27AB87"]);
    }

    #[test]
    fn a_key_that_is_not_pinned_counts_for_nothing() {
        let (trusted, stranger) = (key(), key());
        let both = format!(
            "{}{}",
            armoured(&trusted.to_public_key()),
            armoured(&stranger.to_public_key())
        );
        let keys = TrustedKeys::read(&both, &[fingerprint(&trusted.primary_key)]).unwrap();
        keys.verify(b"document", &signed(&trusted, HashAlgorithm::Sha256, 0, None)).unwrap();
        let error = keys
            .verify(b"document", &signed(&stranger, HashAlgorithm::Sha256, 0, None))
            .unwrap_err();
        assert!(
            matches!(&error, KeyError::Stranger(who) if *who == fingerprint(&stranger.primary_key)),
            "{error}"
        );
        let mut two = signed(&stranger, HashAlgorithm::Sha256, 0, None);
        two.extend(signed(&trusted, HashAlgorithm::Sha512, 0, None));
        keys.verify(b"document", &two).unwrap();
        keys.verify(b"other", &two).unwrap_err();
        keys.verify(b"document", b"").unwrap_err();
    }

    #[test]
    fn a_signature_counts_if_its_key_was_valid_when_it_was_made() {
        let key = key();
        let keys = trusting(&key.to_public_key());
        let why = |at, lasts, hash| match keys.verify(b"document", &signed(&key, hash, at, lasts)) {
            Err(KeyError::Bad(_, why)) => why,
            other => panic!("{other:?}"),
        };
        let strong = HashAlgorithm::Sha256;
        assert!(why(-1, None, strong).starts_with("its key was not valid"));
        assert!(why(3 * 24 * 60 * 60, None, strong).starts_with("it was made in the future"));
        assert_eq!(why(-10, Some(1), strong), "it has expired");
        assert_eq!(why(0, None, HashAlgorithm::Sha3_256), "it does not use SHA-2");
        // By the pinned file HashiCorp's former subkey has expired: what it signed before that still counts.
        let real = TrustedKeys::read(HASHICORP, &[TERRAFORM_FINGERPRINT.to_owned()]).unwrap();
        let former = real.0[0]
            .public_subkeys
            .iter()
            .find(|subkey| fingerprint(&subkey.key).starts_with("B36CBA91"));
        let validity = subkey_validity(&real.0[0], former.unwrap()).unwrap();
        assert!(validity.until.is_some_and(|until| until > validity.from && until < 1_700_000_000));
    }

    #[test]
    fn a_revoked_key_counts_for_nothing() {
        let key = key();
        let mut public = key.to_public_key();
        let signature = signed(&key, HashAlgorithm::Sha256, 0, None);
        trusting(&public).verify(b"document", &signature).unwrap();
        let primary = &key.primary_key;
        let mut revocation = SignatureConfig::v4(
            SignatureType::KeyRevocation,
            primary.algorithm(),
            HashAlgorithm::Sha256,
        );
        revocation.hashed_subpackets = [
            SubpacketData::SignatureCreationTime(Timestamp::now()),
            SubpacketData::IssuerFingerprint(primary.fingerprint()),
        ]
        .map(|data| Subpacket::regular(data).unwrap())
        .into();
        let revocation =
            revocation.sign_key(primary, &Password::empty(), &public.primary_key).unwrap();
        public.details.revocation_signatures.push(revocation);
        let error = trusting(&public).verify(b"document", &signature).unwrap_err().to_string();
        assert!(error.ends_with("the key is revoked"), "{error}");
    }
}
