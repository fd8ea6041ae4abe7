//! A policy file: [`Policy`].

use std::sync::Arc;

use toml::de::DeTable;

use crate::configuration::{self, ConfigurationRule};
use crate::files::{self, FilesRule};
use crate::given::{self, GivenLimits};
use crate::http::HttpRule;
use crate::mistake::{Mistakes, Source};
use crate::reader::{Complaint, Reader, Section};
use crate::run_document::{self, RunDocumentRule};
use crate::secrets::{RevealRule, SecretUseRule, Secrets};
use crate::terraform::TerraformRule;

/// Longest policy file. Attack: none; it bounds what reading can cost.
const MAX_BYTES: usize = 256 * 1024;

const KEYS: &[&str] = &[
    "configuration",
    "description",
    "files",
    "http",
    "limits",
    "run_document",
    "secrets",
    "terraform",
];

/// Sections of the grammar that this version knows but can't enforce.
const LATER: &[&str] = &["identity"];

/// What a policy file grants, or what a ceiling allows at most. Immutable. Whatever it does not grant is denied.
#[derive(Clone, Debug)]
pub struct Policy {
    name: Arc<str>,
    file: Arc<str>,
    description: String,
    limits: Option<GivenLimits>,
    http: Vec<HttpRule>,
    files: Option<FilesRule>,
    run_documents: Vec<RunDocumentRule>,
    secrets: Secrets,
    configuration: Option<ConfigurationRule>,
    terraform: Option<TerraformRule>,
}

impl Policy {
    /// Reads a policy. `file` is its name as it is to be shown, such as its path; nothing is read from there.
    ///
    /// # Errors
    /// All mistakes at once. A section that the host can't enforce is one.
    pub fn parse(file: &str, text: &str) -> Result<Self, Mistakes> {
        let file: Arc<str> = file.into();
        let is_too_long = text.len() > MAX_BYTES;
        let text = if is_too_long { "" } else { text };
        let mut reader = Reader::new(Source::new(Arc::clone(&file), text));
        if is_too_long {
            let message = format!("a policy has at most {} KiB", MAX_BYTES / 1024);
            reader.note(0..0, Complaint::new(message));
            return reader.finish(Self::nothing(file));
        }
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let end = text.len()..text.len();
            reader.note(error.span().unwrap_or(end), Complaint::new(error.message()));
        }
        // After any other mistake of syntax, what is missing or unknown is guesswork.
        if errors.iter().any(|error| error.message() != "duplicate key") {
            return reader.finish(Self::nothing(file));
        }
        let policy = Self::read(&mut reader, &Section::root(document.get_ref()), file);
        reader.finish(policy)
    }

    fn read(reader: &mut Reader<'_>, root: &Section<'_>, file: Arc<str>) -> Self {
        let mut known = KEYS.to_vec();
        known.extend(LATER);
        reader.know(root, &known);
        for (key, span, _) in root.entries().filter(|(key, ..)| LATER.contains(key)) {
            let message = format!("this version can't enforce `{key}` yet");
            reader.note(span, Complaint::new(message).with_hint("remove the section"));
        }
        let description = reader.required_text(root, "description").unwrap_or_default();
        let http = HttpRule::read_all(reader, root);
        Self {
            description,
            limits: given::read(reader, root, !http.is_empty()),
            http,
            files: files::read(reader, root),
            run_documents: run_document::read(reader, root),
            secrets: Secrets::read(reader, root),
            configuration: configuration::read(reader, root),
            terraform: TerraformRule::read(reader, root),
            ..Self::nothing(file)
        }
    }

    fn nothing(file: Arc<str>) -> Self {
        let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
        let name = name.strip_suffix(".toml").filter(|stem| !stem.is_empty()).unwrap_or(name);
        Self {
            name: name.into(),
            file,
            description: String::new(),
            limits: None,
            http: Vec::new(),
            files: None,
            run_documents: Vec::new(),
            secrets: Secrets::default(),
            configuration: None,
            terraform: None,
        }
    }

    /// The policy that grants nothing.
    #[must_use]
    pub fn deny_all() -> Self {
        let description = "Nothing beyond computing.".to_owned();
        Self { description, ..Self::nothing("deny-all.toml".into()) }
    }

    /// The file's name without folders and `.toml`.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The file as it was given.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// What the policy is for.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The limits that the file gives.
    #[must_use]
    pub fn limits(&self) -> Option<&GivenLimits> {
        self.limits.as_ref()
    }

    /// Where requests may go.
    #[must_use]
    pub fn http(&self) -> &[HttpRule] {
        &self.http
    }

    /// The files of the run's own directory.
    #[must_use]
    pub fn files(&self) -> Option<&FilesRule> {
        self.files.as_ref()
    }

    /// To whom the document of a run is given.
    #[must_use]
    pub fn run_documents(&self) -> &[RunDocumentRule] {
        &self.run_documents
    }

    /// Which secrets are revealed.
    #[must_use]
    pub fn reveals(&self) -> &[RevealRule] {
        &self.secrets.reveal
    }

    /// Which secrets are used.
    #[must_use]
    pub fn secret_uses(&self) -> &[SecretUseRule] {
        &self.secrets.uses
    }

    /// Values for the component.
    #[must_use]
    pub fn configuration(&self) -> Option<&ConfigurationRule> {
        self.configuration.as_ref()
    }

    /// How Terraform is run.
    #[must_use]
    pub fn terraform(&self) -> Option<&TerraformRule> {
        self.terraform.as_ref()
    }
}

#[cfg(test)]
mod tests;
