//! Mirrors: a bare repository per URL, which holds what was fetched. [`Mirrors`] is all of them, [`Mirror`] one in use.
//!
//! Beside the repository `<hash>` there are two files whose locks count, so that other processes see them: `<hash>.fetch` is held by the one
//! that fetches, `<hash>.use` is shared by all that read, and its time says when that was. A mirror is a cache: whatever is wrong with
//! one, it is made anew.

use super::GitError;
use super::command::{Call, Writes, git_dir, wants_everything};
use super::revision::ObjectId;
use super::url::RepositoryUrl;
use crate::digest::Digest;
use crate::os;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Each fetch leaves a pack; a mirror of this many is made anew, which costs one fetch without history.
const PACKS_MAX: usize = 64;

/// What an interrupted attempt leaves behind is removed after this time.
const LEFT_OVER: Duration = Duration::from_secs(3600);

/// Bytes of what git says about itself.
const SMALL_OUTPUT: usize = 1 << 20;

/// The directory of all mirrors.
#[derive(Clone, Debug)]
pub(super) struct Mirrors {
    directory: PathBuf,
    max_bytes: u64,
}

/// One mirror, held against removal.
#[derive(Debug)]
pub(super) struct Mirror {
    path: PathBuf,
    in_use: File,
    max_bytes: u64,
}

/// The right to change a mirror.
#[derive(Debug)]
pub(super) struct FetchLock(#[expect(dead_code, reason = "held")] File);

impl Mirrors {
    /// Takes the directory into use and removes what interrupted attempts have left in it.
    pub(super) fn open(directory: &Path, max_bytes: u64) -> io::Result<Self> {
        os::create_private_directory(directory)?;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let is_left = entry.file_name().to_string_lossy().starts_with("left-");
            let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
            if is_left && age > LEFT_OVER {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Self { directory: directory.to_owned(), max_bytes })
    }

    /// The name of a repository's mirror.
    pub(super) fn name(url: &RepositoryUrl, id_format: &str) -> String {
        let text = format!("{id_format} {}", url.argument());
        data_encoding::HEXLOWER.encode(Digest::of(text.as_bytes()).as_bytes())
    }

    /// Holds a mirror, which need not exist yet.
    pub(super) fn hold(&self, name: &str) -> io::Result<Mirror> {
        let in_use = lock_file(&self.directory.join(format!("{name}.use")))?;
        in_use.lock_shared()?;
        in_use.set_modified(SystemTime::now())?;
        Ok(Mirror { path: self.directory.join(name), in_use, max_bytes: self.max_bytes })
    }

    /// `None`: somebody else has it.
    pub(super) fn try_fetch_lock(&self, name: &str) -> io::Result<Option<FetchLock>> {
        let file = lock_file(&self.directory.join(format!("{name}.fetch")))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(FetchLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Removes mirrors that nobody uses, the least recently used first, until all together are small enough.
    pub(super) fn collect(&self) -> io::Result<()> {
        let mut mirrors = Vec::new();
        let mut total = 0_u64;
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let Ok(used) = fs::metadata(path.with_extension("use")).and_then(|m| m.modified())
            else {
                continue;
            };
            if path.extension().is_none() {
                let bytes = size(&path)?;
                total = total.saturating_add(bytes);
                mirrors.push((used, bytes, path));
            }
        }
        mirrors.sort();
        for (_, bytes, path) in mirrors {
            if total <= self.max_bytes {
                break;
            }
            let in_use = lock_file(&path.with_extension("use"))?;
            // SECURITY: walls::sources::the_least_recently_used_mirror_goes_first_and_none_in_use
            if in_use.try_lock().is_ok() {
                discard(&path)?;
                total = total.saturating_sub(bytes);
            }
        }
        Ok(())
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).read(true).open(path)
}

/// Takes it out of the way in one step, then removes it.
fn discard(path: &Path) -> io::Result<()> {
    let away = path.with_file_name(format!("left-{}", uuid::Uuid::new_v4()));
    match fs::rename(path, &away) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => fs::remove_dir_all(away),
    }
}

/// Bytes of all files beneath.
fn size(path: &Path) -> io::Result<u64> {
    let mut bytes = 0_u64;
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // Files come and go while somebody fetches.
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => directories.push(entry.path()),
                Ok(metadata) => bytes = bytes.saturating_add(metadata.len()),
                Err(_) => {}
            }
        }
    }
    Ok(bytes)
}

