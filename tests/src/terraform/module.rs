//! Builds configurations: [`Module`].

use super::LoopbackGate;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// A configuration as the files of a repository. Begins empty; what is added to it goes into `main.tf` unless said otherwise.
#[derive(Clone, Debug, Default)]
pub struct Module {
    files: BTreeMap<String, Vec<u8>>,
}

/// A text as an HCL string that means exactly it.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Not JSON's `\b` and `\f`, which HCL does not have.
            control if control.is_control() => {
                // Writing to a text can't fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted.replace("${", "$${").replace("%{", "%%{")
}

impl Module {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a file, in place of one of that name.
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }

    /// With more text in `main.tf`.
    #[must_use]
    pub fn hcl(mut self, text: &str) -> Self {
        let main = self.files.entry("main.tf".to_owned()).or_default();
        main.extend_from_slice(text.as_bytes());
        main.push(b'\n');
        self
    }

    /// In a folder of its repository (`repositoryPath`) instead of at its root.
    #[must_use]
    pub fn below(self, folder: &str) -> Self {
        let files = self.files.into_iter();
        Self { files: files.map(|(path, content)| (format!("{folder}/{path}"), content)).collect() }
    }

    /// With a variable, of this type (`string`) or of any, that is told again as the output `<name>_again`.
    #[must_use]
    pub fn echo(self, name: &str, kind: Option<&str>) -> Self {
        let kind = kind.map(|kind| format!("  type = {kind}\n")).unwrap_or_default();
        self.hcl(&format!(
            "variable \"{name}\" {{\n{kind}}}\noutput \"{name}_again\" {{\n  value = var.{name}\n}}"
        ))
    }

    /// The same for a variable and an output that are sensitive.
    #[must_use]
    pub fn echo_sensitive(self, name: &str, kind: Option<&str>) -> Self {
        let kind = kind.map(|kind| format!("  type = {kind}\n")).unwrap_or_default();
        self.hcl(&format!(
            "variable \"{name}\" {{\n{kind}  sensitive = true\n}}\n\
             output \"{name}_again\" {{\n  value = var.{name}\n  sensitive = true\n}}"
        ))
    }

    /// With an output of this expression.
    #[must_use]
    pub fn output(self, name: &str, expression: &str) -> Self {
        self.hcl(&format!("output \"{name}\" {{\n  value = {expression}\n}}"))
    }

    /// With the output `<file>_content`: what the configuration finds in a file of its directory.
    #[must_use]
    pub fn read_file(self, output: &str, file: &str) -> Self {
        let file = quoted(file);
        self.output(output, &format!("filebase64(\"${{path.root}}/${{{file}}}\")"))
    }

    /// With a resource that needs nothing, `terraform_data.<name>`.
    #[must_use]
    pub fn resource(self, name: &str) -> Self {
        let input = quoted(name);
        self.hcl(&format!("resource \"terraform_data\" \"{name}\" {{\n  input = {input}\n}}"))
    }

    /// With a resource that exists once this command (for bash) has succeeded, after the resources in `after`.
    #[must_use]
    pub fn resource_made_by(self, name: &str, command: &str, after: &[&str]) -> Self {
        self.resource_with(name, "create", command, after)
    }

    /// With a resource that is gone once this command (for bash) has succeeded.
    #[must_use]
    pub fn resource_unmade_by(self, name: &str, command: &str, after: &[&str]) -> Self {
        self.resource_with(name, "destroy", command, after)
    }

    fn resource_with(self, name: &str, when: &str, command: &str, after: &[&str]) -> Self {
        let after: Vec<_> = after.iter().map(|name| format!("terraform_data.{name}")).collect();
        let (after, command) = (after.join(", "), quoted(command));
        self.hcl(&format!(
            "resource \"terraform_data\" \"{name}\" {{\n  depends_on = [{after}]\n  \
             provisioner \"local-exec\" {{\n    when = {when}\n    \
             interpreter = [\"/bin/bash\", \"-c\"]\n    command = {command}\n  }}\n}}"
        ))
    }

    /// With a resource that exists once the gate has been passed under its name. Its command starts a program of its own, so that
    /// there is a grandchild to be swept.
    #[must_use]
    pub fn resource_at(self, name: &str, gate: &LoopbackGate, after: &[&str]) -> Self {
        let command = format!("/bin/bash -c {} ; exit $?", shell_quoted(&gate.command(name)));
        self.resource_made_by(name, &command, after)
    }

    /// With a resource whose destruction waits at the gate under its name.
    #[must_use]
    pub fn resource_destroyed_at(self, name: &str, gate: &LoopbackGate, after: &[&str]) -> Self {
        let command = format!("/bin/bash -c {} ; exit $?", shell_quoted(&gate.command(name)));
        self.resource_unmade_by(name, &command, after)
    }

    /// With a resource that can't be made: its command says so on its error stream and ends with this code.
    #[must_use]
    pub fn resource_that_fails(self, name: &str, code: u8, after: &[&str]) -> Self {
        self.resource_made_by(name, &format!("echo {name} fails >&2; exit {code}"), after)
    }

    /// Keeps its state at this address by itself (`backend "http"`), locks included, with these credentials in the file.
    #[must_use]
    pub fn own_http_backend(self, address: &str, user: &str, password: &str) -> Self {
        let (address, user, password) = (quoted(address), quoted(user), quoted(password));
        self.hcl(&format!(
            "terraform {{\n  backend \"http\" {{\n    address = {address}\n    lock_address = {address}\n    \
             unlock_address = {address}\n    username = {user}\n    password = {password}\n  }}\n}}"
        ))
    }

    /// Keeps its state beside itself, so that it has workspaces. They last as long as the run's directory.
    #[must_use]
    pub fn local_backend(self) -> Self {
        self.hcl("terraform {\n  backend \"local\" {}\n}")
    }

    /// With a workspace of the local backend that exists already, as if an earlier run had made it.
    #[must_use]
    pub fn existing_workspace(self, name: &str) -> Self {
        let state = r#"{"version":4,"terraform_version":"1.5.5","serial":1,"lineage":"x","outputs":{},"resources":[]}"#;
        self.file(format!("terraform.tfstate.d/{name}/terraform.tfstate"), state)
    }

    /// Needs the kit's provider from `source` (see [`crate::ProviderMirror`]) in these versions (`">= 1.0.0"`).
    #[must_use]
    pub fn provider(self, source: &str, versions: &str) -> Self {
        let (source, versions) = (quoted(source), quoted(versions));
        self.hcl(&format!(
            "terraform {{\n  required_providers {{\n    blockhousetest = {{\n      source = {source}\n      \
             version = {versions}\n    }}\n  }}\n}}"
        ))
    }

    /// Configures the kit's provider with these attributes: `gate`, `write`.
    #[must_use]
    pub fn provider_configured(self, attributes: &[(&str, &str)]) -> Self {
        let body = body(attributes);
        self.hcl(&format!("provider \"blockhousetest\" {{\n{body}}}"))
    }

    /// With a resource of the kit's provider with these attributes: `text` (required), `gate`, `write`.
    #[must_use]
    pub fn note(self, name: &str, attributes: &[(&str, &str)]) -> Self {
        let body = body(attributes);
        self.hcl(&format!("resource \"blockhousetest_note\" \"{name}\" {{\n{body}}}"))
    }

    /// Its files: paths with `/`, and contents.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, content)| (path.as_str(), content.as_slice()))
    }

    /// Writes it into a directory.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write_to(&self, directory: &Path) -> Result<()> {
        for (path, content) in self.files() {
            let path = directory.join(path);
            std::fs::create_dir_all(path.parent().context("a file without a folder")?)?;
            std::fs::write(path, content)?;
        }
        Ok(())
    }
}

fn body(attributes: &[(&str, &str)]) -> String {
    attributes.iter().fold(String::new(), |mut body, (name, value)| {
        // Writing to a text can't fail.
        let _ = writeln!(body, "  {name} = {}", quoted(value));
        body
    })
}

/// A text as one word of a shell.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
