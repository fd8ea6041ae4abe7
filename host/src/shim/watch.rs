//! How much of the disk an operation takes, while it runs: [`Disk`], [`Reserve`].

use super::ShimError;
use super::records::Records;
use crate::os::supervision;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Between two walks through the directories, at least; and a walk takes at most a twentieth of the time.
const DISK_POLL: Duration = Duration::from_secs(1);
const DISK_REST: u32 = 20;

/// Entries that are counted in one walk. Whoever makes more is stopped by the file system or the next limit.
const DISK_ENTRIES_MAX: u32 = 1 << 20;

/// With less than this, a program may not be able to write its state.
pub(super) const FREE_BYTES_MIN: u64 = 16 << 20;

/// What is kept for that case.
const RESERVE_BYTES: u64 = 8 << 20;

/// Bytes below directories. Links are not followed; what goes away meanwhile counts nothing.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) directories: Vec<PathBuf>,
    pub(super) limit: u64,
}

impl Disk {
    /// Calls `exceeded` when there are more, once. Never returns before; for a thread of its own.
    #[expect(clippy::disallowed_methods, reason = "a thread of the shim that does nothing else")]
    pub(super) fn watch(&self, exceeded: impl FnOnce()) {
        loop {
            let started = Instant::now();
            if self.used() > self.limit {
                return exceeded();
            }
            thread::sleep(DISK_POLL.max(started.elapsed().saturating_mul(DISK_REST)));
        }
    }

    fn used(&self) -> u64 {
        let mut used = 0_u64;
        let mut left = DISK_ENTRIES_MAX;
        let mut directories = self.directories.clone();
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    directories.push(entry.path());
                }
                used = used.saturating_add(supervision::occupied_bytes(&metadata));
                left = left.saturating_sub(1);
                if left == 0 || used > self.limit {
                    return used;
                }
            }
        }
        used
    }
}

/// Whether one of the file systems is nearly full.
pub(super) fn is_full<'a>(mut paths: impl Iterator<Item = &'a Path>) -> bool {
    paths.any(|path| supervision::free_bytes(path).is_ok_and(|free| free < FREE_BYTES_MIN))
}

/// Disk space that is taken so that it can be freed when there is no other.
#[derive(Debug)]
pub(super) struct Reserve(PathBuf);

impl Reserve {
    pub(super) fn take(records: &Records) -> Result<Self, ShimError> {
        let reserve = Self(records.path("reserve"));
        let taken = supervision::append_only(&reserve.0)
            .and_then(|file| supervision::reserve(&file, RESERVE_BYTES));
        match taken {
            Ok(()) => Ok(reserve),
            Err(source) => {
                reserve.free();
                Err(ShimError::io("reserve disk space in", records.directory())(source))
            }
        }
    }

    /// May be called again.
    pub(super) fn free(&self) {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                super::serve::note(format_args!("failed to free the reserve: {error}"));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_below_and_not_behind_links() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("a/b")).unwrap();
        let disk =
            |limit| Disk { directories: vec![place.path().join("a"), "/nowhere".into()], limit };
        let before = disk(u64::MAX).used();
        fs::write(place.path().join("a/b/file"), vec![1; 100_000]).unwrap();
        fs::write(place.path().join("beside"), vec![1; 100_000]).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("../beside", place.path().join("a/link")).unwrap();
        let used = disk(u64::MAX).used() - before;
        assert!((100_000..150_000).contains(&used), "{used}");
        assert!(disk(1000).used() > 1000);
        disk(1000).watch(|| {});
    }

    #[test]
    fn the_reserve_takes_space_and_gives_it_back() {
        let place = tempfile::tempdir().unwrap();
        let reserve = Reserve::take(&Records::of(place.path())).unwrap();
        assert!(place.path().join("reserve").exists());
        reserve.free();
        reserve.free();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
