//! What runs have done and left.

use super::{AllTypes, Block, Kind, secret};
use crate::{Leak, Processes};
use anyhow::Result;
use blockhouse_emulator::RunView;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// What is still there, in words. Nothing of it may be once all runs are over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// Processes that work for runs.
    pub processes: Vec<String>,
    /// Entries of the state directory that belong to single runs.
    pub files: Vec<String>,
    /// Locks of states whose runs have ended.
    pub locks: Vec<String>,
    /// Secrets in clear where none may be.
    pub leaks: Vec<String>,
}

impl Remains {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl AllTypes {
    /// What is still there of runs. `daemon` is the one that lives.
    ///
    /// # Errors
    /// If the system can't be asked.
    pub fn remains(&self, daemon: u32) -> Result<Remains> {
        let processes = Processes::now()?;
        let processes = processes.of(daemon, &self.state());
        let processes = processes.iter().map(|seen| format!("{:?}", seen.command));
        let mut files = Vec::new();
        for folder in ["runs", "quarantine", "kept", "locks"] {
            let entries = fs::read_dir(self.state().join(folder)).into_iter().flatten().flatten();
            files.extend(entries.map(|entry| entry.path().display().to_string()));
        }
        let locks = self.emulator.locks_orphaned();
        Ok(Remains {
            processes: processes.collect(),
            files,
            locks: locks
                .iter()
                .map(|lock| format!("{}: {}", lock.address.block, lock.info))
                .collect(),
            leaks: self.leaks()?,
        })
    }

