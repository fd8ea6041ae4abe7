//! One checkout on its way: [`Job`] asks the server, has fetched what is missing, plans and writes.

use super::command::{Call, CallBuilder, Writes, is_damage, is_redirect};
use super::lines::Turn;
use super::mirror::{Mirror, Mirrors};
use super::names;
use super::objects::{Objects, Trouble};
use super::plan::Planner;
use super::revision::{Advertised, ObjectId, Resolved, Revision};
use super::ssh::SshCommand;
use super::url::{RepositoryUrl, Transport};
use super::write::Target;
use super::{Checkout, Git, GitError, Limits, Repository, RevisionKind, blocking};
use crate::os;
use crate::process::Leash;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tokio_util::sync::CancellationToken;

/// Bytes of a server's list of the references that were asked for.
const REFERENCES_MAX: usize = 4 << 20;

/// One checkout.
pub(super) struct Job {
    call: Call,
    url: RepositoryUrl,
    revision: Revision,
    folder: Vec<String>,
    target: Target,
    limits: Limits,
    notes: Vec<String>,
    /// Home of git and ssh, with the key. Removed with the job.
    _home: Home,
}

/// A directory of ours alone, which is removed with all that is in it.
struct Home(PathBuf);

impl Home {
    fn make(scratch: &Path) -> Result<Self, GitError> {
        let path = scratch.join(format!("git-{}", uuid::Uuid::new_v4()));
        match os::create_private_directory(&path) {
            Ok(_) => Ok(Self(path)),
            Err(error) => {
                Err(GitError::Fault(format!("failed to make a directory for git: {error}")))
            }
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::error!(path = %self.0.display(), %error, "what git needed can't be removed");
        }
    }
}

/// What the server has said.
#[derive(Clone)]
struct Asked {
    /// Under this URL.
    url: RepositoryUrl,
    resolved: Resolved,
    /// The name of the mirror, and git's name for its kind of hash.
    mirror: String,
    format: &'static str,
}

/// A mirror that has what is wanted.
struct Fetched {
    mirror: Mirror,
    commit: ObjectId,
    kind: RevisionKind,
}

impl Job {
    /// Reads what is asked for and makes what git needs.
    pub(super) fn new(
        git: &Git,
        repository: &Repository,
        directory: &Path,
        scratch: &Path,
        limits: Limits,
        leash: Arc<Leash>,
    ) -> Result<Self, GitError> {
        let revision = Revision::parse(repository.revision.as_deref())?;
        let folder = names::folder(repository.path.as_deref())?;
        let target = Target::open(directory)?;
        let home = Home::make(scratch)?;
        let mut notes = Vec::new();
        let mut command = None;
        if repository.url.transport() == Transport::Ssh {
            let (key, host) = (repository.private_key.as_ref(), repository.known_host.as_ref());
            let ssh = SshCommand::write(&git.config, key, host, &home.0)?;
            notes.extend(ssh.notes);
            command = Some(ssh.command);
        }
        let ca_file = repository.https.as_ref().and_then(|https| https.ca_file.as_ref());
        let ca_bundle = match ca_file {
            None => git.ca_bundle.clone(),
            Some(file) => {
                let bundled = super::bundle(file, git.ca_bundle.as_deref(), &home.0);
                Some(bundled.map_err(|error| {
                    let file = file.display();
                    GitError::Fault(format!("failed to read the authorities in `{file}`: {error}"))
                })?)
            }
        };
        let call = CallBuilder {
            config: &git.config,
            url: &repository.url,
            https: repository.https.as_ref(),
            ssh: command.as_deref(),
            ca_bundle: ca_bundle.as_deref(),
            home: &home.0,
            timeout: limits.timeout,
            leash,
        };
        let (call, url) = (call.build(), repository.url.clone());
        Ok(Self { call, url, revision, folder, target, limits, notes, _home: home })
    }

