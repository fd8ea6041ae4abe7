//! What `init` has fetched, for policy to be asked: [`sources`] of modules, by `modules.json`, and [`providers`].

use super::files;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

/// Bytes of `modules.json`. Attack: a module tree that fills the memory.
const FILE_MAX: u64 = 16 << 20;

/// Entries of a directory. Attack: a script that makes millions.
const NAMES_MAX: usize = 10_000;

#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "Modules", default)]
    modules: Vec<Module>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "Key", default)]
    key: String,
    #[serde(rename = "Source", default)]
    source: String,
}

/// The sources of all modules that are not part of the configuration itself. Blocks.
pub(super) fn sources(data: &Path) -> Result<BTreeSet<String>, String> {
    // What can't be read is not allowed: nothing is started then.
    let unreadable = |why: String| format!("the list of modules can't be read: {why}");
    let folder = data.join("modules");
    if fs::symlink_metadata(&folder).is_ok_and(|metadata| !metadata.is_dir()) {
        return Err(unreadable("its folder is none".to_owned()));
    }
    let path = folder.join("modules.json");
    let text = files::read(&path, FILE_MAX).map_err(|error| unreadable(error.to_string()))?;
    let Some(text) = text else { return Ok(BTreeSet::new()) };
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    let is_remote = |module: &Module| {
        // SECURITY: terraform::modules::only_what_is_in_the_repository_needs_no_leave
        let is_local = ["./", "../", ".\\", "..\\"].iter().any(|at| module.source.starts_with(at));
        !module.key.is_empty() && !is_local
    };
    Ok(manifest.modules.into_iter().filter(is_remote).map(|module| module.source).collect())
}

/// The providers that `init` has installed, such as `registry.terraform.io/hashicorp/aws`. Blocks.
pub(super) fn providers(data: &Path) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for host in names(&data.join("providers"))? {
        for namespace in names(&data.join("providers").join(&host))? {
            let place = data.join("providers").join(&host).join(&namespace);
            found.extend(names(&place)?.iter().map(|kind| format!("{host}/{namespace}/{kind}")));
        }
    }
    Ok(found)
}

/// What is in a directory; nothing if it isn't there, is a file or a link: programs have written here, and a link would lead us to what
/// only we may read.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    // SECURITY: terraform::modules::links_are_not_followed
    if fs::symlink_metadata(directory).is_ok_and(|metadata| !metadata.is_dir()) {
        return Ok(Vec::new());
    }
    let entries = match fs::read_dir(directory) {
        Err(error)
            if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) =>
        {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
        if names.len() > NAMES_MAX {
            return Err(io::Error::other("there are too many providers"));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_found_by_their_addresses() {
        let place = tempfile::tempdir().unwrap();
        assert!(providers(place.path()).unwrap().is_empty());
        let at = place.path().join("providers/registry.terraform.io/hashicorp");
        fs::create_dir_all(at.join("aws/5.0.0")).unwrap();
        fs::create_dir_all(at.join("null")).unwrap();
        fs::write(place.path().join("providers/file"), "").unwrap();
        let found: Vec<_> = providers(place.path()).unwrap().into_iter().collect();
        let expected =
            ["registry.terraform.io/hashicorp/aws", "registry.terraform.io/hashicorp/null"];
        assert_eq!(found, expected);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        use std::os::unix::fs::symlink;
        let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(other.path().join("a/b/c")).unwrap();
        fs::write(other.path().join("modules.json"), "{}").unwrap();
        symlink(other.path(), place.path().join("providers")).unwrap();
        symlink(other.path(), place.path().join("modules")).unwrap();
        assert!(providers(place.path()).unwrap().is_empty());
        sources(place.path()).unwrap_err();
    }

    #[test]
    fn only_what_is_in_the_repository_needs_no_leave() {
        let place = tempfile::tempdir().unwrap();
        assert!(sources(place.path()).unwrap().is_empty());
        fs::create_dir(place.path().join("modules")).unwrap();
        let path = place.path().join("modules/modules.json");
        let text = r#"{"Modules":[{"Key":"","Source":"","Dir":"."},
            {"Key":"a","Source":"./a","Dir":"a"},{"Key":"b","Source":"../b","Dir":"b"},
            {"Key":"c","Source":"registry.terraform.io/x/y/z","Version":"1.0.0","Dir":"c"},
            {"Key":"d","Source":"git::https://example.com/m.git","Dir":"d"},
            {"Key":"e","Source":"/etc","Dir":"e"},{"Key":"f","Source":"","Dir":"f"}]}"#;
        fs::write(&path, text).unwrap();
        let found: Vec<_> = sources(place.path()).unwrap().into_iter().collect();
        let expected =
            ["", "/etc", "git::https://example.com/m.git", "registry.terraform.io/x/y/z"];
        assert_eq!(found, expected);
        for torn in ["", "{", "7", r#"{"Modules":[1]}"#] {
            fs::write(&path, torn).unwrap();
            sources(place.path()).unwrap_err();
        }
    }
}