    /// Kills all that works for runs, as when the machine is gone, and waits until it is. No daemon may live.
    ///
    /// # Errors
    /// If the system can't be asked.
    pub async fn kill_all(&self) -> Result<()> {
        loop {
            let processes = Processes::now()?;
            let left = processes.of(0, &self.state());
            if left.is_empty() {
                return Ok(());
            }
            for seen in left {
                // It may have ended since.
                let _ = seen.kill();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Secrets in clear, at any moment: nowhere in the state directory, in the log or in arguments of processes, but for where
    /// `host/docs/terraform.md` says that Terraform itself needs them while a run lasts.
    ///
    /// # Errors
    /// If the files can't be read.
    pub fn leaks(&self) -> Result<Vec<String>> {
        let state = self.state();
        // By what they are and not by what is there now: runs come while this looks. What is of components is large, and made of what is
        // public.
        let is_open = |path: &Path, is_of_token: bool| {
            let below = path.strip_prefix(&state).unwrap_or(path);
            let parts: Vec<_> = below.iter().filter_map(|part| part.to_str()).collect();
            match parts.as_slice() {
                ["components"] | ["runs", _, "plan" | "secrets"] => true,
                // `errored.tfstate`: where Terraform can't write its state; it is sealed elsewhere then, and this one goes with the run.
                [
                    "runs",
                    _,
                    "work",
                    "aaaaaa_meshstack-inputs.auto.tfvars.json" | "errored.tfstate",
                ] => true,
                ["runs", _, "operations", operation, "stdout"] => operation.ends_with("-outputs"),
                // Any of these, on its way out.
                ["runs", _, moved, ..] if is_being_removed(moved) => true,
                // The configurations have their tokens in them, and so has what Terraform notes of its backend.
                ["git"] | ["runs", _, "work" | "data"] => is_of_token,
                _ => false,
            }
        };
        let mut leaks = self.secrets.in_directory(&state, |path| is_open(path, false))?;
        leaks.extend(self.tokens.in_directory(&state, |path| is_open(path, true))?);
        let log = self.log();
        for all in [&self.secrets, &self.tokens] {
            leaks.extend(all.in_bytes("the log", log.as_bytes()));
            leaks.extend(all.in_arguments()?);
        }
        Ok(leaks.iter().map(in_words).collect())
    }

    /// Secrets in what was told about a run.
    #[must_use]
    pub fn leaks_in(&self, run: &RunView) -> Vec<String> {
        let found = [&self.secrets, &self.tokens].into_iter().flat_map(|all| all.in_run(run));
        found.map(|leak| in_words(&leak)).collect()
    }

    /// How often a run of this type has done what it does elsewhere.
    #[must_use]
    pub fn effects(&self, kind: Kind, id: &Uuid) -> usize {
        let name = id.to_string();
        match kind {
            Kind::Azure => {
                let runs = self.azure.runs();
                runs.iter().filter(|run| run.parameters.get("run") == Some(&name)).count()
            }
            Kind::Github => {
                let documents = self.github.runs().into_iter().filter_map(|run| {
                    let text = run.inputs.get("buildingBlockRun")?.as_str()?.as_bytes().to_vec();
                    serde_json::from_slice(&data_encoding::BASE64.decode(&text).ok()?).ok()
                });
                documents.filter(|document| is_of(document, id)).count()
            }
            Kind::Gitlab => {
                let documents = self.gitlab.pipelines().into_iter().filter_map(|pipeline| {
                    serde_json::from_str(pipeline.variables.get("MESHSTACK_RUN")?).ok()
                });
                documents.filter(|document| is_of(document, id)).count()
            }
            // Terraform's are seen at the gate, the others have none.
            Kind::Files | Kind::Manual | Kind::Terraform => 0,
        }
    }

    /// How often the resource of a block was made, and how often unmade.
    #[must_use]
    pub fn resources(&self, block: &Block) -> (usize, usize) {
        let passed = self.gate.passed();
        let times = |what: &str| {
            let name = format!("{what}-{}", block.number);
            passed.iter().filter(|visitor| **visitor == name).count()
        };
        (times("made"), times("unmade"))
    }

    /// What is wrong with the outputs of a run that has succeeded.
    #[must_use]
    pub fn wrong_outputs(&self, kind: Kind, run: &RunView, size: u32) -> Vec<String> {
        let (number, text) = match kind {
            Kind::Manual => ("size", "password"),
            Kind::Terraform => ("size_again", "password_again"),
            Kind::Azure | Kind::Files | Kind::Github | Kind::Gitlab => return Vec::new(),
        };
        let mut wrong = Vec::new();
        for (name, value, is_sensitive) in
            [(number, json!(size), false), (text, json!(secret(size)), true)]
        {
            let output = run.output(name);
            if !output
                .is_some_and(|output| output.value == value && output.is_sensitive == is_sensitive)
            {
                let is_there = if output.is_some() { "is another one" } else { "is missing" };
                wrong.push(format!("the output `{name}` {is_there}"));
            }
        }
        wrong
    }

    /// What is wrong with the state of a block after a run that has succeeded, an apply of this size or a destroy.
    #[must_use]
    pub fn wrong_state(&self, block: &Block, applied: Option<u32>) -> Vec<String> {
        let state = self.emulator.terraform_state(&block.state).unwrap_or_default();
        let mut wrong = Vec::new();
        let resources: Vec<_> = state.resources().into_iter().collect();
        let expected: &[&str] = if applied.is_some() { &["terraform_data.one"] } else { &[] };
        if resources != expected {
            wrong.push(format!("the state has {resources:?} and not {expected:?}"));
        }
        let json = state.json();
        if let Some(size) = applied {
            let outputs = [("size_again", json!(size)), ("password_again", json!(secret(size)))];
            for (name, value) in outputs {
                if json.pointer(&format!("/outputs/{name}/value")) != Some(&value) {
                    wrong.push(format!("the state has another output `{name}` than the run"));
                }
            }
        }
        wrong
    }
}

/// Whether a document is that of this run.
fn is_of(document: &Value, id: &Uuid) -> bool {
    document.pointer("/metadata/uuid") == Some(&json!(id))
}

fn in_words(leak: &Leak) -> String {
    format!("{} in {}", leak.secret, leak.place)
}

/// Whether a directory has the name that a run directory's removal gives to what it has found further down.
fn is_being_removed(name: &str) -> bool {
    let parts = name.rsplit_once('-');
    parts
        .is_some_and(|(mark, number)| mark.parse::<Uuid>().is_ok() && number.parse::<u64>().is_ok())
}
