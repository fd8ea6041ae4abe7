//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Folders that Git, Cargo and fuzzers keep for themselves.
const BUILT: &[&str] =
    &[".git", "host/fuzz/artifacts", "host/fuzz/corpus", "host/fuzz/target", "target"];

/// A file, with its path from the root and `/` between its parts.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    /// Empty for a file that isn't text.
    pub(crate) text: String,
}

impl File {
    /// Whether the path starts with one of these.
    pub(crate) fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    /// The last part of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit_once('/').map_or(&self.path, |(_, name)| name)
    }
}

/// Where the workspace's `Cargo.toml` is.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file, sorted by path, without what Git and Cargo keep for themselves.
pub(crate) fn files() -> &'static [File] {
    static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
        let mut files = Vec::new();
        walk(&root(), "", &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    });
    &FILES
}

/// The text of one file.
///
/// # Panics
/// When there is none.
#[track_caller]
pub(crate) fn text(path: &str) -> &'static str {
    let file = files().iter().find(|file| file.path == path);
    file.map(|file| file.text.as_str()).unwrap_or_else(|| panic!("there is no `{path}`"))
}

/// The folder of a path, with a `/` behind it.
pub(crate) fn folder(path: &str) -> &str {
    path.rfind('/').map_or("", |end| &path[..=end])
}

/// Whether a file or folder has this path from the root; `..` is understood.
pub(crate) fn exists(path: &str) -> bool {
    root().join(path).exists()
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    // A folder can vanish while it is read: tests next to this one make temporary ones.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        match entry.file_type() {
            // Cargo builds at the root, and `cargo fuzz` in the package that it runs; elsewhere `target` is a module.
            Ok(kind) if kind.is_dir() && !BUILT.contains(&path.as_str()) => {
                walk(&entry.path(), &format!("{path}/"), files);
            }
            Ok(kind) if kind.is_file() => {
                let text =
                    fs::read(entry.path()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                files.push(File { path, text: text.unwrap_or_default() });
            }
            _ => {}
        }
    }
}
