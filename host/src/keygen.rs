//! Makes the key pair that a runner needs: an RSA private key and the self-signed certificate that meshStack wants.
//!
//! Main type: [`KeyPair`]. [`generate`] is pure but slow (RSA-4096 takes a second or more); [`KeyPair::write`] puts the two
//! files where the daemon looks for them. It must never overwrite a private key unless told to: a lost key makes every
//! secret sealed to it unreadable.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::os;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose, PKCS_RSA_SHA256,
    RsaKeySize,
};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

/// File name of the private key: where the daemon looks when nothing is configured.
pub const PRIVATE_KEY_FILE: &str = "runner-private.pem";
/// File name of the certificate, whose content is pasted into meshStack.
pub const CERTIFICATE_FILE: &str = "runner-certificate.pem";
/// How long a certificate is valid unless told otherwise. meshStack uses only the key in it; renewing means entering
/// every secret again, hence ten years.
pub const DEFAULT_VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Longest validity: X.509 has no dates after the year 9999.
const MAX_VALIDITY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Clocks differ: the certificate is valid from this long ago.
const BACKDATE: Duration = Duration::from_secs(60 * 60);
/// X.509's own limit for a common name, in characters.
const MAX_COMMON_NAME_CHARS: usize = 64;

/// Whom the certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The common name, 1 to 64 characters; meshStack only shows it.
    pub common_name: String,
}

/// Size of the RSA key. meshStack asks for 4096 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bits {
    /// 2048 bits: the least that the runner accepts; for tests.
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits: what meshStack asks for.
    #[default]
    Rsa4096,
}

/// A new private key and its certificate, not written anywhere yet. `Debug` shows no key.
#[derive(Debug)]
pub struct KeyPair {
    /// PKCS#8 PEM.
    pub private_key_pem: SecretString,
    /// X.509 certificate PEM, to be registered in meshStack.
    pub certificate_pem: String,
}

/// Where [`KeyPair::write`] put the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The private key, readable by its owner only.
    pub private_key: PathBuf,
    /// The certificate, readable by everybody.
    pub certificate: PathBuf,
}

/// Why a key pair could not be made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeygenError {
    /// A file of that name exists and overwriting was not asked for.
    #[error(
        "`{path}` exists already; secrets sealed to a key that is overwritten can't be read any more"
    )]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// The cryptographic library refused.
    #[error("failed to generate the key pair")]
    Generate(#[source] rcgen::Error),
    /// The common name is empty, too long, or holds control characters.
    #[error("common name must have 1 to 64 characters and no control characters")]
    Subject,
    /// The validity is zero or too long.
    #[error("validity must be between one day and 100 years")]
    Validity,
    /// Writing failed.
    #[error("failed to write `{path}`")]
    Write {
        /// The file that was to be written.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
}

/// Makes an RSA key and a self-signed certificate for it, valid from one hour ago.
///
/// # Errors
/// When the subject or the validity can't be put into a certificate, or the library fails.
pub fn generate(subject: &Subject, bits: Bits, validity: Duration) -> Result<KeyPair, KeygenError> {
    let name = subject.common_name.trim();
    if name.is_empty()
        || name.chars().count() > MAX_COMMON_NAME_CHARS
        || name.chars().any(char::is_control)
    {
        return Err(KeygenError::Subject);
    }
    if !(Duration::from_secs(24 * 60 * 60)..=MAX_VALIDITY).contains(&validity) {
        return Err(KeygenError::Validity);
    }
    let size = match bits {
        Bits::Rsa2048 => RsaKeySize::_2048,
        Bits::Rsa3072 => RsaKeySize::_3072,
        Bits::Rsa4096 => RsaKeySize::_4096,
    };
    let key =
        rcgen::KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).map_err(KeygenError::Generate)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = OffsetDateTime::now_utc();
    params.not_before = now - BACKDATE;
    params.not_after = now + validity;
    params.is_ca = IsCa::NoCa;
    params.key_usages = vec![KeyUsagePurpose::DataEncipherment, KeyUsagePurpose::KeyEncipherment];
    let certificate = params.self_signed(&key).map_err(KeygenError::Generate)?;
    Ok(KeyPair {
        private_key_pem: SecretString::from(key.serialize_pem()),
        certificate_pem: certificate.pem(),
    })
}

impl KeyPair {
    /// Writes both files into `directory` (created when missing): the key with mode 0600, the certificate with 0644.
    ///
    /// Each file appears whole or not at all. Without `force`, an existing file is never replaced, also not one that
    /// appears while we write.
    ///
    /// # Errors
    /// When a file exists and `force` is off, or the disk refuses.
    pub fn write(&self, directory: &Path, force: bool) -> Result<Written, KeygenError> {
        let private_key = directory.join(PRIVATE_KEY_FILE);
        let certificate = directory.join(CERTIFICATE_FILE);
        if !force {
            for path in [&private_key, &certificate] {
                if path.symlink_metadata().is_ok() {
                    return Err(KeygenError::Exists { path: path.clone() });
                }
            }
        }
        fs::create_dir_all(directory)
            .map_err(|source| KeygenError::Write { path: directory.to_owned(), source })?;
        // Both are prepared before the first is put in place, so that a full disk leaves neither.
        let key_file = prepare(&private_key, self.private_key_pem.expose_secret(), 0o600)?;
        let certificate_file = prepare(&certificate, &self.certificate_pem, 0o644)?;
        place(key_file, &private_key, force)?;
        place(certificate_file, &certificate, force)?;
        // Best effort: the files are complete either way, and not every file system can sync a directory.
        let _ = os::sync_directory(directory);
        Ok(Written { private_key, certificate })
    }
}

