//! What comes before the tool: sources, program, files, variables, plans.

use super::{Call, PlanError, Source, StateBackend, Workspace, write_for, write_record};
use crate::git::{
    Checkout, GitError, HttpsCredentials, Limits, Repository, RepositoryUrl, RevisionKind,
    Transport, Transports,
};
use crate::os;
use crate::telemetry::chain;
use crate::terraform::answer::{CheckoutError, OperationError, StateFate, ToolFailure};
use crate::terraform::command::{FETCHED_PLAN, OWN_PLAN, SEALED_PLAN};
use crate::terraform::files;
use crate::terraform::sealed::seal;
use crate::terraform::store::{Program, StoreError, Tool};
use blockhouse_policy::{GitCredentials, ReservedName};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// The directory below that of secrets with what ssh needs for modules.
const SSH: &str = "ssh";

/// Bytes of a file with a token.
const TOKEN_MAX: u64 = 64 << 10;

/// The longest text that is kept for the component.
const KEPT_MAX: usize = 1 << 20;

/// What is recorded of a checkout.
#[derive(Serialize, Deserialize)]
struct CheckedOut {
    commit: String,
    tree: String,
    kind: String,
    notes: Vec<String>,
    bytes: u64,
    files: u64,
}

/// What is recorded of an installation.
#[derive(Serialize, Deserialize)]
struct Installed {
    tool: String,
    version: String,
}

impl Workspace {
    /// Where the state of a configuration without a backend is kept.
    ///
    /// # Errors
    /// `Invalid` if meshStack keeps none for this run.
    pub fn state_address(&self) -> Result<String, OperationError> {
        let missing = || {
            let text = "meshStack keeps no state for this run, or has given no token for it; configure a backend".to_owned();
            OperationError::Invalid(text)
        };
        self.assignment.backend.as_ref().map(|state| state.address.to_string()).ok_or_else(missing)
    }

    pub(super) fn backend(&self) -> Option<&StateBackend> {
        self.assignment.backend.as_ref().filter(|_| self.has_meshstack_state)
    }

    /// Checks a repository out into `work`. Recorded.
    ///
    /// # Errors
    /// [`CheckoutError`].
    pub async fn checkout(&mut self, source: Source) -> Result<Checkout, CheckoutError> {
        let fault = |error: OperationError| CheckoutError::Fault(error.to_string());
        let key = source.private_key.as_ref().map(|key| key.expose_secret().as_bytes());
        let known = source.known_host.as_ref().map(|(host, kind, value)| {
            [host.as_str(), kind.as_str(), value.as_str()].join("\n").into_bytes()
        });
        let parts = [
            Some(source.url.as_bytes()),
            source.revision.as_deref().map(str::as_bytes),
            source.path.as_deref().map(str::as_bytes),
            key,
            known.as_deref(),
        ];
        let call: Call<CheckedOut> = self.begin("checkout", &parts).map_err(fault)?;
        // SECURITY: e2e::terraform::running::sources::the_key_of_a_source_that_needs_none_is_nowhere
        if RepositoryUrl::parse(&source.url, self.transports())?.transport() == Transport::Ssh {
            self.allow_modules_by_ssh(&source).await?;
        }
        if let Some(checkout) = call.answer.as_ref().and_then(CheckedOut::read) {
            self.tree = Some(checkout.tree.clone());
            return Ok(checkout);
        }
        if self.flight().stop().is_some() {
            return Err(CheckoutError::Aborted);
        }
        let checkout = self.fetch(source).await?;
        if let Some(user) = self.assignment.user {
            let work = self.assignment.paths.work.clone();
            let given = files::blocking(move || files::give_tree(&work, user)).await;
            given.map_err(|error| {
                CheckoutError::Fault(format!(
                    "failed to give the sources to the tenant's user: {error}"
                ))
            })?;
        }
        // Whoever finds the answer after a loss of power must find the sources: half of a configuration would unmake the other half.
        // SECURITY: e2e::crash_points::an_apply_whose_machine_loses_power_loses_no_state_and_leaves_no_lock
        let work = self.assignment.paths.work.clone();
        let synced = files::blocking(move || os::sync_trees(&[work])).await;
        synced.map_err(|error| {
            CheckoutError::Fault(format!("failed to write the sources to the disk: {error}"))
        })?;
        self.tree = Some(checkout.tree.clone());
        let answer = CheckedOut::of(&checkout);
        write_record(call, Some(answer)).await.map_err(fault)?;
        Ok(checkout)
    }

    /// What policy names beside https and ssh.
    fn transports(&self) -> Transports {
        let allows = |scheme| self.assignment.permit.allows_scheme(scheme);
        Transports { file: allows("file"), http: allows("http") }
    }

