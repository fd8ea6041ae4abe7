//! A directory by its parent and its name: [`Place`]. It is made and removed by the handle of the parent, so that whoever swaps a
//! directory above it for a link leads us nowhere.

use crate::os;
use cap_primitives::ambient_authority;
use cap_primitives::fs::{
    self as beneath, FollowSymlinks, open_ambient_dir, open_dir_nofollow, read_base_dir,
};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How often removing a directory is begun anew: a file operation that the run has left behind may still create a file in it.
const TRIES: u32 = 4;

/// Where a directory is, or is to be.
#[derive(Debug)]
pub(super) struct Place {
    parent: Arc<File>,
    name: OsString,
    /// For people, and for what takes only paths.
    path: PathBuf,
}

impl Place {
    pub(super) fn new(parent: Arc<File>, name: impl Into<OsString>, path: PathBuf) -> Self {
        Self { parent, name: name.into(), path }
    }

    /// Of a directory that is where only we and the system put links.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidFilename.into());
        };
        let parent = open_ambient_dir(parent, ambient_authority())?;
        Ok(Self::new(Arc::new(parent), name, path.to_owned()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it; nothing of that name must exist. For our user only, on Unix.
    pub(super) fn create(&self) -> io::Result<()> {
        os::create_new_private_directory(&self.parent, &self.name)
    }

    /// Makes a directory in it in the same way.
    pub(super) fn create_within(&self, name: &str) -> io::Result<()> {
        let directory = open_dir_nofollow(&self.parent, self.name.as_ref())?;
        os::create_new_private_directory(&directory, name.as_ref())
    }

    /// Removes what is of this name in it, if there is anything.
    pub(super) fn remove_within(&self, name: &str) -> io::Result<()> {
        let directory = open_dir_nofollow(&self.parent, self.name.as_ref())?;
        let inner = Self::new(Arc::new(directory), name, self.path.join(name));
        match inner.try_remove() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes it with all that is in it. A failure is logged; the next start tries again.
    pub(super) fn remove(&self) {
        let mut result = Ok(());
        for _ in 0..TRIES {
            result = self.try_remove();
            if result.is_ok() {
                return;
            }
        }
        let path = self.path.display();
        match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(%path, %error, "a run directory can't be removed; the next start tries again");
            }
            _ => {}
        }
    }

    /// Removes a directory however deep it is: what is two levels down is moved up to the first, so that neither the stack nor
    /// the number of open directories grows. `remove_dir_all` needs both for each level, and a component chooses the levels.
    // SECURITY: rundir::place::removing_needs_no_more_stack_for_more_levels (walls::directories_of_any_depth_are_removed)
    fn try_remove(&self) -> io::Result<()> {
        if !is_directory(&self.parent, &self.name)? {
            return beneath::remove_file(&self.parent, self.name.as_ref());
        }
        // Such names are in no directory that was left half removed.
        let mark = uuid::Uuid::new_v4();
        let mut moved: u64 = 0;
        loop {
            let mut is_empty = true;
            // SECURITY: rundir::place::a_link_that_was_a_directory_a_moment_ago_is_not_followed
            let root = open_dir_nofollow(&self.parent, self.name.as_ref())?;
            for entry in read_base_dir(&root)? {
                is_empty = false;
                let outer = entry?.file_name();
                empty(&root, &outer, |directory, inner| {
                    let new = format!("{mark}-{moved}");
                    moved += 1;
                    beneath::rename(directory, inner.as_ref(), &root, new.as_ref())
                })?;
            }
            drop(root);
            if is_empty {
                return beneath::remove_dir(&self.parent, self.name.as_ref());
            }
        }
    }
}