fn fault(what: &str, error: &io::Error) -> GitError {
    GitError::Fault(format!("failed to {what} the mirror of the repository: {error}"))
}

impl Mirror {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// When it was made, by which it is told apart from one that was made anew.
    pub(super) fn made(&self) -> Option<SystemTime> {
        fs::metadata(self.path.join("HEAD")).and_then(|metadata| metadata.modified()).ok()
    }

    /// Whether it was fetched, with all that belongs to it: the reference is set after that.
    pub(super) fn has(&self, commit: &ObjectId) -> bool {
        let text = fs::read_to_string(self.path.join(reference(commit)));
        text.is_ok_and(|text| text.trim_end() == commit.as_str())
    }

    /// Makes it ready for a fetch. Returns whether it is new.
    pub(super) fn prepare(
        &mut self,
        lock: &FetchLock,
        call: &Call,
        id_format: &str,
    ) -> Result<bool, GitError> {
        if packs(&self.path) >= PACKS_MAX && self.is_ours_alone() {
            self.discard(lock)?;
        }
        if self.path.join("HEAD").is_file() {
            self.tidy().map_err(|error| fault("tidy", &error))?;
            return Ok(false);
        }
        let new = self.path.with_file_name(format!("left-{}", uuid::Uuid::new_v4()));
        let format = format!("--object-format={id_format}");
        let arguments: [&OsStr; 8] = [
            "init".as_ref(),
            "--quiet".as_ref(),
            "--bare".as_ref(),
            // SECURITY: walls::sources::hooks_filters_and_submodules_do_nothing
            "--template=".as_ref(),
            "--initial-branch=none".as_ref(),
            format.as_ref(),
            "--end-of-options".as_ref(),
            new.as_ref(),
        ];
        call.run(&arguments, b"", Writes { output: SMALL_OUTPUT, file: None })?;
        discard(&self.path).map_err(|error| fault("make", &error))?;
        fs::rename(&new, &self.path).map_err(|error| fault("make", &error))?;
        Ok(true)
    }

    /// So that it is made anew.
    pub(super) fn discard(&self, _lock: &FetchLock) -> Result<(), GitError> {
        discard(&self.path).map_err(|error| fault("remove", &error))
    }

    /// Fetches one commit, without its history if the server can do that.
    pub(super) fn fetch(
        &self,
        lock: &FetchLock,
        call: &Call,
        url: &RepositoryUrl,
        commit: &ObjectId,
    ) -> Result<(), GitError> {
        let name = reference(commit);
        let one = format!("+{}:{name}", commit.as_str());
        match self.fetch_with(call, url, &["--depth=1"], &[&one]) {
            Err(error) if wants_everything(&error) => {}
            result => return result,
        }
        self.fetch_everything(lock, call, url)?;
        let git_dir = git_dir(&self.path);
        let arguments: [&OsStr; 5] = [
            &git_dir,
            "update-ref".as_ref(),
            "--end-of-options".as_ref(),
            name.as_ref(),
            commit.as_str().as_ref(),
        ];
        let writes = Writes { output: SMALL_OUTPUT, file: None };
        match call.run(&arguments, b"", writes) {
            Err(GitError::Failed(_)) => Err(GitError::NotFound(format!(
                "the repository has no commit `{}` in a branch or a tag",
                commit.as_str()
            ))),
            result => result.map(drop),
        }
    }

    /// Fetches all branches and tags with their history.
    pub(super) fn fetch_everything(
        &self,
        _lock: &FetchLock,
        call: &Call,
        url: &RepositoryUrl,
    ) -> Result<(), GitError> {
        let mut options = vec!["--prune"];
        if self.path.join("shallow").exists() {
            options.push("--depth=2147483647");
        }
        let all = ["+refs/heads/*:refs/blockhouse/heads/*", "+refs/tags/*:refs/blockhouse/tags/*"];
        self.fetch_with(call, url, &options, &all)
    }

