//! `[[http]]`: where requests may go: [`HttpRule`].

use std::sync::Arc;

use core::net::IpAddr;
use ipnet::IpNet;
use toml::de::DeValue;

use crate::address::{self, AddressClass};
use crate::host_pattern::{HostPattern, parse_private};
use crate::mistake::quoted;
use crate::ports::{self, PortRange};
use crate::position::Position;
use crate::reader::{Complaint, Distinct, Reader, Section};
use crate::target::{Host, Scheme, Target};

const TITLE: &str = "[[http]]";
const KEYS: &[&str] =
    &["ca_file", "client_certificate", "headers", "hosts", "ports", "private", "reason", "schemes"];

/// Headers that the host sets or removes itself. Setting them by policy would smuggle requests, or do nothing.
const HOST_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Which rule of which policy; for what the host keeps per rule, such as its CAs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    file: Arc<str>,
    index: usize,
}

/// One `[[http]]`: requests to these places are granted.
#[derive(Clone, Debug)]
pub struct HttpRule {
    id: RuleId,
    position: Position,
    reason: String,
    hosts: Vec<HostPattern>,
    /// What of `hosts` is for IP literals: their CIDR grant.
    literals: Vec<IpNet>,
    schemes: Vec<Scheme>,
    ports: Vec<PortRange>,
    private: Vec<IpNet>,
    ca_file: Option<String>,
    client_certificate: Option<(String, String)>,
    headers: Vec<SecretHeader>,
}

/// A header that the host sets on requests, made of a secret that the component need not see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretHeader {
    /// The header's name, as written.
    pub name: String,
    /// The key of the run's secret.
    pub secret: String,
    /// What stands before the secret, such as `Bearer `.
    pub prefix: String,
}

