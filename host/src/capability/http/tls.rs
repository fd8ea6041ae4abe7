//! TLS clients, made when the daemon starts: one for all rules without files of their own, one for each that has some.

use super::error::SendError;
use blockhouse_policy::{GitRule, HttpRule, Position};
use rustls_platform_verifier::Verifier;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, Error as TlsError};
use zeroize::Zeroizing;

/// Bytes of a file of certificates or keys. Against wrong paths.
const FILE_MAX: u64 = 1 << 20;

/// Why files that a rule names can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{at}: the files that this rule names can't be used")]
pub struct BuildError {
    /// The rule.
    pub at: Position,
    /// What is wrong.
    #[source]
    pub kind: BuildErrorKind,
}

/// What is wrong with such files.
#[derive(Debug, thiserror::Error)]
pub enum BuildErrorKind {
    /// The certificate and the key don't make a pair, or are of no use.
    #[error("the client certificate can't be used: {0}")]
    Client(String),
    /// The file can't be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file holds no token.
    #[error("`{}` holds no token on a line of its own", path.display())]
    Token {
        /// Which file.
        path: PathBuf,
    },
    /// The trusted roots can't be used.
    #[error("failed to set up the certificate authorities to trust: {0}")]
    Roots(String),
    /// The file is not what it should be.
    #[error("`{}` holds no {what} in PEM format", path.display())]
    What {
        /// Which file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
}

/// One way to do TLS. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Client(Arc<ClientConfig>);

impl Client {
    /// Trusts the platform's roots and these authorities.
    pub(super) fn trusting(
        authorities: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, BuildErrorKind> {
        build(authorities, None)
    }

    /// Trusts what the rule's files add, and presents the rule's certificate. `None` if the rule has no files.
    pub(super) fn of_rule(
        rule: &HttpRule,
        directory: &Path,
        authorities: &[CertificateDer<'static>],
    ) -> Result<Option<Self>, BuildErrorKind> {
        Self::of_files(&Files::of_http(rule), directory, authorities)
    }

    fn of_files(
        files: &Files<'_>,
        directory: &Path,
        authorities: &[CertificateDer<'static>],
    ) -> Result<Option<Self>, BuildErrorKind> {
        if files.authority.is_none() && files.client.is_none() {
            return Ok(None);
        }
        let mut authorities = authorities.to_vec();
        if let Some(file) = files.authority {
            authorities.extend(certificates(&directory.join(file))?);
        }
        let identity = match files.client {
            None => None,
            Some((certificate, key)) => {
                let key = private_key(directory.join(key))?;
                Some((certificates(&directory.join(certificate))?, key))
            }
        };
        build(authorities, identity).map(Some)
    }

    /// The handshake. The certificate must be for this very name.
    pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        name: ServerName<'static>,
        stream: S,
    ) -> Result<TlsStream<S>, SendError> {
        let target = name.to_str().into_owned();
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.0));
        connector
            .connect(name, stream)
            .await
            .map_err(|error| SendError::Tls { target, reason: error.to_string() })
    }
}

/// The files that a rule names.
#[derive(Debug)]
pub(super) struct Files<'p> {
    authority: Option<&'p str>,
    client: Option<(&'p str, &'p str)>,
    token: Option<&'p str>,
}

impl<'p> Files<'p> {
    pub(super) fn of_git(rule: &'p GitRule) -> Self {
        let client = rule.client_certificate.as_ref();
        Self {
            authority: rule.ca_file.as_deref(),
            client: client.map(|(certificate, key)| (&**certificate, &**key)),
            token: rule.token_file.as_deref(),
        }
    }

    pub(super) fn of_http(rule: &'p HttpRule) -> Self {
        Self { authority: rule.ca_file(), client: rule.client_certificate(), token: None }
    }

    /// All that is wrong with them, where [`Client::of_rule`] stops at the first.
    pub(super) fn mistakes(&self, directory: &Path) -> Vec<BuildErrorKind> {
        let (certificate, key) = self.client.unzip();
        let each = [self.authority, certificate].into_iter().flatten();
        let each = each.map(|file| certificates(&directory.join(file)).err());
        let key = key.map(|file| private_key(directory.join(file)).err());
        let mut mistakes: Vec<_> = each.chain(key).flatten().collect();
        // What is wrong with them together is to be seen only once each is in order.
        if mistakes.is_empty() {
            mistakes.extend(Client::of_files(self, directory, &[]).err());
        }
        mistakes.extend(self.token.and_then(|file| token(directory.join(file)).err()));
        mistakes
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn build(
    authorities: impl IntoIterator<Item = CertificateDer<'static>>,
    identity: Option<Identity>,
) -> Result<Client, BuildErrorKind> {
    let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
    let roots = |error: TlsError| BuildErrorKind::Roots(error.to_string());
    // SECURITY: walls::a_server_of_an_unknown_authority_is_refused
    let verifier =
        Verifier::new_with_extra_roots(authorities, Arc::clone(&provider)).map_err(roots)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(roots)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificates, key)) => builder
            .with_client_auth_cert(certificates, key)
            .map_err(|error| BuildErrorKind::Client(error.to_string()))?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Sessions would be kept from run to run, and tell a server which of them belong together.
    config.resumption = Resumption::disabled();
    Ok(Client(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BuildErrorKind> {
    let pem = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(BuildErrorKind::What { path: path.to_owned(), what: "certificate" }),
    }
}

fn private_key(path: PathBuf) -> Result<PrivateKeyDer<'static>, BuildErrorKind> {
    let pem = read(&path)?;
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| BuildErrorKind::What { path, what: "private key" })
}

/// A text of one line, which is not kept: whoever uses it reads it again, since tokens are renewed.
fn token(path: PathBuf) -> Result<(), BuildErrorKind> {
    let bytes = Zeroizing::new(read(&path)?);
    let text = bytes.trim_ascii();
    let is_token = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
    if is_token { Ok(()) } else { Err(BuildErrorKind::Token { path }) }
}

fn read(path: &Path) -> Result<Vec<u8>, BuildErrorKind> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(source) => Err(BuildErrorKind::Read { path: path.to_owned(), source }),
    }
}