    async fn fetch(&self, source: Source) -> Result<Checkout, CheckoutError> {
        let url = RepositoryUrl::parse(&source.url, self.transports())?;
        // SECURITY: walls::sources::urls_that_are_options_or_commands_are_refused (policy is asked about the form that git gets)
        self.assignment.permit.repository(url.canonical()).map_err(CheckoutError::Denied)?;
        let credentials = self.assignment.permit.git_credentials(url.canonical());
        let https = match credentials {
            None => None,
            Some(credentials) => Some(self.credentials(credentials).await?),
        };
        let permit = self.assignment.permit.limits();
        let limits = Limits {
            timeout: permit.sources_time,
            bytes: self.shared.config.sources_max_bytes.min(permit.disk_bytes),
            files: self.shared.config.sources_max_files,
        };
        let Source { revision, path, private_key, known_host, .. } = source;
        let repository = Repository { url, revision, path, private_key, known_host, https };
        let (git, paths) = (self.shared.git.clone(), self.assignment.paths.clone());
        let flight = self.flight().clone();
        let job = async move {
            let work = paths.work.clone();
            let emptied = files::blocking(move || files::empty(&work)).await;
            emptied.map_err(|error| {
                CheckoutError::Fault(format!("failed to empty the working directory: {error}"))
            })?;
            let cancel = CancellationToken::new();
            let checkout =
                git.checkout(repository, &paths.work, &paths.secrets, limits, cancel.clone());
            tokio::pin!(checkout);
            let result = tokio::select! {
                result = &mut checkout => result,
                _ = flight.stopped() => {
                    cancel.cancel();
                    checkout.await
                }
            };
            Ok(result?)
        };
        self.flight().perform(&self.block, job, CheckoutError::Fault).await
    }

    /// How we say who we are; files are relative to the policy's.
    async fn credentials(
        &self,
        credentials: GitCredentials,
    ) -> Result<HttpsCredentials, CheckoutError> {
        // git reads some of the files, and elsewhere than we do.
        let directory = Path::new(".").join(&self.assignment.policy_directory);
        let directory = std::path::absolute(directory).map_err(|error| {
            CheckoutError::Fault(format!("failed to find the policy's directory: {error}"))
        })?;
        let GitCredentials { user, token_file, client_certificate, ca_file, .. } = credentials;
        let basic = match token_file {
            None => None,
            Some(file) => {
                let path = directory.join(file);
                let name = path.display().to_string();
                let read = files::blocking(move || {
                    let file = std::fs::File::open(&path)?;
                    files::read_from(&file, TOKEN_MAX).map(Zeroizing::new)
                });
                let token = read.await.map_err(|error| {
                    CheckoutError::Fault(format!("failed to read the token in `{name}`: {error}"))
                })?;
                let token = std::str::from_utf8(&token).map_err(|_| {
                    CheckoutError::Fault(format!("the token in `{name}` is not text"))
                })?;
                let user = user.unwrap_or_else(|| "git".to_owned());
                Some((user, SecretString::from(token.trim())))
            }
        };
        let client_certificate = client_certificate
            .map(|(certificate, key)| (directory.join(certificate), directory.join(key)));
        let ca_file = ca_file.map(|file| directory.join(file));
        Ok(HttpsCredentials { basic, client_certificate, ca_file })
    }

    /// Modules may come from the same server by ssh, too. The key stays until the run directory is removed.
    async fn allow_modules_by_ssh(&mut self, source: &Source) -> Result<(), CheckoutError> {
        if source.private_key.is_none() && source.known_host.is_none() {
            return Ok(());
        }
        let directory = self.assignment.paths.secrets.join(SSH);
        let (git, user) = (self.shared.git.clone(), self.assignment.user);
        let (key, known) = (source.private_key.clone(), source.known_host.clone());
        let written = tokio::task::spawn_blocking(move || {
            let fault = |error: io::Error| GitError::Fault(error.to_string());
            drop(os::create_private_directory(&directory).map_err(fault)?);
            let command = git.ssh_command(key.as_ref(), known.as_ref(), &directory)?;
            if let Some(user) = user {
                files::give_all(&directory, user).map_err(fault)?;
            }
            Ok::<_, GitError>(command)
        });
        let written = written.await.map_err(|error| CheckoutError::Fault(error.to_string()))??;
        self.ssh = Some(written.command);
        Ok(())
    }

