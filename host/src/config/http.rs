//! `http`: how we reach meshStack: proxy, additional certificate authorities, timeouts.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::measure::{Span, web_url};
use super::reader::{Complaint, Found, Reader, Section};
use super::show::{REDACTED, Show};

const KEYS: &[&str] =
    &["caFiles", "connectTimeout", "noProxy", "proxy", "readTimeout", "totalTimeout"];

const MIN: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_secs(10 * 60);
/// Attack: an address that swallows packets holds a call for minutes.
const CONNECT: Span = Span { default: Duration::from_secs(10), min: MIN, max: MAX };
/// Attack: a peer that stops in the middle of an answer.
const READ: Span = Span { default: Duration::from_secs(30), min: MIN, max: MAX };
/// Attack: a peer that sends a byte now and then.
const TOTAL: Span = Span { default: Duration::from_secs(60), min: MIN, max: MAX };

/// How meshStack is reached.
#[derive(Debug, Clone)]
pub struct Http {
    /// Through which proxy, trusting whom.
    pub way: Way,
    /// For the connection, including TLS.
    pub connect_timeout: Duration,
    /// Between two pieces of an answer.
    pub read_timeout: Duration,
    /// For a whole call.
    pub total_timeout: Duration,
}

/// How requests leave the machine: `http` has it for ours, `egress` for those of components.
#[derive(Debug, Clone)]
pub struct Way {
    /// The proxy, if not directly.
    pub proxy: Option<Proxy>,
    /// Hosts, domains (`.example.com`) and networks (`10.0.0.0/8`) that are reached without the proxy.
    pub no_proxy: Vec<String>,
    /// Certificate authorities to trust besides the system's.
    pub ca_files: Vec<CaFile>,
}

/// A proxy. Its address may hold credentials, so `Debug` does not show them.
#[derive(Clone)]
pub struct Proxy {
    address: Url,
    url: SecretString,
}

/// A file of certificates, read when the configuration was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaFile {
    /// The path as it was given.
    pub path: PathBuf,
    /// The certificates in it, at least one, each in DER format.
    pub certificates: Vec<Vec<u8>>,
}

impl Way {
    /// Keys of the section that are about it.
    pub(super) const KEYS: [&str; 3] = ["caFiles", "noProxy", "proxy"];

    pub(super) fn read(reader: &mut Reader<'_>, section: &Section<'_>) -> Self {
        let proxy = reader.parse(&section.join("proxy"), section.find("proxy"), proxy);
        let no_proxy = section.find("noProxy");
        let no_proxy = reader.texts(&section.join("noProxy"), no_proxy, no_proxy_entry);
        let mut ca_files = Vec::new();
        if let Some(found) = section.find("caFiles") {
            reader.came_from(&section.join("caFiles"), &found, None);
            for item in found.items() {
                ca_files.extend(ca_file(reader, &item));
            }
        }
        Self { proxy, no_proxy: no_proxy.unwrap_or_default(), ca_files }
    }

    pub(super) fn show(&self, out: &mut Show<'_>) {
        if let Some(proxy) = &self.proxy {
            out.value("proxy", &proxy.to_string());
        }
        if !self.no_proxy.is_empty() {
            out.list("noProxy", self.no_proxy.iter().map(String::as_str));
        }
        if !self.ca_files.is_empty() {
            let paths: Vec<_> = self.ca_files.iter().map(|f| f.path.to_string_lossy()).collect();
            out.list("caFiles", paths.iter().map(|path| &**path));
        }
    }
}

impl Http {
    pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Self {
        let section = reader.subsection(root, "http", KEYS);
        let way = Way::read(reader, &section);
        let mut timeout = |key: &str, span: Span| {
            let value = reader.parse(&section.join(key), section.find(key), |t| span.parse(t));
            value.unwrap_or(span.default)
        };
        let connect_timeout = timeout("connectTimeout", CONNECT);
        let read_timeout = timeout("readTimeout", READ);
        let total_timeout = timeout("totalTimeout", TOTAL);
        Self { way, connect_timeout, read_timeout, total_timeout }
    }

