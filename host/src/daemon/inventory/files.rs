//! How large what is in a run's directory is.

use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Entries that are counted below one. A component can make any number of them.
const ENTRIES_MAX: usize = 100_000;

/// Entries of the directory itself that are told.
const TOLD_MAX: usize = 100;

/// Something in a run's directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSize {
    /// Its name.
    pub name: String,
    /// Bytes of it and all below.
    pub bytes: u64,
    /// Whether not all was counted.
    pub is_more: bool,
}

/// What is in a directory. Links are not followed; what goes away meanwhile counts nothing.
pub(super) fn list(directory: &Path) -> Vec<FileSize> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(TOLD_MAX);
    let mut files: Vec<_> = entries
        .map(|entry| {
            let (bytes, is_more) = size(entry.path());
            FileSize { name: entry.file_name().to_string_lossy().into_owned(), bytes, is_more }
        })
        .collect();
    files.sort_by(|one, other| one.name.cmp(&other.name));
    files
}

fn size(path: PathBuf) -> (u64, bool) {
    let (mut bytes, mut counted) = (0_u64, 0);
    let mut left = vec![path];
    while let Some(path) = left.pop() {
        if counted >= ENTRIES_MAX {
            return (bytes, true);
        }
        counted += 1;
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            // No more is listed than may be counted.
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            left.extend(entries.map(|entry| entry.path()).take(ENTRIES_MAX));
        } else {
            bytes = bytes.saturating_add(metadata.len());
        }
    }
    (bytes, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_all_that_is_below() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("work/deep")).unwrap();
        fs::write(place.path().join("work/deep/file"), "12345").unwrap();
        fs::write(place.path().join("tape"), "123").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/", place.path().join("work/link")).unwrap();
        let sizes = list(place.path());
        let names: Vec<_> = sizes.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["tape", "work"]);
        assert_eq!(sizes[0].bytes, 3);
        assert!((5..10).contains(&sizes[1].bytes) && !sizes[1].is_more, "{sizes:?}");
        assert!(list(&place.path().join("none")).is_empty());
    }
}