/// Removes what is of this name; if it is a directory, the directories in it are left to `take`.
fn empty(
    root: &File,
    outer: &OsStr,
    mut take: impl FnMut(&File, &OsStr) -> io::Result<()>,
) -> io::Result<()> {
    if !is_directory(root, outer)? {
        return beneath::remove_file(root, outer.as_ref());
    }
    let directory = open_dir_nofollow(root, outer.as_ref())?;
    for entry in read_base_dir(&directory)? {
        let inner = entry?.file_name();
        if is_directory(&directory, &inner)? {
            take(&directory, &inner)?;
        } else {
            beneath::remove_file(&directory, inner.as_ref())?;
        }
    }
    // On Windows, what is open can't be removed.
    drop(directory);
    beneath::remove_dir(root, outer.as_ref())
}

/// Removes everything in a directory, which is at `path`, but for what `is_kept` says yes to.
pub(super) fn remove_all(path: &Path, base: &Arc<File>, is_kept: impl Fn(&OsStr) -> bool) {
    let entries = match read_base_dir(base) {
        Ok(entries) => entries,
        Err(error) => {
            let path = path.display();
            return tracing::error!(%path, %error, "the run directories can't be listed");
        }
    };
    for entry in entries.flatten() {
        // SECURITY: rundir::what_was_left_over_is_removed_and_links_are_not_followed
        let name = entry.file_name();
        if is_kept(&name) {
            continue;
        }
        let path = path.join(&name);
        Place::new(Arc::clone(base), name, path).remove();
    }
}

fn is_directory(parent: &File, name: &OsStr) -> io::Result<bool> {
    Ok(beneath::stat(parent, name.as_ref(), FollowSymlinks::No)?.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn removing_needs_no_more_stack_for_more_levels() {
        let root = tempfile::tempdir().unwrap().keep();
        let [deep, outer] = [root.join("deep"), root.join("outer")];
        fs::create_dir(&deep).unwrap();
        for _ in 0..1_000 {
            fs::create_dir(&outer).unwrap();
            fs::rename(&deep, outer.join("deep")).unwrap();
            fs::rename(&outer, &deep).unwrap();
        }
        let small = std::thread::Builder::new().stack_size(96 << 10);
        let place = Place::of(&root).unwrap();
        small.spawn(move || place.try_remove().unwrap()).unwrap().join().unwrap();
        assert!(!root.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_above_that_is_swapped_for_a_link_leads_nowhere_else() {
        use std::os::unix::fs::symlink;
        let [state, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [runs, moved] = ["runs", "moved"].map(|name| state.path().join(name));
        for runs in [&runs, elsewhere.path()] {
            fs::create_dir_all(runs.join("run/work")).unwrap();
            fs::write(runs.join("run/work/file"), "x").unwrap();
        }
        let place = Place::of(&runs.join("run")).unwrap();
        fs::rename(&runs, &moved).unwrap();
        symlink(elsewhere.path(), &runs).unwrap();
        place.create_within("new").unwrap();
        assert!(moved.join("run/new").is_dir());
        place.remove();
        assert_eq!(fs::read_dir(&moved).unwrap().count(), 0);
        assert!(elsewhere.path().join("run/work/file").exists());
    }

    /// Swaps a directory and a link to another one all the time while directories of that name are removed.
    #[cfg(unix)]
    #[test]
    fn a_link_that_was_a_directory_a_moment_ago_is_not_followed() {
        let [base, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [run, link, aside] = ["run", "link", "aside"].map(|name| base.path().join(name));
        fs::write(elsewhere.path().join("file"), "theirs").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), &link).unwrap();
        let place = Place::of(&run).unwrap();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let swapper = std::thread::spawn(move || {
            while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                // Some fail while what they move does not exist, or something is in the way.
                for (from, to) in [(&run, &aside), (&link, &run), (&run, &link), (&aside, &run)] {
                    let _ = fs::rename(from, to);
                }
            }
        });
        for _ in 0..500 {
            let _ = place.create();
            let _ = place.create_within("inner");
            let _ = place.try_remove();
        }
        drop(stop);
        swapper.join().unwrap();
        let kept = fs::read_dir(elsewhere.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(kept.collect::<Vec<_>>(), ["file"]);
    }
}