    /// Chooses the program. To be called before the other verbs. Recorded; a resumed run gets the same version.
    ///
    /// # Errors
    /// `Denied`, `Invalid` if there is no such version, `Fault` if it can't be had.
    pub async fn install(&mut self, version: &str) -> Result<Program, OperationError> {
        let call: Call<Installed> = self.begin("install", &[Some(version.as_bytes())])?;
        let recorded = call.answer.as_ref().and_then(|installed| {
            let tools = [Tool::Terraform, Tool::Tofu];
            let tool = tools.into_iter().find(|tool| tool.name() == installed.tool)?;
            Some((tool, installed.version.clone()))
        });
        let (tool, version) = match recorded.clone() {
            Some(recorded) => recorded,
            None => self.shared.store.choose(version)?,
        };
        self.assignment.permit.version(tool.name(), &version).map_err(OperationError::Denied)?;
        let installing = self.shared.store.program(tool, &version);
        let program = if recorded.is_some() {
            // A resumed run has to come to what is still running, to interrupt it and to wait for it, whatever stops it.
            installing.await?
        } else {
            self.flight().may_begin("install")?;
            tokio::select! {
                program = installing => program?,
                _ = self.flight().stopped() => {
                    self.flight().may_begin("install")?;
                    return Err(OperationError::Fault("the installation was stopped".to_owned()));
                }
            }
        };
        if recorded.is_none() {
            let answer = Installed {
                tool: program.tool.name().to_owned(),
                version: program.version.clone(),
            };
            write_record(call, Some(answer)).await?;
        }
        self.program = Some(program.clone());
        Ok(program)
    }

    /// Writes a file into `work`, 0600, in one step. Recorded, since a script may have changed it afterwards: a resumed run does not
    /// write it again.
    ///
    /// # Errors
    /// `Invalid` if the name is not a plain one, `Fault` if the disk says no.
    pub async fn write_file(
        &mut self,
        name: &str,
        content: Zeroizing<Vec<u8>>,
    ) -> Result<(), OperationError> {
        if !files::is_plain_name(name) {
            let text = "a file must have a plain name: no folders, no devices, at most 255 bytes"
                .to_owned();
            return Err(OperationError::Invalid(text));
        }
        let call: Call<bool> =
            self.begin("write-file", &[Some(name.as_bytes()), Some(&content)])?;
        let replaced = |replaces: bool| {
            if replaces {
                self.context
                    .follower
                    .say(&format!("The file `{name}` of the sources was replaced."));
            }
        };
        if let Some(replaces) = call.answer {
            replaced(replaces);
            return Ok(());
        }
        let path = self.assignment.paths.work.join(name);
        let looked = path.clone();
        let found = files::blocking(move || match std::fs::symlink_metadata(looked) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        });
        let found = found.await.map_err(|error| OperationError::Fault(error.to_string()))?;
        if found.as_ref().is_some_and(std::fs::Metadata::is_dir) {
            return Err(OperationError::Invalid(format!("`{name}` is a folder of the sources")));
        }
        write_for(&self.assignment, &path, content).await?;
        replaced(found.is_some());
        write_record(call, Some(found.is_some())).await
    }

    /// Sets a variable for all later processes. Not recorded: a resumed run sets it again.
    ///
    /// # Errors
    /// `Denied` by policy, `Invalid` if there can't be such a variable or it is one of ours.
    pub fn set_environment(
        &mut self,
        name: &str,
        value: SecretString,
    ) -> Result<(), OperationError> {
        self.assignment.permit.environment(name).map_err(OperationError::Denied)?;
        self.is_bent |= ReservedName::of(name).is_some();
        self.environment.set(name, value).map_err(OperationError::Invalid)
    }

    /// Keeps a text for the component: the first one counts, whatever a resumed run says. Recorded.
    ///
    /// # Errors
    /// `Invalid` if the text is too long, `Fault`.
    pub async fn keep(&mut self, text: &str) -> Result<String, OperationError> {
        // SECURITY: e2e::terraform_workspace::a_resumed_run_is_answered_from_its_records_and_waits_for_what_is_running (the text itself is no part of the digest)
        let call: Call<String> = self.begin("keep", &[])?;
        if let Some(kept) = call.answer {
            return Ok(kept);
        }
        if text.len() > KEPT_MAX {
            return Err(OperationError::Invalid(format!(
                "a text to keep may have {KEPT_MAX} bytes"
            )));
        }
        write_record(call, Some(text.to_owned())).await?;
        Ok(text.to_owned())
    }

    /// Fetches the plan of the predecessor. Recorded.
    ///
    /// # Errors
    /// `Invalid` if this run has none, `Failed` if it is there no more.
    pub async fn fetch_plan(&mut self) -> Result<(), OperationError> {
        let Some(source) = self.assignment.plan.clone() else {
            return Err(OperationError::Invalid("this run has no plan to apply".to_owned()));
        };
        let call: Call<bool> = self.begin("fetch-plan", &[])?;
        if call.answer.is_some() {
            return Ok(());
        }
        self.flight().may_begin("fetch-plan")?;
        let plan = tokio::select! {
            plan = source.fetch() => plan,
            _ = self.flight().stopped() => {
                return self.flight().may_begin("fetch-plan");
            }
        };
        let plan = plan.map_err(|error| match error {
            PlanError::Fault(text) => OperationError::Fault(text),
            PlanError::Gone(diagnostics) => OperationError::Failed(ToolFailure {
                exit_code: None,
                diagnostics,
                state: StateFate::Untouched,
                message: None,
            }),
        })?;
        let path = self.assignment.paths.plan.join(FETCHED_PLAN);
        write_for(&self.assignment, &path, plan).await?;
        write_record(call, Some(true)).await
    }

    /// The plan of [`Workspace::plan`], to be published. From here on it is on the disk only as it was sealed, so that a resumed run can publish
    /// it again.
    ///
    /// # Errors
    /// `Invalid` if there is none, or it has more than `max_bytes`.
    pub async fn take_plan(
        &mut self,
        max_bytes: u64,
    ) -> Result<Zeroizing<Vec<u8>>, OperationError> {
        let [path, sealed] =
            [OWN_PLAN, SEALED_PLAN].map(|name| self.assignment.paths.plan.join(name));
        let key = self.shared.config.key.clone().zip(self.assignment.opener.clone());
        let taken = files::blocking(move || {
            let plan = files::read(&path, max_bytes)?.map(Zeroizing::new);
            let Some((key, open)) = key else { return Ok(plan) };
            let Some(plan) = plan else {
                if !sealed.try_exists()? {
                    return Ok(None);
                }
                let plan = open(&sealed).map_err(io::Error::other)?;
                let is_too_large = u64::try_from(plan.len()).unwrap_or(u64::MAX) > max_bytes;
                return if is_too_large {
                    Err(files::too_large(max_bytes))
                } else {
                    Ok(Some(plan))
                };
            };
            // SECURITY: e2e::terraform_workspace::a_plan_that_was_taken_is_on_the_disk_as_it_was_sealed
            files::write_by(&sealed, None, |file| seal(plan.as_slice(), file, &key))?;
            files::remove(&path)?;
            Ok(Some(plan))
        });
        match taken.await {
            Ok(Some(plan)) => Ok(plan),
            Ok(None) => Err(OperationError::Invalid("there is no plan".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(OperationError::Invalid(format!("the plan can't be published: {error}")))
            }
            Err(error) => Err(OperationError::Fault(format!("failed to read the plan: {error}"))),
        }
    }
}