    /// All of it.
    pub(super) async fn check_out(
        self: &Arc<Self>,
        git: &Git,
        cancel: &CancellationToken,
    ) -> Result<Checkout, GitError> {
        let job = Arc::clone(self);
        let asked = blocking(move || job.ask()).await?;
        let mut damaged = None;
        loop {
            let fetched = self.fetched(git, &asked, damaged, cancel).await?;
            let (job, made) = (Arc::clone(self), fetched.mirror.made());
            match blocking(move || Ok(job.write(&fetched))).await? {
                Ok(checkout) => return Ok(checkout),
                Err(Trouble::Git(error)) => return Err(error),
                Err(Trouble::Corrupt(why)) if damaged.is_some() => {
                    let text =
                        format!("the mirror is damaged, though it was just made anew: {why}");
                    return Err(GitError::Fault(text));
                }
                Err(Trouble::Corrupt(why)) => {
                    let url = self.url.canonical();
                    tracing::warn!(url, why, "the mirror of a repository is damaged and made anew");
                    damaged = Some(made);
                }
            }
            self.clear().await?;
        }
    }

    /// Empties the directory again.
    pub(super) async fn clear(self: &Arc<Self>) -> Result<(), GitError> {
        let job = Arc::clone(self);
        let fault = |error: io::Error| GitError::Fault(format!("failed to clean up: {error}"));
        blocking(move || job.target.clear().map_err(fault)).await
    }

    /// Asks the server what the revision is. It is asked each time, so that it can say no each time.
    // SECURITY: walls::sources::a_mirror_is_for_those_only_whom_the_server_lets_in
    fn ask(&self) -> Result<Asked, GitError> {
        let (url, references) = match self.references(&self.url) {
            // As GitLab does. Another URL than this one is not tried.
            Err(error) if is_redirect(&error) => {
                let with_suffix = self.url.with_suffix().ok_or(error)?;
                let references = self.references(&with_suffix)?;
                (with_suffix, references)
            }
            references => (self.url.clone(), references?),
        };
        let resolved = self.revision.resolve(&references)?;
        let format = match &resolved {
            // Repositories of the other kind are rare, and say so when they are fetched.
            Resolved::Abbreviated(_) => "sha1",
            Resolved::Commit(id, _) => id.format(),
        };
        let mirror = Mirrors::name(&self.url, format);
        Ok(Asked { url, resolved, mirror, format })
    }

    fn references(&self, url: &RepositoryUrl) -> Result<Advertised, GitError> {
        let patterns = self.revision.patterns();
        let mut arguments: Vec<&OsStr> = ["ls-remote", "--quiet"].map(OsStr::new).to_vec();
        arguments.extend(["--end-of-options", url.argument()].map(OsStr::new));
        arguments.extend(patterns.iter().map(OsStr::new));
        let writes = Writes { output: REFERENCES_MAX, file: None };
        Ok(Advertised::parse(&self.call.run(&arguments, b"", writes)?))
    }

    /// A mirror with what was asked for. `damaged`: when the one was made that is no good any more.
    async fn fetched(
        self: &Arc<Self>,
        git: &Git,
        asked: &Asked,
        damaged: Option<Option<SystemTime>>,
        cancel: &CancellationToken,
    ) -> Result<Fetched, GitError> {
        let hold = |mirrors: &Mirrors, name: &str| {
            let held = mirrors.hold(name);
            held.map_err(|error| GitError::Fault(format!("failed to use a mirror: {error}")))
        };
        let (mirrors, name) = (git.mirrors.clone(), asked.mirror.clone());
        let mirror = blocking(move || hold(&mirrors, &name)).await?;
        let mirror = match asked.already(mirror, damaged) {
            Ok(fetched) => return Ok(fetched),
            Err(mirror) => mirror,
        };
        // SECURITY: walls::sources::sixteen_checkouts_of_a_cold_repository_are_one_fetch
        let turn = git.lines.turn(&git.mirrors, &asked.mirror, &self.call, cancel).await?;
        let (job, asked, mirrors) = (Arc::clone(self), asked.clone(), git.mirrors.clone());
        blocking(move || {
            let mirror = match asked.already(mirror, damaged) {
                Ok(fetched) => return Ok(fetched),
                Err(mirror) => mirror,
            };
            let fetched = job.fetch(&turn, mirror, &asked, damaged)?;
            if let Err(error) = mirrors.collect() {
                tracing::warn!(%error, "mirrors that are not used can't be removed");
            }
            Ok(fetched)
        })
        .await
    }

