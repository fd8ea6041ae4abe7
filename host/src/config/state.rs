//! `state`: where runs are journalled.

use std::path::PathBuf;

use super::reader::{Complaint, Reader, Section};
use super::show::Show;
use super::variables;
use crate::os::Platform;

const KEYS: &[&str] = &["directory"];
/// Our directory below the platform's place for state.
const NAME: &str = "blockhouse";

/// What must survive a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Run directories (the journal) live here. `state.directory`, else `workingDir`, else the
    /// platform's place: `/var/lib/blockhouse` for root, `$XDG_STATE_HOME/blockhouse` or `~/.local/state/blockhouse` for
    /// others, `%PROGRAMDATA%\blockhouse` on Windows.
    pub directory: PathBuf,
}

impl State {
    /// `None` only beside a mistake.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        root: &Section<'_>,
        platform: Platform,
    ) -> Option<Self> {
        let section = reader.subsection(root, "state", KEYS);
        let found = section.find("directory").or_else(|| root.find("workingDir"));
        if found.is_some() {
            let directory = reader.parse("state.directory", found, |text| Ok(PathBuf::from(text)));
            return directory.map(|directory| Self { directory });
        }
        let directory = platform_directory(reader, platform);
        if directory.is_none() {
            let hint = match platform {
                Platform::Unix { .. } => "or set HOME",
                Platform::Windows => "or set PROGRAMDATA",
            };
            let message = "is missing, and the environment does not say where state belongs";
            reader.missing(&section, "directory", Complaint::from(message).hint(hint));
        }
        directory.map(|directory| Self { directory })
    }

    pub(super) fn show(&self, out: &mut Show<'_>) {
        out.section("state", |out| out.value("directory", &self.directory.to_string_lossy()));
    }
}

fn platform_directory(reader: &Reader<'_>, platform: Platform) -> Option<PathBuf> {
    match platform {
        Platform::Unix { root: true } => Some(PathBuf::from("/var/lib").join(NAME)),
        Platform::Unix { root: false } => {
            // The XDG specification says that a relative path is to be ignored.
            let xdg = reader.environment(variables::XDG_STATE_HOME).map(PathBuf::from);
            let xdg = xdg.filter(|path| path.has_root());
            let home = || reader.environment(variables::HOME);
            xdg.or_else(|| home().map(|home| PathBuf::from(home).join(".local/state")))
                .map(|base| base.join(NAME))
        }
        Platform::Windows => {
            reader.environment(variables::PROGRAMDATA).map(|base| PathBuf::from(base).join(NAME))
        }
    }
}