fn prepare(path: &Path, content: &str, mode: u32) -> Result<tempfile::NamedTempFile, KeygenError> {
    let attempt = || {
        let directory = path.parent().unwrap_or_else(|| Path::new("."));
        // SECURITY: temporary files are created with mode 0600, before any content (private_key_file_is_for_its_owner_only)
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(content.as_bytes())?;
        os::set_mode(file.as_file(), mode)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    attempt().map_err(|source| KeygenError::Write { path: path.to_owned(), source })
}

fn place(file: tempfile::NamedTempFile, path: &Path, force: bool) -> Result<(), KeygenError> {
    let placed = if force { file.persist(path) } else { file.persist_noclobber(path) };
    placed.map(drop).map_err(|error| {
        if error.error.kind() == io::ErrorKind::AlreadyExists {
            KeygenError::Exists { path: path.to_owned() }
        } else {
            KeygenError::Write { path: path.to_owned(), source: error.error }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unseal::{PrivateKey, PublicKey};

    fn pair() -> KeyPair {
        generate(&Subject { common_name: "my runner".into() }, Bits::Rsa2048, DEFAULT_VALIDITY)
            .unwrap()
    }

    #[test]
    fn default_size_is_the_4096_bits_that_meshstack_wants() {
        let pair = generate(
            &Subject { common_name: "my runner".into() },
            Bits::default(),
            Duration::from_secs(30 * 24 * 60 * 60),
        )
        .unwrap();
        let block = pem::parse(&pair.certificate_pem).unwrap();
        let (rest, certificate) = x509_parser::parse_x509_certificate(block.contents()).unwrap();
        assert!(rest.is_empty());
        assert_eq!(certificate.subject().to_string(), "CN=my runner");
        assert_eq!(certificate.issuer(), certificate.subject());
        assert!(certificate.validity().is_valid());
        let days = (certificate.validity().not_after.timestamp()
            - certificate.validity().not_before.timestamp())
            / (24 * 60 * 60);
        assert_eq!(days, 30);
        let x509_parser::public_key::PublicKey::RSA(key) =
            certificate.public_key().parsed().unwrap()
        else {
            panic!("not RSA")
        };
        assert_eq!(key.key_size(), 4096);
        assert!(pair.private_key_pem.expose_secret().starts_with("-----BEGIN PRIVATE KEY-----"));
    }

    #[test]
    fn value_sealed_to_the_certificate_opens_with_the_key() {
        let pair = pair();
        let public = PublicKey::from_certificate_pem(&pair.certificate_pem).unwrap();
        let private = PrivateKey::from_pem(&pair.private_key_pem).unwrap();
        assert_eq!(public, **private.public());
        let sealed = public.seal_text("grüße").unwrap();
        assert_eq!(private.unseal(&sealed).unwrap().expose_secret(), "grüße");
    }

    #[test]
    fn unusable_subject_or_validity_is_an_error() {
        for name in ["", "  ", &"x".repeat(65), "a\nb", "a\0b"] {
            let subject = Subject { common_name: name.to_owned() };
            let error = generate(&subject, Bits::Rsa2048, DEFAULT_VALIDITY).unwrap_err();
            assert!(matches!(error, KeygenError::Subject), "{name:?}");
        }
        for validity in [Duration::ZERO, Duration::MAX] {
            let subject = Subject { common_name: "x".into() };
            let error = generate(&subject, Bits::Rsa2048, validity).unwrap_err();
            assert!(matches!(error, KeygenError::Validity), "{validity:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn private_key_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let written = pair().write(&directory.path().join("new/keys"), false).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&written.private_key), 0o600);
        assert_eq!(mode(&written.certificate), 0o644);
        assert_eq!(fs::read_dir(directory.path().join("new/keys")).unwrap().count(), 2);
    }

    #[test]
    fn existing_key_is_only_overwritten_by_force() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (pair(), pair());
        let written = first.write(directory.path(), false).unwrap();
        let error = second.write(directory.path(), false).unwrap_err();
        assert!(matches!(&error, KeygenError::Exists { path } if *path == written.private_key));
        let on_disk = || fs::read_to_string(&written.private_key).unwrap();
        assert_eq!(on_disk(), first.private_key_pem.expose_secret());
        second.write(directory.path(), true).unwrap();
        assert_eq!(on_disk(), second.private_key_pem.expose_secret());
        assert_eq!(fs::read_to_string(&written.certificate).unwrap(), second.certificate_pem);
    }

    #[test]
    fn existing_certificate_alone_also_stops_the_write() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(CERTIFICATE_FILE), "old").unwrap();
        let error = pair().write(directory.path(), false).unwrap_err();
        assert!(matches!(error, KeygenError::Exists { .. }));
        assert!(!directory.path().join(PRIVATE_KEY_FILE).exists());
    }

    #[test]
    fn debug_shows_no_key() {
        let pair = pair();
        let shown = format!("{pair:?}");
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    }
}