    pub(super) fn show(&self, out: &mut Show<'_>) {
        out.section("http", |out| {
            self.way.show(out);
            out.duration("connectTimeout", self.connect_timeout);
            out.duration("readTimeout", self.read_timeout);
            out.duration("totalTimeout", self.total_timeout);
        });
    }
}

fn proxy(text: &str) -> Result<Proxy, Complaint> {
    let mut address = web_url(text)?;
    let url = SecretString::from(address.as_str().to_owned());
    if !matches!(address.path(), "" | "/") {
        return Err(Complaint::from("must be a URL without a path"));
    }
    // Can't fail: an http address with a host may have both.
    let _ = address.set_username("");
    let _ = address.set_password(None);
    Ok(Proxy { address, url })
}

fn no_proxy_entry(text: &str) -> Result<String, Complaint> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == ',';
    if text.is_empty() || text.contains(odd) || text.contains("://") {
        let hint = "such as `meshstack.local`, `.example.com` or `10.0.0.0/8`, one per list item";
        return Err(Complaint::from("must be a host, domain or network").hint(hint));
    }
    Ok(text.to_owned())
}

fn ca_file(reader: &mut Reader<'_>, found: &Found<'_>) -> Option<CaFile> {
    let text = reader.side_file(found)?;
    let parsed = pem::parse_many(text.as_bytes()).ok().and_then(|blocks| {
        let certificates: Vec<_> = blocks
            .into_iter()
            .filter(|block| block.tag() == "CERTIFICATE")
            .map(pem::Pem::into_contents)
            .collect();
        let whole = |der: &Vec<u8>| {
            x509_parser::parse_x509_certificate(der).is_ok_and(|(rest, _)| rest.is_empty())
        };
        (!certificates.is_empty() && certificates.iter().all(whole)).then_some(certificates)
    });
    match parsed {
        Some(certificates) => {
            Some(CaFile { path: PathBuf::from(found.text().unwrap_or_default()), certificates })
        }
        None => {
            reader.wrong(
                found,
                "names a file that is not a list of X.509 certificates in PEM format",
            );
            None
        }
    }
}

// === impl Proxy ===

impl Proxy {
    /// The proxy's address without credentials, for logs.
    #[must_use]
    pub fn address(&self) -> &Url {
        &self.address
    }

    /// The whole address, which may hold credentials, for the HTTP client.
    #[must_use]
    pub fn url(&self) -> &SecretString {
        &self.url
    }

    fn has_credentials(&self) -> bool {
        self.url.expose_secret() != self.address.as_str()
    }
}

/// The address with `<redacted>` in place of credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.as_str().trim_end_matches('/');
        match address.split_once("://") {
            Some((scheme, host)) if self.has_credentials() => {
                write!(f, "{scheme}://{REDACTED}@{host}")
            }
            _ => f.write_str(address),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_credentials_are_kept_but_not_shown() {
        let with = proxy("http://me:s3cret@proxy.local:3128").unwrap();
        assert_eq!(with.url().expose_secret(), "http://me:s3cret@proxy.local:3128/");
        assert_eq!(with.address().as_str(), "http://proxy.local:3128/");
        assert_eq!(format!("{with:?}"), "Proxy(http://<redacted>@proxy.local:3128)");
        assert_eq!(
            proxy("http://proxy.local:3128").unwrap().to_string(),
            "http://proxy.local:3128"
        );
    }

    #[test]
    fn odd_proxies_and_exceptions_are_refused() {
        for text in ["proxy:3128", "socks5://x", "http://x/path", "http://x?y"] {
            assert!(proxy(text).is_err(), "{text}");
        }
        for text in ["", "a b", "a,b", "http://x"] {
            assert!(no_proxy_entry(text).is_err(), "{text}");
        }
    }
}
