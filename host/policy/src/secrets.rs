//! `[[secrets.reveal]]` and `[[secrets.use]]`: what becomes of the run's secrets.

use crate::host_pattern::HostPattern;
use crate::mistake::quoted;
use crate::pattern::Pattern;
use crate::position::Position;
use crate::reader::{Complaint, Reader, Section};
use crate::target::Host;

const REVEAL: &str = "[[secrets.reveal]]";
const USE: &str = "[[secrets.use]]";

/// One `[[secrets.reveal]]`: the component sees the plain text of these secrets.
#[derive(Clone, Debug)]
pub struct RevealRule {
    /// Where it stands.
    pub position: Position,
    /// Why.
    pub reason: String,
    /// Whole keys: patterns would reveal more as definitions grow.
    pub keys: Vec<String>,
}

/// One `[[secrets.use]]`: the host uses these secrets for the component, which does not see them.
#[derive(Clone, Debug)]
pub struct SecretUseRule {
    /// Where it stands.
    pub position: Position,
    /// Why.
    pub reason: String,
    /// Patterns of keys.
    pub keys: Vec<Pattern>,
    /// For what.
    pub uses: Vec<SecretUse>,
    /// To which hosts the secret goes with [`SecretUse::Http`], and what was signed with it with [`SecretUse::Jwt`].
    pub hosts: Vec<HostPattern>,
}

/// What a secret is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretUse {
    /// In headers and bodies of requests.
    Http,
    /// To sign JSON Web Tokens with. They go into requests, the secret itself does not.
    Jwt,
    /// As the value of a sensitive output.
    Outputs,
    /// In variables, files and the environment of Terraform.
    Terraform,
}

/// The section `secrets`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    pub(crate) reveal: Vec<RevealRule>,
    pub(crate) uses: Vec<SecretUseRule>,
}

impl SecretUse {
    /// As in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Jwt => "jwt",
            Self::Outputs => "outputs",
            Self::Terraform => "terraform",
        }
    }
}

impl SecretUseRule {
    /// Whether the secret `key` may be used for this.
    pub(crate) fn grants(&self, key: &str, used: SecretUse) -> bool {
        self.uses.contains(&used) && self.keys.iter().any(|pattern| pattern.matches(key))
    }

    /// Whether the secret `key`, or what comes of it, may go to this host for this use.
    pub(crate) fn grants_to(&self, key: &str, used: SecretUse, host: &Host) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(host)) && self.grants(key, used)
    }
}

impl Secrets {
    pub(crate) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Self {
        let Some(section) = reader.section(root, "secrets", "[[secrets.reveal]]") else {
            return Self::default();
        };
        let section = section.titled("`secrets`");
        reader.know(&section, &["reveal", "use"]);
        if section.value("reveal").or_else(|| section.value("use")).is_none()
            && section.entries().next().is_none()
        {
            reader.note(section.span(), Complaint::new("`secrets` grants nothing"));
        }
        let reveal = reader.sections(&section, "reveal", REVEAL);
        let reveal = reveal.iter().map(|rule| read_reveal(reader, rule)).collect();
        let uses = reader.sections(&section, "use", USE);
        let uses = uses.iter().map(|rule| read_use(reader, rule)).collect();
        Self { reveal, uses }
    }
}

fn read_reveal(reader: &mut Reader<'_>, section: &Section<'_>) -> RevealRule {
    reader.know(section, &["keys", "reason"]);
    let keys = reader.required(section, "keys", |text| {
        if text.contains('*') {
            let message = format!("{} is a pattern, not a key", quoted(text));
            let hint = "name each key; a pattern would reveal more as definitions grow";
            return Err(Complaint::new(message).with_hint(hint));
        }
        Ok(text.to_owned())
    });
    RevealRule {
        position: reader.position(section),
        reason: reader.required_text(section, "reason").unwrap_or_default(),
        keys,
    }
}

fn read_use(reader: &mut Reader<'_>, section: &Section<'_>) -> SecretUseRule {
    reader.know(section, &["hosts", "in", "keys", "reason"]);
    let uses = reader.required(section, "in", |text| match text {
        "http" => Ok(SecretUse::Http),
        "jwt" => Ok(SecretUse::Jwt),
        "outputs" => Ok(SecretUse::Outputs),
        "terraform" => Ok(SecretUse::Terraform),
        _ => {
            let message =
                format!("{} is not `http`, `jwt`, `outputs` or `terraform`", quoted(text));
            Err(Complaint::new(message))
        }
    });
    let with_hosts = uses.iter().find(|used| matches!(used, SecretUse::Http | SecretUse::Jwt));
    match (section.value("hosts"), with_hosts) {
        (Some(value), None) if !uses.is_empty() => {
            let message = "`hosts` does nothing without `http` or `jwt` in `in`";
            reader.note(value.span(), Complaint::new(message));
        }
        (None, Some(used)) => {
            let used = used.as_str();
            let message = format!("{USE} must say `hosts` when `in` has `{used}`");
            reader.note(section.span(), Complaint::new(message));
        }
        _ => {}
    }
    SecretUseRule {
        position: reader.position(section),
        reason: reader.required_text(section, "reason").unwrap_or_default(),
        keys: reader
            .required(section, "keys", |text| Ok(text.to_owned()))
            .into_iter()
            .map(Pattern::new)
            .collect(),
        hosts: reader.parsed(section, "hosts", HostPattern::parse),
        uses,
    }
}