    fn fetch(
        &self,
        turn: &Turn,
        mut mirror: Mirror,
        asked: &Asked,
        damaged: Option<Option<SystemTime>>,
    ) -> Result<Fetched, GitError> {
        if damaged.is_some_and(|made| made == mirror.made()) {
            mirror.discard(&turn.lock)?;
        }
        let is_new = mirror.prepare(&turn.lock, &self.call, asked.format)?;
        let fetched = match self.fetch_into(turn, &mirror, asked) {
            Err(error) if !is_new && is_damage(&error) => {
                let url = self.url.canonical();
                tracing::warn!(url, %error, "the mirror of a repository is damaged and made anew");
                mirror.discard(&turn.lock)?;
                mirror.prepare(&turn.lock, &self.call, asked.format)?;
                self.fetch_into(turn, &mirror, asked)
            }
            result => result,
        };
        let (commit, kind) = fetched?;
        Ok(Fetched { mirror, commit, kind })
    }

    fn fetch_into(
        &self,
        turn: &Turn,
        mirror: &Mirror,
        asked: &Asked,
    ) -> Result<(ObjectId, RevisionKind), GitError> {
        match &asked.resolved {
            Resolved::Abbreviated(prefix) => {
                mirror.fetch_everything(&turn.lock, &self.call, &asked.url)?;
                let commits = mirror.commits(&self.call, prefix)?;
                match commits.as_slice() {
                    [] => Err(self.revision.not_found()),
                    [commit] => Ok((commit.clone(), RevisionKind::Commit)),
                    _ => Err(GitError::Invalid(format!(
                        "`{prefix}` is the beginning of {} commits; write more of it",
                        commits.len()
                    ))),
                }
            }
            Resolved::Commit(commit, kind) => {
                mirror.fetch(&turn.lock, &self.call, &asked.url, commit)?;
                Ok((commit.clone(), *kind))
            }
        }
    }

    fn write(&self, fetched: &Fetched) -> Result<Checkout, Trouble> {
        let mirror = fetched.mirror.path();
        let plan = self.call.batch(mirror, |questions, answers| {
            let mut objects = Objects::new(questions, answers);
            let (commit, tree) = objects.commit(&fetched.commit)?;
            let planner = Planner::new(&mut objects, tree, self.limits);
            Ok::<_, Trouble>((commit, planner.plan(&self.folder)?))
        });
        let (commit, plan) = plan?;
        let written = self.target.write(&self.call, mirror, &plan, self.limits)?;
        let mut notes = self.notes.clone();
        if let Some((path, count)) = &written.lfs {
            notes.push(format!(
                "{count} files, such as `{}`, are placeholders of Git LFS, which is not used",
                crate::excerpt::line(path, 200)
            ));
        }
        notes.extend(plan.notes);
        Ok(Checkout {
            commit: commit.as_str().to_owned(),
            tree: plan.tree,
            kind: fetched.kind,
            notes,
            bytes: written.bytes,
            files: plan.files,
        })
    }
}

impl Asked {
    /// If nothing need be fetched.
    fn already(
        &self,
        mirror: Mirror,
        damaged: Option<Option<SystemTime>>,
    ) -> Result<Fetched, Mirror> {
        match &self.resolved {
            Resolved::Commit(commit, kind)
                if damaged.is_none_or(|made| made != mirror.made()) && mirror.has(commit) =>
            {
                Ok(Fetched { mirror, commit: commit.clone(), kind: *kind })
            }
            _ => Err(mirror),
        }
    }
}
