//! `[[terraform.git]]`: how we say who we are to git servers: [`GitRule`].

use crate::host_pattern::HostPattern;
use crate::http::read_client_certificate;
use crate::mistake::quoted;
use crate::position::Position;
use crate::reader::{Complaint, Reader, Section};
use crate::target::{Host, parse_port, split_port};
use std::fmt;

const TITLE: &str = "[[terraform.git]]";
const KEYS: &[&str] = &["ca_file", "client_certificate", "hosts", "reason", "token_file", "user"];
const HTTPS: u16 = 443;

/// One `[[terraform.git]]`. For repositories by https only: keys for ssh come with the run.
#[derive(Clone, Debug)]
pub struct GitRule {
    /// Where it stands.
    pub position: Position,
    /// Why.
    pub reason: String,
    /// For which servers.
    pub hosts: Vec<GitHost>,
    /// The user beside the token.
    pub user: Option<String>,
    /// File with a token, relative to the policy's.
    pub token_file: Option<String>,
    /// Files with certificate and key, relative to the policy's.
    pub client_certificate: Option<(String, String)>,
    /// File with further CAs, relative to the policy's.
    pub ca_file: Option<String>,
}

/// An entry of `hosts`, such as `git.acme.example` or `git.acme.example:8443`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitHost {
    host: HostPattern,
    port: u16,
}

impl GitHost {
    fn parse(text: &str) -> Result<Self, Complaint> {
        let wrong = || Complaint::new(format!("{} has a port that is none", quoted(text)));
        if text.contains('/') || text.contains('@') {
            let message = format!("{} is not a host", quoted(text));
            return Err(Complaint::new(message)
                .with_hint("write `git.acme.example` or `git.acme.example:8443`"));
        }
        let (host, port) = split_port(text).map_err(|_| wrong())?;
        let port = port.map(parse_port).transpose().map_err(|_| wrong())?;
        Ok(Self { host: HostPattern::parse(host)?, port: port.unwrap_or(HTTPS) })
    }
}

impl fmt::Display for GitHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if *port == HTTPS { host.fmt(f) } else { write!(f, "{host}:{port}") }
    }
}

impl GitRule {
    /// Whether this is for the server at `host` and `port`.
    pub(super) fn is_for(&self, host: &Host, port: u16) -> bool {
        self.hosts.iter().any(|wanted| wanted.port == port && wanted.host.matches(host))
    }

    pub(super) fn read_all(reader: &mut Reader<'_>, terraform: &Section<'_>) -> Vec<Self> {
        let sections = reader.sections(terraform, "git", TITLE);
        sections.iter().map(|section| Self::read(reader, section)).collect()
    }

    fn read(reader: &mut Reader<'_>, section: &Section<'_>) -> Self {
        reader.know(section, KEYS);
        let has = |key| section.value(key).is_some();
        if !has("ca_file") && !has("client_certificate") && !has("token_file") {
            let message =
                format!("{TITLE} must say `token_file`, `client_certificate` or `ca_file`");
            reader.note(section.span(), Complaint::new(message));
        }
        if let Some(value) = section.value("user").filter(|_| !has("token_file")) {
            let message = "`user` does nothing without `token_file`";
            reader.note(value.span(), Complaint::new(message));
        }
        let is_secret = has("client_certificate") || has("token_file");
        let hosts = reader.required(section, "hosts", |text| {
            let host = GitHost::parse(text)?;
            // SECURITY: terraform::credentials_for_every_host_are_a_mistake
            if is_secret && host.host == HostPattern::Any {
                let message = "`*` would send the credentials to whatever host a definition names";
                return Err(Complaint::new(message).with_hint("name the hosts"));
            }
            Ok(host)
        });
        let mut text = |key| reader.text(section, key).map(|text| text.into_inner().to_owned());
        let (user, token_file, ca_file) = (text("user"), text("token_file"), text("ca_file"));
        if let (Some(user), Some(value)) = (&user, section.value("user"))
            && user.contains([':', '\n'])
        {
            let message = "`user` must not have a colon or a line break";
            reader.note(value.span(), Complaint::new(message));
        }
        Self {
            position: reader.position(section),
            reason: reader.required_text(section, "reason").unwrap_or_default(),
            hosts,
            user,
            token_file,
            client_certificate: read_client_certificate(reader, section),
            ca_file,
        }
    }
}
