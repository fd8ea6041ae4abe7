//! Looks for secrets where none may be: [`Leaks`].

use anyhow::{Context as _, Result};
use blockhouse::redact::Redactor;
use blockhouse_emulator::{Emulator, Route, RunView};
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

/// Secrets that are looked for: as they are, byte by byte, and in every form that the redactor knows.
pub struct Leaks {
    secrets: Vec<(String, SecretString)>,
    redactor: Redactor,
}

/// A place where a secret was found. Names it; never shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// The name of the secret.
    pub secret: String,
    /// Where it was.
    pub place: String,
}

impl Leaks {
    /// For these secrets: a name, and what must not be found. Shorter ones than the redactor looks for are an error, since nothing
    /// would find their forms.
    ///
    /// # Errors
    /// If a secret is too short to be looked for.
    pub fn of<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let named = |(name, secret): (&str, &str)| (name.to_owned(), SecretString::from(secret));
        let secrets: Vec<_> = secrets.into_iter().map(named).collect();
        let pairs = secrets.iter().map(|(name, secret)| (name.as_str(), secret));
        let (redactor, _) = Redactor::new(pairs)?;
        for (name, secret) in &secrets {
            let finds = redactor.finds(secret.expose_secret());
            anyhow::ensure!(finds, "the secret `{name}` is too short to be looked for");
        }
        Ok(Self { secrets, redactor })
    }

    /// In bytes.
    #[must_use]
    pub fn in_bytes(&self, place: &str, bytes: &[u8]) -> Vec<Leak> {
        let contains = |secret: &SecretString| {
            let secret = secret.expose_secret().as_bytes();
            bytes.windows(secret.len()).any(|window| window == secret)
        };
        let raw = self.secrets.iter().filter(|(_, secret)| contains(secret));
        let leak = |secret: &str| Leak { secret: secret.to_owned(), place: place.to_owned() };
        let mut found: Vec<Leak> = raw.map(|(name, _)| leak(name)).collect();
        if found.is_empty() && self.redactor.finds(&String::from_utf8_lossy(bytes)) {
            found.push(leak("one of them, in another form"));
        }
        found
    }

    /// In the names and contents of all files below a directory, links not followed, but for those in `except`, each with what is
    /// below. A directory that isn't there holds nothing.
    ///
    /// # Errors
    /// If a file can't be read.
    pub fn in_directory(
        &self,
        directory: &Path,
        except: impl Fn(&Path) -> bool,
    ) -> Result<Vec<Leak>> {
        let mut found = Vec::new();
        let mut open = vec![directory.to_owned()];
        while let Some(path) = open.pop() {
            if except(&path) {
                continue;
            }
            let place = path.display().to_string();
            found.extend(self.in_bytes(&place, place.as_bytes()));
            let kind = match fs::symlink_metadata(&path) {
                // Runs end while this looks.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.with_context(|| place.clone())?.file_type(),
            };
            let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
            if kind.is_dir() {
                let entries = match fs::read_dir(&path) {
                    Err(error) if is_gone(&error) => continue,
                    other => other.with_context(|| place.clone())?,
                };
                for entry in entries {
                    open.push(entry?.path());
                }
            } else if kind.is_file() {
                let content = match fs::read(&path) {
                    Err(error) if is_gone(&error) => continue,
                    other => other.with_context(|| place.clone())?,
                };
                found.extend(self.in_bytes(&place, &content));
            }
        }
        Ok(found)
    }

    /// In the arguments of all processes, which everybody on the machine can read.
    ///
    /// # Errors
    /// If there is no `/proc`.
    #[cfg(target_os = "linux")]
    pub fn in_arguments(&self) -> Result<Vec<Leak>> {
        let own = std::process::id();
        let processes = crate::Processes::now()?;
        let others = processes.all().iter().filter(|seen| seen.id != own);
        let leaks = others.flat_map(|seen| {
            let arguments = seen.command.join("\n");
            self.in_bytes(&format!("arguments of process {}", seen.id), arguments.as_bytes())
        });
        Ok(leaks.collect())
    }

    /// In what was told about a run: names, messages, summary. Outputs are not looked at: that is where sensitive ones belong.
    #[must_use]
    pub fn in_run(&self, run: &RunView) -> Vec<Leak> {
        let steps = run.steps.iter().flat_map(|step| {
            let texts = [step.user_message.as_deref(), step.system_message.as_deref()];
            let names = [Some(step.id.as_str()), Some(step.display_name.as_str())];
            let keys = step.outputs.keys().map(|key| Some(key.as_str()));
            texts.into_iter().chain(names).chain(keys).flatten()
        });
        let texts = steps.chain(run.summary.as_deref());
        texts.flat_map(|text| self.in_bytes(&format!("run {}", run.id), text.as_bytes())).collect()
    }

    /// In all that the emulator was ever sent, but for the headers that hold credentials, the bodies of states (which hold what
    /// they hold) and the values of outputs.
    #[must_use]
    pub fn in_traffic(&self, emulator: &Emulator) -> Vec<Leak> {
        let mut found = Vec::new();
        for request in emulator.requests() {
            let place = format!("{request:?}");
            found.extend(self.in_bytes(&place, request.path.as_bytes()));
            let headers = request.headers.iter().filter(|(name, _)| name != "authorization");
            for (_, value) in headers {
                found.extend(self.in_bytes(&place, value.as_bytes()));
            }
            let body = match request.route {
                // Where the runner's own credentials belong.
                Route::Login | Route::StateWrite => continue,
                Route::Update => without_values(request.json()).to_string().into_bytes(),
                _ => request.body.to_vec(),
            };
            found.extend(self.in_bytes(&place, &body));
        }
        found
    }
}

/// An update without the values of its outputs and its plan, which is a secret as a whole.
fn without_values(mut update: serde_json::Value) -> serde_json::Value {
    let steps = update.get_mut("steps").and_then(|steps| steps.as_array_mut());
    let outputs = steps.into_iter().flatten().filter_map(|step| step.get_mut("outputs"));
    for output in outputs.filter_map(|outputs| outputs.as_object_mut()).flatten() {
        output.1.as_object_mut().and_then(|output| output.remove("value"));
    }
    update.as_object_mut().and_then(|update| update.remove("artifact"));
    update
}

impl fmt::Debug for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.secrets.iter().map(|(name, _)| name)).finish()
    }
}
