//! What is started: [`Tooling`] makes the command lines.
//!
//! They are all here. None has text from outside in a place where it could be taken for an option.

use super::store::Program;
use crate::confine::Confinement;
use crate::shim::{Ladder, Spec};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// A lock is tried for once by each process. Whoever dies then either had it or never could have: nothing waits in between. Repeated
/// by us, since some backends ignore the option (opentofu#4225).
const LOCK_ONCE: &str = "-lock-timeout=0s";

/// What every process that writes plans or changes things is told: never ask, no colours.
const PLAIN: [&str; 2] = ["-input=false", "-no-color"];

/// The name of the plan of `plan`, in the directory of plans.
pub(super) const OWN_PLAN: &str = "tfplan";

/// That plan, once nothing but publishing it is to come.
pub(super) const SEALED_PLAN: &str = "tfplan.sealed";

/// The name of the plan of `fetch-plan`.
pub(super) const FETCHED_PLAN: &str = "fetched";

/// The resource that [`probe`] asks for; it does not exist.
const PROBE: &str = "terraform_data.blockhouse_probe";

/// A snapshot of what processes are started with.
#[derive(Clone)]
pub(super) struct Tooling {
    pub(super) program: Program,
    pub(super) environment: Vec<(String, String)>,
    pub(super) confinement: Confinement,
    pub(super) work: PathBuf,
    pub(super) output_max: u64,
}

impl Tooling {
    /// The program with these arguments.
    pub(super) fn spec(&self, arguments: Vec<String>, ladder: Ladder, timeout: Duration) -> Spec {
        Spec {
            program: self.program.path.clone(),
            arguments,
            environment: self.environment.clone(),
            directory: self.work.clone(),
            stdin: Vec::new(),
            confinement: self.confinement.clone(),
            ladder,
            timeout,
            output_max: self.output_max,
        }
    }
}

fn line(words: &[&str], rest: impl IntoIterator<Item = String>) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).chain(rest).collect()
}

/// `init`. A committed lock file is respected without `-lockfile=readonly`: its versions are chosen and its checksums are insisted on
/// either way. `readonly` would only make files fail that lack a provider, and keep the checksums of this platform out of the file,
/// by which the mirror verifies what was downloaded.
pub(super) fn init(state: Option<&Url>, upgrade: bool) -> Vec<String> {
    let mut rest = Vec::new();
    if upgrade {
        rest.push("-upgrade".to_owned());
    }
    if let Some(address) = state {
        // SECURITY: terraform::command::credentials_go_to_the_address_that_we_know
        rest.push(format!("-backend-config=address={address}"));
        rest.push("-backend-config=skip_cert_verification=false".to_owned());
    }
    line(&["init", PLAIN[0], PLAIN[1]], rest)
}

/// `workspace list`.
pub(super) fn workspaces() -> Vec<String> {
    line(&["workspace", "list", "-no-color"], [])
}

/// `workspace select`.
pub(super) fn select_workspace(name: &str) -> Vec<String> {
    line(&["workspace", "select", "-no-color", "--", name], [])
}

/// `workspace new`.
pub(super) fn create_workspace(name: &str) -> Vec<String> {
    line(&["workspace", "new", "-no-color", LOCK_ONCE, "--", name], [])
}

/// `workspace delete`.
pub(super) fn delete_workspace(name: &str) -> Vec<String> {
    line(&["workspace", "delete", "-no-color", "-force", LOCK_ONCE, "--", name], [])
}

/// `plan` into the directory of plans.
pub(super) fn plan(directory: &Path) -> Vec<String> {
    let out = format!("-out={}", directory.join(OWN_PLAN).display());
    line(&["plan", PLAIN[0], PLAIN[1], "-detailed-exitcode", LOCK_ONCE], [out])
}

/// `apply`.
pub(super) fn apply() -> Vec<String> {
    line(&["apply", PLAIN[0], PLAIN[1], "-auto-approve", LOCK_ONCE], [])
}

/// `apply` of the fetched plan.
pub(super) fn apply_plan(directory: &Path) -> Vec<String> {
    let file = directory.join(FETCHED_PLAN).display().to_string();
    line(&["apply", PLAIN[0], PLAIN[1], LOCK_ONCE], [file])
}

