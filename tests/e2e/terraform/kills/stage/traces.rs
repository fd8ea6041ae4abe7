//! What runs leave: secrets in files while they are held, processes and secrets afterwards.

use super::{Troupe, has_locks};
use anyhow::Result;
use blockhouse_tests::{Leak, Processes, SmallDisk};
use std::os::unix::fs::PermissionsExt as _;

impl Troupe {
    /// Secrets in files while the run is held: outside of its directory there are none, and inside only where `host/docs/terraform.md`
    /// says so.
    pub(super) fn leaks_of_held(&self) -> Result<Vec<String>> {
        let held = self.run()?;
        let state =
            self.disk.as_ref().map_or_else(|| self.scene.state(), SmallDisk::seen_from_here);
        let run = state.join("runs").join(held.id.to_string());
        let places = ["plan", "secrets", "work/aaaaaa_meshstack-inputs.auto.tfvars.json"];
        let mut places = places.map(|place| run.join(place)).to_vec();
        let operations = std::fs::read_dir(run.join("operations")).into_iter().flatten().flatten();
        let outputs =
            operations.filter(|entry| entry.file_name().to_string_lossy().ends_with("-outputs"));
        places.extend(outputs.map(|entry| entry.path().join("stdout")));
        let mut roots = vec![self.scene.directory().to_owned()];
        roots.extend(self.disk.is_some().then_some(state.clone()));
        let mut leaks = Vec::new();
        for root in &roots {
            leaks.extend(
                self.leaks.in_directory(root, |path| places.iter().any(|place| place == path))?,
            );
        }
        // With a backend of their own, the sources have the token in them, and so has what Terraform notes of its backend.
        if has_locks(held.phase) {
            places.extend([run.join("work"), run.join("data"), state.join("git")]);
        }
        for root in &roots {
            leaks.extend(
                self.told.in_directory(root, |path| places.iter().any(|place| place == path))?,
            );
        }
        leaks.extend(self.leaks.in_arguments()?);
        leaks.extend(self.told.in_arguments()?);
        let told =
            |leak: &Leak| format!("{} in {} while the run was held", leak.secret, leak.place);
        let mut leaks: Vec<_> = leaks.iter().map(told).collect();
        let mode = std::fs::metadata(&run).map_or(0, |run| run.permissions().mode());
        leaks.extend((mode & 0o077 != 0).then(|| format!("the run's directory is open: {mode:o}")));
        Ok(leaks)
    }

    /// What is still there of runs and should not be.
    pub(super) fn left(&self) -> Result<(Vec<String>, Vec<String>)> {
        let daemon = self.scene.daemon.as_ref().map_or(0, blockhouse_tests::Process::id);
        let processes = Processes::now()?;
        let survivors = processes.of(daemon, &self.scene.state());
        let survivors = survivors.iter().map(|seen| format!("{:?}", seen.command)).collect();
        let mut leaks = self.leaks.in_directory(self.scene.directory(), |_| false)?;
        if let Some(disk) = &self.disk {
            leaks.extend(self.leaks.in_directory(&disk.seen_from_here(), |_| false)?);
        }
        leaks.extend(self.leaks.in_arguments()?);
        leaks.extend(self.told.in_bytes("the log", self.scene.log().as_bytes()));
        let leaks = leaks.iter().map(|leak| format!("{} in {}", leak.secret, leak.place));
        Ok((survivors, leaks.collect()))
    }
}