    /// The commits whose names begin so; there are no others in the mirror than the server has given.
    pub(super) fn commits(&self, call: &Call, prefix: &str) -> Result<Vec<ObjectId>, GitError> {
        let git_dir = git_dir(&self.path);
        let disambiguate = format!("--disambiguate={prefix}");
        let writes = Writes { output: SMALL_OUTPUT, file: None };
        let arguments: [&OsStr; 3] = [&git_dir, "rev-parse".as_ref(), disambiguate.as_ref()];
        let ids = call.run(&arguments, b"", writes)?;
        let format: &OsStr = "--batch-check=%(objectname) %(objecttype)".as_ref();
        let kinds = call.run(&[&git_dir, "cat-file".as_ref(), format], &ids, writes)?;
        let kinds = String::from_utf8_lossy(&kinds);
        let commits = kinds.lines().filter_map(|line| line.strip_suffix(" commit"));
        Ok(commits.filter_map(ObjectId::parse).collect())
    }

    fn fetch_with(
        &self,
        call: &Call,
        url: &RepositoryUrl,
        options: &[&str],
        references: &[&str],
    ) -> Result<(), GitError> {
        let git_dir = git_dir(&self.path);
        let mut arguments: Vec<&OsStr> = vec![&git_dir, "fetch".as_ref()];
        let fixed = [
            "--quiet",
            "--no-progress",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--no-recurse-submodules",
            "--refmap=",
        ];
        arguments.extend(fixed.iter().chain(options).map(OsStr::new));
        // SECURITY: walls::sources::urls_that_are_options_or_commands_are_refused
        arguments.push("--end-of-options".as_ref());
        arguments.push(url.argument().as_ref());
        arguments.extend(references.iter().map(OsStr::new));
        // SECURITY: walls::sources::a_repository_larger_than_the_mirrors_is_refused
        let writes = Writes { output: SMALL_OUTPUT, file: Some(self.max_bytes) };
        call.run(&arguments, b"", writes).map(drop).map_err(|error| {
            // git does not say why a part of it was ended.
            if self.has_reached_the_limit() {
                let text = "the repository is larger than a mirror may be";
                return GitError::TooLarge(text.to_owned());
            }
            error
        })
    }

    /// Whether git was writing a pack that became as long as files may be.
    fn has_reached_the_limit(&self) -> bool {
        let Ok(entries) = fs::read_dir(self.path.join("objects/pack")) else { return false };
        let lengths = entries.flatten().filter_map(|entry| entry.metadata().ok());
        lengths.map(|metadata| metadata.len()).any(|length| length >= self.max_bytes)
    }

    /// Gives its hold up for a moment to see whether anybody else has one.
    fn is_ours_alone(&self) -> bool {
        let _ = self.in_use.unlock();
        let is_ours = self.in_use.try_lock().is_ok();
        let _ = self.in_use.unlock();
        self.in_use.lock_shared().is_ok() && is_ours
    }

    /// Removes what a git that was killed has left: only the holder of the lock can have any running.
    fn tidy(&self) -> io::Result<()> {
        let mut directories = vec![(self.path.clone(), false)];
        for (name, is_deep) in [("objects/pack", false), ("refs", true)] {
            directories.push((self.path.join(name), is_deep));
        }
        while let Some((directory, is_deep)) = directories.pop() {
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if is_deep && entry.file_type()?.is_dir() {
                    directories.push((entry.path(), true));
                } else if name.ends_with(".lock") || name.starts_with("tmp_") {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }
}

/// Where it is written that a commit is there.
fn reference(commit: &ObjectId) -> String {
    format!("refs/blockhouse/commits/{}", commit.as_str())
}

fn packs(path: &Path) -> usize {
    let Ok(entries) = fs::read_dir(path.join("objects/pack")) else { return 0 };
    entries.flatten().filter(|entry| entry.path().extension() == Some("pack".as_ref())).count()
}