impl HttpRule {
    /// Which rule this is.
    #[must_use]
    pub fn id(&self) -> &RuleId {
        &self.id
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Why it is granted.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// To which hosts.
    #[must_use]
    pub fn hosts(&self) -> &[HostPattern] {
        &self.hosts
    }

    /// By which schemes.
    #[must_use]
    pub fn schemes(&self) -> &[Scheme] {
        &self.schemes
    }

    /// To which ports; empty: to the scheme's own.
    #[must_use]
    pub fn ports(&self) -> &[PortRange] {
        &self.ports
    }

    /// Into which ranges that are not public the names may resolve.
    #[must_use]
    pub fn private(&self) -> &[IpNet] {
        &self.private
    }

    /// The file with further CAs, relative to the policy's.
    #[must_use]
    pub fn ca_file(&self) -> Option<&str> {
        self.ca_file.as_deref()
    }

    /// The files with the certificate and its key, relative to the policy's.
    #[must_use]
    pub fn client_certificate(&self) -> Option<(&str, &str)> {
        self.client_certificate.as_ref().map(|(certificate, key)| (&**certificate, &**key))
    }

    /// Headers that the host sets.
    #[must_use]
    pub fn headers(&self) -> &[SecretHeader] {
        &self.headers
    }

    /// Whether requests to `target` are granted.
    pub(crate) fn grants(&self, target: &Target) -> bool {
        // SECURITY: http::scheme_host_and_port_must_all_be_granted
        self.schemes.contains(&target.scheme())
            && self.ports_for(target.scheme()).any(|ports| ports.contains(target.port()))
            && self.hosts.iter().any(|host| host.matches(target.host()))
    }

    /// Whether a connection for `host`, which the rule grants, may be made to `address`.
    pub(crate) fn vet(&self, host: &Host, address: IpAddr) -> Result<(), AddressClass> {
        match host {
            // A literal is no name: nothing resolves it to another address.
            Host::Ip(literal) if ![*literal, address::canonical(*literal)].contains(&address) => {
                Err(AddressClass::Never)
            }
            Host::Ip(_) => address::vet(address, &self.literals),
            Host::Name(_) => address::vet(address, &self.private),
        }
    }

    /// The ports that are granted with `scheme`.
    pub(crate) fn ports_for(&self, scheme: Scheme) -> impl Iterator<Item = PortRange> {
        let own = self.ports.is_empty().then(|| PortRange::from(scheme.default_port()));
        self.ports.iter().copied().chain(own)
    }

    pub(crate) fn read_all(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<Self> {
        let sections = reader.sections(root, "http", TITLE);
        let rules = sections.iter().enumerate();
        rules.map(|(index, section)| Self::read(reader, section, index)).collect()
    }

    fn read(reader: &mut Reader<'_>, section: &Section<'_>, index: usize) -> Self {
        reader.know(section, KEYS);
        let position = reader.position(section);
        let hosts = reader.required(section, "hosts", HostPattern::parse);
        let literals = hosts.iter().filter_map(|host| match host {
            HostPattern::Net(net) => Some(*net),
            HostPattern::Any | HostPattern::Name(_) | HostPattern::Under(_) => None,
        });
        let mut schemes = reader.parsed(section, "schemes", parse_scheme);
        if section.value("schemes").is_none() {
            schemes.push(Scheme::Https);
        }
        if let Some(private) = section.value("private")
            && !hosts.is_empty()
            && hosts.iter().all(|host| matches!(host, HostPattern::Net(_)))
        {
            let message = "`private` does nothing without names in `hosts`";
            reader.note(private.span(), Complaint::new(message));
        }
        let is_plain = !schemes.is_empty() && !schemes.contains(&Scheme::Https);
        for key in ["ca_file", "client_certificate"] {
            if let Some(value) = section.value(key).filter(|_| is_plain) {
                let message = format!("`{key}` does nothing without `https` in `schemes`");
                reader.note(value.span(), Complaint::new(message));
            }
        }
        Self {
            id: RuleId { file: Arc::clone(&position.file), index },
            position,
            reason: reader.required_text(section, "reason").unwrap_or_default(),
            literals: literals.collect(),
            hosts,
            schemes,
            ports: ports::read(reader, section),
            private: reader.parsed(section, "private", parse_private),
            ca_file: reader.text(section, "ca_file").map(|text| text.into_inner().to_owned()),
            client_certificate: read_client_certificate(reader, section),
            headers: read_headers(reader, section),
        }
    }
}

fn parse_scheme(text: &str) -> Result<Scheme, Complaint> {
    match text {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        _ => Err(Complaint::new(format!("{} is not `http` or `https`", quoted(text)))),
    }
}

pub(crate) fn read_client_certificate(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
) -> Option<(String, String)> {
    const TITLE: &str = "client_certificate = { certificate_file = …, key_file = … }";
    let files = reader.section(section, "client_certificate", TITLE)?;
    let files = files.titled("`client_certificate`");
    reader.know(&files, &["certificate_file", "key_file"]);
    let certificate = reader.required_text(&files, "certificate_file");
    let key = reader.required_text(&files, "key_file");
    certificate.zip(key)
}

fn read_headers(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<SecretHeader> {
    const TITLE: &str = "headers = [{ name = …, secret = … }]";
    let mut headers = Vec::new();
    let mut names = Distinct::default();
    for header in reader.sections(section, "headers", TITLE) {
        let header = header.titled("a header");
        reader.know(&header, &["name", "prefix", "secret"]);
        let secret = reader.required_text(&header, "secret");
        let prefix = read_prefix(reader, &header);
        let Some(name) = reader.required_text(&header, "name") else { continue };
        let span = header.value("name").map_or_else(|| header.span(), |value| value.span());
        if reader.check(span.clone(), check_header(&name)).is_some() {
            names.add(reader, span, "headers", name.to_ascii_lowercase());
        }
        headers.push(SecretHeader { name, prefix, secret: secret.unwrap_or_default() });
    }
    headers
}

/// May hold blanks and may be empty, so it is not read as other texts are.
fn read_prefix(reader: &mut Reader<'_>, header: &Section<'_>) -> String {
    let Some(value) = header.value("prefix") else { return String::new() };
    let DeValue::String(text) = value.get_ref() else {
        reader.text_of(value, "prefix");
        return String::new();
    };
    // SECURITY: http::a_header_can_not_carry_another
    if text.is_empty() || !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        let message = "`prefix` must be printable ASCII, such as `Bearer `";
        reader.note(value.span(), Complaint::new(message));
    }
    text.to_string()
}

/// A token of RFC 9110 that is not the host's own.
fn check_header(name: &str) -> Result<(), Complaint> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !name.bytes().all(is_token) {
        return Err(Complaint::new(format!("{} is not a header name", quoted(name))));
    }
    if HOST_HEADERS.contains(&&*name.to_ascii_lowercase()) {
        return Err(Complaint::new(format!("{} is set by the host alone", quoted(name))));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
