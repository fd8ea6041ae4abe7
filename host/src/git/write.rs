//! Writes a [`Plan`] into a directory: by handle, nothing followed, everything new.

use super::command::{Call, Writes, git_dir};
use super::objects::{Objects, Trouble};
use super::plan::{Plan, Planned};
use super::{GitError, Limits};
use crate::excerpt::line;
use crate::os;
use cap_primitives::ambient_authority;
use cap_primitives::fs::{self as beneath, open_ambient_dir, open_dir_nofollow, read_base_dir};
use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Questions that git has not answered yet: few enough for the pipe, so that nobody waits for the other.
const QUESTIONS_MAX: usize = 64;

/// How the text begins that Git LFS leaves in the place of a file.
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";

/// A directory that is written into.
pub(super) struct Target {
    root: File,
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) bytes: u64,
    /// Paths of files that Git LFS would have replaced: the first, and how many there are.
    pub(super) lfs: Option<(String, u64)>,
}

impl Target {
    pub(super) fn open(directory: &Path) -> Result<Self, GitError> {
        let root = open_ambient_dir(directory, ambient_authority()).map_err(|source| {
            GitError::Fault(format!("failed to open `{}`: {source}", directory.display()))
        })?;
        Ok(Self { root })
    }

    /// Removes all that is in it: what was written, of which there are few levels.
    pub(super) fn clear(&self) -> io::Result<()> {
        for entry in read_base_dir(&self.root)? {
            let name = entry?.file_name();
            let is_directory =
                beneath::stat(&self.root, name.as_ref(), beneath::FollowSymlinks::No)?.is_dir();
            if is_directory {
                beneath::remove_dir_all(&self.root, name.as_ref())?;
            } else {
                beneath::remove_file(&self.root, name.as_ref())?;
            }
        }
        Ok(())
    }

    /// Writes everything.
    pub(super) fn write(
        &self,
        call: &Call,
        mirror: &Path,
        plan: &Plan,
        limits: Limits,
    ) -> Result<Written, Trouble> {
        let sizes = sizes(call, mirror, plan, limits)?;
        call.batch(mirror, |questions, answers| {
            let mut objects = Objects::new(questions, answers);
            self.write_all(&mut objects, call, plan, &sizes)
        })
    }

    fn write_all(
        &self,
        objects: &mut Objects,
        call: &Call,
        plan: &Plan,
        sizes: &HashMap<&str, u64>,
    ) -> Result<Written, Trouble> {
        let mut written = Written::default();
        let mut ids = plan.items.iter().filter_map(|item| Some(&item.file.as_ref()?.0));
        let mut asked = 0_usize;
        let mut open: VecDeque<(String, File)> = VecDeque::new();
        for item in &plan.items {
            call.check()?;
            let (parent, name) = item.path.rsplit_once('/').unwrap_or(("", &item.path));
            // Directories come right before what is in them: those that are left are not needed again.
            while open.back().is_some_and(|(path, _)| path != parent) {
                open.pop_back();
            }
            let parent = open.back().map_or(&self.root, |(_, handle)| handle);
            let Some((id, is_executable)) = &item.file else {
                let handle = make(parent, name).map_err(|error| unwritten(item, &error))?;
                open.push_back((item.path.clone(), handle));
                continue;
            };
            while asked < QUESTIONS_MAX
                && let Some(id) = ids.next()
            {
                objects.ask(id)?;
                asked += 1;
            }
            let size = sizes.get(id.as_str()).copied().unwrap_or_default();
            let file = os::create_new_file_within(parent, name.as_ref(), *is_executable);
            let mut file = file.map_err(|error| unwritten(item, &error))?;
            let mut start = Vec::new();
            let (kind, bytes) = objects.answer(id, size, &mut |chunk| {
                if start.len() < LFS.len() {
                    start.extend(chunk.iter().take(LFS.len()));
                }
                file.write_all(chunk).map_err(|error| unwritten(item, &error))
            })?;
            asked -= 1;
            if kind != "blob" {
                return Err(Trouble::Corrupt(format!("the object {} is no file", id.as_str())));
            }
            if start.starts_with(LFS) {
                written.lfs.get_or_insert_with(|| (item.path.clone(), 0)).1 += 1;
            }
            written.bytes += bytes;
        }
        Ok(written)
    }
}

/// How long each file is, by its name in git; nothing has been written yet.
fn sizes<'a>(
    call: &Call,
    mirror: &Path,
    plan: &'a Plan,
    limits: Limits,
) -> Result<HashMap<&'a str, u64>, Trouble> {
    let ids = || plan.items.iter().filter_map(|item| Some(item.file.as_ref()?.0.as_str()));
    let mut questions = String::new();
    for id in ids() {
        questions.push_str(id);
        questions.push('\n');
    }
    let git_dir = git_dir(mirror);
    let format: &OsStr = "--batch-check=%(objectname) %(objecttype) %(objectsize)".as_ref();
    let writes = Writes { output: questions.len().saturating_mul(4), file: None };
    let answers =
        call.run(&[&git_dir, "cat-file".as_ref(), format], questions.as_bytes(), writes)?;
    let answers = String::from_utf8_lossy(&answers);
    let mut lines = answers.lines();
    let (mut sizes, mut total) = (HashMap::new(), 0_u64);
    for id in ids() {
        let mut words = lines.next().unwrap_or_default().split(' ');
        let found = (words.next(), words.next(), words.next().and_then(|size| size.parse().ok()));
        let (Some(named), Some("blob"), Some(size)) = found else {
            return Err(Trouble::Corrupt(format!("the file {id} is not there")));
        };
        if named != id {
            return Err(Trouble::Corrupt(format!("the file {id} is another one")));
        }
        sizes.insert(id, size);
        total = total.saturating_add(size);
        // SECURITY: walls::sources::files_beyond_the_limit_are_refused_before_anything_is_written
        if total > limits.bytes {
            let text = format!("the files are longer than {} bytes together", limits.bytes);
            return Err(GitError::TooLarge(text).into());
        }
    }
    Ok(sizes)
}

fn make(parent: &File, name: &str) -> io::Result<File> {
    os::create_new_private_directory(parent, name.as_ref())?;
    open_dir_nofollow(parent, name.as_ref())
}

fn unwritten(item: &Planned, error: &io::Error) -> GitError {
    let path = line(&item.path, 200);
    match error.kind() {
        io::ErrorKind::AlreadyExists => GitError::Failed(format!(
            "the repository has two files whose names are one in this file system: `{path}`"
        )),
        _ => GitError::Fault(format!("failed to write `{path}`: {error}")),
    }
}
