//! The older top-level keys that only concern TERRAFORM runs: accepted and checked, so that files that people have keep
//! working, and used once this build executes such runs.

use std::path::PathBuf;
use std::time::Duration;

use super::measure::{Span, yes_or_no};
use super::reader::{Reader, Section};
use super::show::Show;

/// Said about each of the keys.
pub(super) const WITHOUT_EFFECT: &str =
    "takes effect with TERRAFORM runs, which this build does not execute yet";

const MINUTE: Duration = Duration::from_secs(60);
const MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const WORKSPACE_TIMEOUT: Span =
    Span { default: Duration::from_secs(5 * 60), min: MINUTE, max: MAX };
const INIT_TIMEOUT: Span = Span { default: Duration::from_secs(3 * 60), min: MINUTE, max: MAX };

/// How Terraform is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terraform {
    /// For the commands that select or make a workspace. `wsTimeoutMins`.
    pub workspace_timeout: Duration,
    /// For `terraform init`. `initTimeoutMins`.
    pub init_timeout: Duration,
    /// Where Terraform's versions are installed; below the state directory unless given. `tfInstallDir`.
    pub install_directory: Option<PathBuf>,
    /// Whether the host keys of git servers go unchecked. `insecureHostKeys`.
    pub insecure_host_keys: bool,
}

impl Terraform {
    pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Self {
        for key in ["wsTimeoutMins", "initTimeoutMins", "tfInstallDir", "insecureHostKeys"] {
            if let Some(found) = root.find(key) {
                reader.warn(&found, WITHOUT_EFFECT);
            }
        }
        let mut minutes = |key: &str, span: Span| {
            let value = reader.parse(key, root.find(key), |text| span.parse_count(text, MINUTE));
            value.unwrap_or(span.default)
        };
        let workspace_timeout = minutes("wsTimeoutMins", WORKSPACE_TIMEOUT);
        let init_timeout = minutes("initTimeoutMins", INIT_TIMEOUT);
        let found = root.find("tfInstallDir");
        let install_directory = reader.parse("tfInstallDir", found, |text| Ok(PathBuf::from(text)));
        let found = root.find("insecureHostKeys");
        let insecure_host_keys = reader.parse("insecureHostKeys", found, yes_or_no);
        Self {
            workspace_timeout,
            init_timeout,
            install_directory,
            insecure_host_keys: insecure_host_keys.unwrap_or(false),
        }
    }

    /// Shows only what was given: a default that has no effect would just be a warning when it is loaded again.
    pub(super) fn show(&self, out: &mut Show<'_>) {
        let minutes = |duration: Duration| (duration.as_secs() / 60).to_string();
        let directory =
            self.install_directory.as_ref().map(|path| path.to_string_lossy().into_owned());
        for (key, value) in [
            ("wsTimeoutMins", minutes(self.workspace_timeout)),
            ("initTimeoutMins", minutes(self.init_timeout)),
            ("tfInstallDir", directory.unwrap_or_default()),
            ("insecureHostKeys", self.insecure_host_keys.to_string()),
        ] {
            if out.is_given(key) {
                out.value(key, &value);
            }
        }
    }
}
