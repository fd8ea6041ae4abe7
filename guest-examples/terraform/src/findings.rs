//! What is found in `/work` once the sources are there and nothing else is: [`Findings`].

use crate::configuration::{self, Configuration, ConfigurationError, FILE_BYTES_MAX};
use crate::file_name;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Made by `init`; committed, it says which versions to take.
const LOCK_FILE: &str = ".terraform.lock.hcl";

/// A file that an input will become: its name, and its content unless that is secret.
pub(crate) type FutureFile<'a> = (&'a str, Option<&'a [u8]>);

/// What decides how the run goes on. The host keeps it for a run that is resumed: by then scripts and the tool have written there.
#[cfg_attr(test, derive(Debug))]
#[derive(Deserialize, Serialize)]
pub(crate) struct Findings {
    /// A name that no file has.
    pub(crate) backend_file: String,
    pub(crate) configuration: Configuration,
    pub(crate) has_run_variables: bool,
    /// Whether the versions of providers are locked.
    pub(crate) is_locked: bool,
    /// Files of the repository that inputs replace.
    pub(crate) replaced: Vec<String>,
}

/// Looks at a folder as it will be with these files in it.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn find(
    directory: &Path,
    files: &[FutureFile<'_>],
    is_tofu: bool,
) -> Result<Findings, String> {
    let present =
        list(directory).map_err(|error| format!("The sources can't be listed: {error}."))?;
    let future = |name: &str| files.iter().find(|(other, _)| *other == name);
    let mut names = present.clone();
    names.extend(
        files.iter().map(|(name, _)| (*name).to_owned()).filter(|name| !present.contains(name)),
    );

    let mut contents = Vec::new();
    for name in configuration::files(&names, is_tofu) {
        let content = match future(name) {
            None => read(&directory.join(name)).map_err(|reason| {
                unreadable(&ConfigurationError::File { file: name.to_owned(), reason })
            })?,
            Some((_, Some(content))) => content.to_vec(),
            Some((_, None)) => {
                return Err(format!(
                    "The file input `{name}` is sensitive and would be a part of the configuration, which is not possible. Please \
                     ask the platform team to change the building block's definition."
                ));
            }
        };
        contents.push((name, content));
    }
    let contents = contents.iter().map(|(name, content)| (*name, content.as_slice()));
    let configuration = configuration::scan(contents).map_err(|error| unreadable(&error))?;

    let has = |name: &str| names.iter().any(|other| other == name);
    let replaced = present.iter().filter(|name| future(name).is_some());
    Ok(Findings {
        backend_file: free_name(&names),
        configuration,
        has_run_variables: has(file_name::RUN_VARIABLES),
        is_locked: has(LOCK_FILE),
        replaced: replaced.cloned().collect(),
    })
}

fn unreadable(error: &ConfigurationError) -> String {
    format!("The configuration can't be read: {error}. Please ask the platform team to correct it.")
}

fn free_name(names: &[String]) -> String {
    let candidates = (1..=names.len() + 1).map(|number| match number {
        1 => format!("{}.tf", file_name::BACKEND),
        _ => format!("{}_{number}.tf", file_name::BACKEND),
    });
    // There is one more candidate than there are names.
    candidates.into_iter().find(|candidate| !names.contains(candidate)).unwrap_or_default()
}

/// The names of the files; folders are modules, which have no say.
fn list(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn read(path: &Path) -> Result<Vec<u8>, &'static str> {
    let mut content = Vec::new();
    let file = File::open(path).map_err(|_| "it can't be opened")?;
    // One byte more than may be scanned, so that the scan notices.
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content).map_err(|_| "it can't be read")?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)], future: &[FutureFile<'_>]) -> Result<Findings, String> {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("folder.tf")).unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        find(directory.path(), future, false)
    }

    #[test]
    fn files_of_inputs_count_before_they_are_written() {
        let files = [("main.tf", "variable \"a\" {}"), ("x.txt", "")];
        let future: [FutureFile<'_>; 3] = [
            ("main.tf", Some(b"terraform {\n  backend \"s3\" {}\n}")),
            (".terraform.lock.hcl", Some(b"")),
            ("x.txt", None),
        ];
        let before = found(&files, &[]).unwrap();
        assert!(
            !before.configuration.has_backend && !before.is_locked && before.replaced.is_empty()
        );
        let after = found(&files, &future).unwrap();
        assert!(
            after.configuration.has_backend
                && after.is_locked
                && after.configuration.variables.is_empty()
        );
        assert_eq!(after.replaced, ["main.tf", "x.txt"]);
    }

    #[test]
    fn a_secret_cannot_be_configuration() {
        let error = found(&[], &[("extra.tf", None)]).unwrap_err();
        assert!(error.contains("`extra.tf` is sensitive"), "{error}");
    }

    #[test]
    fn no_file_of_the_repository_is_lost_to_the_backend() {
        let files = [
            ("meshStack_backend.tf", ""),
            ("meshStack_backend_2.tf", ""),
            ("meshStack_run_vars.tf", ""),
        ];
        let found = found(&files, &[]).unwrap();
        assert_eq!(found.backend_file, "meshStack_backend_3.tf");
        assert!(found.has_run_variables);
    }

    #[test]
    fn what_is_kept_is_what_was_found() {
        let kept = found(&[("main.tf", "variable \"a\" { type = string }")], &[]);
        let text = serde_json::to_string(&kept).unwrap();
        let read: Result<Findings, String> = serde_json::from_str(&text).unwrap();
        assert_eq!(read.unwrap().configuration, kept.unwrap().configuration);
        let error = found(&[("main.tf", "{")], &[]).map(|_| ());
        let read: Result<(), String> =
            serde_json::from_str(&serde_json::to_string(&error).unwrap()).unwrap();
        assert!(read.unwrap_err().contains("`main.tf`, line 1"));
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_whole() {
        let large = "#".repeat(usize::try_from(FILE_BYTES_MAX).unwrap() + 10);
        let error = found(&[("main.tf", &large)], &[]).unwrap_err();
        assert!(error.contains("a file of more than 2 MiB"), "{error}");
    }
}