impl CheckedOut {
    fn of(checkout: &Checkout) -> Self {
        let kind = match checkout.kind {
            RevisionKind::Branch => "branch",
            RevisionKind::Commit => "commit",
            RevisionKind::DefaultBranch => "default-branch",
            RevisionKind::Tag => "tag",
        };
        Self {
            commit: checkout.commit.clone(),
            tree: checkout.tree.clone(),
            kind: kind.to_owned(),
            notes: checkout.notes.clone(),
            bytes: checkout.bytes,
            files: checkout.files,
        }
    }

    fn read(&self) -> Option<Checkout> {
        let kind = match self.kind.as_str() {
            "branch" => RevisionKind::Branch,
            "commit" => RevisionKind::Commit,
            "default-branch" => RevisionKind::DefaultBranch,
            "tag" => RevisionKind::Tag,
            _ => return None,
        };
        Some(Checkout {
            commit: self.commit.clone(),
            tree: self.tree.clone(),
            kind,
            notes: self.notes.clone(),
            bytes: self.bytes,
            files: self.files,
        })
    }
}

impl From<GitError> for CheckoutError {
    fn from(error: GitError) -> Self {
        match error {
            GitError::Aborted => Self::Aborted,
            GitError::Failed(text) => Self::Failed(text),
            GitError::Fault(text) => Self::Fault(text),
            GitError::Invalid(text) => Self::Invalid(text),
            GitError::NotFound(text) => Self::NotFound(text),
            GitError::Timeout(text) => Self::Timeout(text),
            GitError::TooLarge(text) => Self::TooLarge(text),
        }
    }
}

impl From<StoreError> for OperationError {
    fn from(error: StoreError) -> Self {
        let text = chain(&error).to_string();
        match error {
            StoreError::Invalid(_) => Self::Invalid(text),
            StoreError::Unavailable(_) | StoreError::Untrusted(_) => Self::Fault(text),
        }
    }
}
