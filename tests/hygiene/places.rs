//! Where a file stands among the modules: whether it is a test, and whether anything declares it.

use crate::expect_none;
use crate::repository::{File, folder};
use crate::rust::{Rust, sources};

/// Whether all of this file is under a `#[cfg(test)]` in one of the files above it.
pub(crate) fn is_test_file(path: &str) -> bool {
    let path = path.trim_end_matches(".rs");
    path.match_indices('/').any(|(end, _)| {
        let name = path[end + 1..].split('/').next().unwrap_or_default();
        above(&path[..end]).any(|file| file.declared_modules().any(|found| found == (name, true)))
    })
}

/// The files that can declare the modules of this folder.
fn above(folder: &str) -> impl Iterator<Item = &'static Rust> {
    let own = ["", "/lib", "/main", "/mod"].map(|name| format!("{folder}{name}.rs"));
    sources().filter(move |(file, _)| own.contains(&file.path)).map(|(_, rust)| rust)
}

/// What Cargo finds or is told: it needs no declaration.
fn is_root(file: &File) -> bool {
    let targets = ["/bin/", "/bins/", "/benches/", "/examples/", "/fuzz_targets/"];
    let is_target = targets.iter().any(|name| folder(&file.path).ends_with(name));
    is_target || ["build.rs", "lib.rs", "main.rs"].contains(&file.name())
}

#[test]
fn no_file_is_forgotten() {
    let mut found = Vec::new();
    for (file, _) in sources().filter(|(file, _)| !is_root(file)) {
        // `folder/mod.rs` is the module `folder`.
        let path = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let is_declared =
            above(folder).any(|file| file.declared_modules().any(|found| found.0 == name));
        // A file elsewhere can name it by its path: `#[path = "os/unix.rs"]`.
        let by_path = format!("{name}.rs\"]");
        if !is_declared && !sources().any(|(other, _)| other.text.contains(&by_path)) {
            found.push(format!("{}: no module declares it", file.path));
        }
    }
    expect_none(found);
}
