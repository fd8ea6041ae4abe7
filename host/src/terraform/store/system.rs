//! Programs that are on the machine already: [`System`].

use super::{InUse, Program, StoreError, Tool};
use crate::digest::Digest;
use crate::os;
use crate::process::{self, Surroundings};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Telling the version takes milliseconds, on a slow machine seconds.
const TIMEOUT: Duration = Duration::from_secs(30);

const OUTPUT_MAX: usize = 64 << 10;

/// What is known of a program, as long as its file is the same.
#[derive(Clone, Debug)]
struct Known {
    bytes: u64,
    modified: Option<SystemTime>,
    digest: Digest,
    tool: Tool,
    version: String,
}

/// Asks programs for their version, each once.
#[derive(Debug, Default)]
pub(super) struct System {
    known: Mutex<HashMap<PathBuf, Known>>,
}

impl System {
    /// The first of the programs `paths` that is this tool in exactly this version. Links to it are made below `links`. What can't be
    /// used is told in the log and passed over.
    pub(super) fn find(
        &self,
        paths: &[PathBuf],
        tool: Tool,
        version: &str,
        links: &Path,
    ) -> Result<Option<Program>, StoreError> {
        for path in paths {
            let shown = path.display();
            match self.look_at(path, tool, version) {
                Ok(None) => {}
                Ok(Some((path, digest))) => {
                    let directory = link(&path, digest, links).map_err(|error| {
                        StoreError::Unavailable(format!("`{shown}` can't be linked to: {error}"))
                    })?;
                    let version = version.to_owned();
                    return Ok(Some(Program {
                        tool,
                        version,
                        path,
                        directory,
                        _in_use: InUse(None),
                    }));
                }
                Err(why) => {
                    tracing::warn!(program = %shown, why, "a program of this machine can't be used")
                }
            }
        }
        Ok(None)
    }

    /// The file and its digest, if it is the program.
    fn look_at(
        &self,
        path: &Path,
        tool: Tool,
        version: &str,
    ) -> Result<Option<(PathBuf, Digest)>, String> {
        let io = |error: io::Error| error.to_string();
        let path = fs::canonicalize(path).map_err(io)?;
        let file = File::open(&path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        let (bytes, modified) = (metadata.len(), metadata.modified().ok());
        let is_same = |known: &Known| (known.bytes, known.modified) == (bytes, modified);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        let known = known.filter(is_same);
        let is_it = |known: &Known| known.tool == tool && known.version == version;
        if known.as_ref().is_some_and(|known| !is_it(known)) {
            return Ok(None);
        }
        // SECURITY: terraform::store::tests::a_program_of_the_machine_is_asked_again_when_it_changes
        let digest = Digest::of_stream(&file).map_err(io)?;
        let known = match known.filter(|known| known.digest == digest) {
            Some(known) => known,
            None => {
                let (tool, version) = ask(&path)?;
                let known = Known { bytes, modified, digest, tool, version };
                self.known
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(path.clone(), known.clone());
                known
            }
        };
        Ok(is_it(&known).then_some((path, digest)))
    }
}

/// Which tool and version a program says that it is. Not by `-json`: that names both tools `terraform_version`.
fn ask(path: &Path) -> Result<(Tool, String), String> {
    let program = process::Program {
        path,
        arguments: vec![OsString::from("version")],
        stdin: &[],
        stdout_max: OUTPUT_MAX,
        timeout: TIMEOUT,
    };
    let environment = [(OsString::from("CHECKPOINT_DISABLE"), OsString::from("1"))];
    let surroundings = Surroundings { environment: &environment, ..Surroundings::default() };
    let output = program.run_in(&surroundings).map_err(|error| error.to_string())?;
    parse(&String::from_utf8_lossy(&output)).ok_or_else(|| "it does not say its version".to_owned())
}

fn parse(output: &str) -> Option<(Tool, String)> {
    let first = output.lines().next()?.trim_end();
    let tools = [("OpenTofu v", Tool::Tofu), ("Terraform v", Tool::Terraform)];
    let (version, tool) =
        tools.into_iter().find_map(|(start, tool)| Some((first.strip_prefix(start)?, tool)))?;
    // A text that could be no version can't equal one, but it ends up in logs.
    semver::Version::parse(version).ok()?;
    Some((tool, version.to_owned()))
}

/// A directory with nothing but both names for the program.
fn link(program: &Path, digest: Digest, links: &Path) -> io::Result<PathBuf> {
    let name = format!("{}\0{digest}", program.display());
    let name = data_encoding::HEXLOWER.encode(Digest::of(name.as_bytes()).as_bytes());
    let directory = links.join(name);
    let opened = os::create_private_directory(&directory)?;
    os::set_mode(&opened, 0o755)?;
    for tool in [Tool::Terraform, Tool::Tofu] {
        match os::link(program, &directory.join(tool.file_name())) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tools_tell_their_version() {
        let terraform = "Terraform v1.11.4\non linux_amd64\n";
        assert_eq!(parse(terraform), Some((Tool::Terraform, "1.11.4".to_owned())));
        let tofu = "OpenTofu v1.6.0-rc1\r\non linux_amd64\r\n";
        assert_eq!(parse(tofu), Some((Tool::Tofu, "1.6.0-rc1".to_owned())));
        for text in ["", "\n", "Terraform", "Terraform v", "Terraform vx\n", "Packer v1.2.3"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