/// `destroy`.
pub(super) fn destroy() -> Vec<String> {
    line(&["destroy", PLAIN[0], PLAIN[1], "-auto-approve", LOCK_ONCE], [])
}

/// `output -json`.
pub(super) fn outputs() -> Vec<String> {
    line(&["output", "-no-color", "-json"], [])
}

/// `state push` of a file.
pub(super) fn push(file: &Path) -> Vec<String> {
    line(&["state", "push", "-no-color", LOCK_ONCE], [file.display().to_string()])
}

/// `state pull`.
pub(super) fn pull() -> Vec<String> {
    line(&["state", "pull", "-no-color"], [])
}

/// The command of [`probe`], after which its lock is called.
pub(super) const PROBE_OPERATION: &str = "untaint";

/// Takes the lock, changes nothing and gives it back: tells whether another one has it.
pub(super) fn probe() -> Vec<String> {
    line(&[PROBE_OPERATION, "-no-color", "-allow-missing", LOCK_ONCE, PROBE], [])
}

/// `force-unlock`. The id has no other characters than [`locks`](super::locks) lets through.
pub(super) fn unlock(id: &str) -> Vec<String> {
    line(&["force-unlock", "-no-color", "-force", "--", id], [])
}

/// The arguments of `bash` for a script.
pub(super) fn script(file: &Path, behavior: &str) -> Vec<String> {
    let words = ["--noprofile", "--norc", "-e", "-o", "pipefail"];
    line(&words, [file.display().to_string(), behavior.to_owned()])
}

/// Whether a text can be the name of a workspace: those that Terraform itself would refuse are left to it.
pub(super) fn is_workspace_name(name: &str) -> bool {
    const LONGEST: usize = 1024;
    let is_plain = !name.chars().any(char::is_control);
    !name.is_empty() && name.len() <= LONGEST && !name.starts_with('-') && is_plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_to_the_address_that_we_know() {
        let address = Url::parse("https://mesh.example/state?a=b").unwrap();
        assert_eq!(
            init(Some(&address), false),
            [
                "init",
                "-input=false",
                "-no-color",
                "-backend-config=address=https://mesh.example/state?a=b",
                "-backend-config=skip_cert_verification=false",
            ]
        );
        assert_eq!(init(None, true), ["init", "-input=false", "-no-color", "-upgrade"]);
    }

    #[test]
    fn nothing_asks_and_nothing_works_without_a_lock() {
        let plans = Path::new("/run/plan");
        let all = [
            apply(),
            apply_plan(plans),
            create_workspace("w"),
            delete_workspace("w"),
            destroy(),
            plan(plans),
            probe(),
            push(Path::new("errored.tfstate")),
        ];
        for line in all {
            assert!(line.iter().any(|word| word == LOCK_ONCE), "{line:?}");
            assert!(!line.iter().any(|word| word.starts_with("-lock=")), "{line:?}");
        }
        for line in [apply(), apply_plan(plans), destroy(), init(None, true), plan(plans)] {
            assert_eq!(line[1..3], ["-input=false", "-no-color"]);
        }
        assert_eq!(
            plan(plans).join(" "),
            "plan -input=false -no-color -detailed-exitcode -lock-timeout=0s -out=/run/plan/tfplan"
        );
        assert_eq!(
            apply_plan(plans).join(" "),
            "apply -input=false -no-color -lock-timeout=0s /run/plan/fetched"
        );
        assert!(!apply_plan(plans).contains(&"-auto-approve".to_owned()));
    }

    #[test]
    fn a_name_is_never_an_option() {
        for name in ["", "-force", "--", "a\nb", "a\0"] {
            assert!(!is_workspace_name(name), "{name:?}");
        }
        assert!(is_workspace_name("team.project._:1b2c"));
        for line in [select_workspace("w"), create_workspace("w"), delete_workspace("w")] {
            assert_eq!(line[line.len() - 2..], ["--", "w"]);
        }
        assert_eq!(unlock("1-2")[3..], ["--", "1-2"]);
    }
}
