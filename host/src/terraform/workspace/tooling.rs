//! What the processes of a run are started with: [`Workspace::tooling`].

use super::{LOCK_FILE, Workspace, write_for};
use crate::confine::{Confinement, Limits, Mechanism};
use crate::terraform::answer::OperationError;
use crate::terraform::command::Tooling;
use crate::terraform::environment::{self, GIT_CONFIG, GIT_CONFIG_TEXT};
use crate::terraform::files::blocking;
use blockhouse_policy::Requirement;
use secrecy::ExposeSecret as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The file with the CLI configuration, in the directory of secrets.
const CLI_CONFIGURATION: &str = "terraform.rc";

impl Workspace {
    /// What processes are started with, now.
    pub(super) async fn tooling(&self) -> Result<Tooling, OperationError> {
        let Some(program) = self.program.clone() else {
            return Err(OperationError::Invalid("`install` must come first".to_owned()));
        };
        let (paths, config) = (&self.assignment.paths, &self.shared.config);
        let mirror = &self.mirror;
        let cli_configuration = paths.secrets.join(CLI_CONFIGURATION);
        let (looked, lock_file) = (mirror.clone(), paths.work.join(LOCK_FILE));
        let avoided = blocking(move || Ok(looked.mismatched(&lock_file))).await;
        let avoided = avoided.unwrap_or_default();
        let text = mirror.cli_configuration(&self.assignment.permit.providers(), &avoided);
        let text = Zeroizing::new(text.into_bytes());
        write_for(&self.assignment, &cli_configuration, text).await?;
        let git = Zeroizing::new(GIT_CONFIG_TEXT.as_bytes().to_vec());
        write_for(&self.assignment, &paths.secrets.join(GIT_CONFIG), git).await?;

        let inherited = config.environment.iter().find(|(name, _)| name == "PATH");
        let path = joined_path(&program.directory, inherited.map(|(_, value)| value.as_str()));
        let mut ours = environment::ours(paths, &cli_configuration, &self.context.user, path);
        if let Some(command) = &self.ssh {
            ours.push(("GIT_SSH_COMMAND", command.clone()));
        }
        if let Some(backend) = self.backend() {
            ours.push(("TF_HTTP_PASSWORD", backend.password.expose_secret().to_owned()));
            ours.push(("TF_HTTP_USERNAME", backend.username.clone()));
        }
        let mut environment = self.environment.all(&config.environment, ours);
        let system = crate::os::child_environment();
        environment.extend(
            system
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value.into_string().ok()?))),
        );

        // Modules may come by ssh, which wants to know who it is.
        let mut confinement = Confinement::system().with_accounts();
        confinement.read.push(paths.secrets.clone());
        confinement.read.extend(environment::files(&config.environment));
        confinement.execute.extend([program.directory.clone(), program.path.clone()]);
        confinement.execute.extend(mirror.paths());
        let write = [&paths.work, &paths.home, &paths.tmp, &paths.data, &paths.plan];
        confinement.write.extend(write.into_iter().cloned());
        confinement.network = true;
        confinement.user = self.assignment.user;
        let limits = self.assignment.permit.limits();
        confinement.limits = Limits {
            memory_bytes: Some(limits.memory_bytes),
            processes: Some(limits.processes),
            cpu_seconds: limits.cpu_time.map(|time| time.as_secs().max(1)),
            file_bytes: Some(limits.disk_bytes),
            disk_bytes: Some(limits.disk_bytes),
        };
        confinement.required =
            self.assignment.permit.required().into_iter().map(mechanism).collect();
        let work = paths.work.clone();
        let output_max = limits.output_bytes;
        Ok(Tooling { program, environment, confinement, work, output_max })
    }
}

fn mechanism(requirement: Requirement) -> Mechanism {
    match requirement {
        Requirement::Cgroup => Mechanism::Cgroup,
        Requirement::Landlock => Mechanism::Landlock,
        Requirement::NoNetwork => Mechanism::NoNetwork,
        Requirement::NoNewPrivileges => Mechanism::NoNewPrivileges,
        Requirement::Users => Mechanism::Users,
    }
}

/// The directory in front of the inherited ones.
fn joined_path(first: &Path, inherited: Option<&str>) -> String {
    let inherited = inherited.unwrap_or("/usr/local/bin:/usr/bin:/bin");
    let rest = std::env::split_paths(inherited).filter(|path| path.is_absolute());
    let all: Vec<PathBuf> = std::iter::once(first.to_owned()).chain(rest).collect();
    let joined = std::env::join_paths(all).ok().and_then(|joined| joined.into_string().ok());
    joined.unwrap_or_else(|| first.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_comes_first_and_relative_directories_never() {
        let first = Path::new("/tool");
        assert_eq!(joined_path(first, Some(".:/usr/bin::bin")), "/tool:/usr/bin");
        assert_eq!(joined_path(first, None), "/tool:/usr/local/bin:/usr/bin:/bin");
    }
}
