//! Programs are really confined here, and try to get out.

mod files;
mod group;
mod network;
mod privileges;
mod required;
mod terraform;

use super::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// A place with what a program may touch and what it may not.
struct Place {
    // Removed when dropped.
    _directory: TempDir,
    /// It may write here.
    work: PathBuf,
    /// It may only read here.
    read: PathBuf,
    /// Not its business: holds `secret`, with `plain` in it.
    outside: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Of another user's program, too.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let [work, read, outside] = ["work", "read", "outside"].map(|name| {
            let path = directory.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        });
        for place in [&outside, &read] {
            fs::write(place.join("secret"), "plain").unwrap();
            fs::write(place.join("program"), "#!/bin/sh\necho executed\n").unwrap();
            fs::set_permissions(place.join("program"), Permissions::from_mode(0o755)).unwrap();
        }
        Self { _directory: directory, work, read, outside }
    }

    fn confinement(&self) -> Confinement {
        let mut confinement = Confinement::system();
        confinement.write.push(self.work.clone());
        confinement.read.push(self.read.clone());
        confinement
    }

    /// What a script prints, and whether it went well.
    fn run(&self, confinement: &Confinement, script: &str) -> Ran {
        let mut command = self.bash(script);
        let mut prepared = confinement.prepare(&name()).unwrap();
        prepared.apply(&mut command);
        let output = command.output().map_err(|error| prepared.explain(error)).unwrap();
        remove(&prepared);
        Ran::from(output)
    }

    /// Starts a script that goes on.
    fn start(&self, confinement: &Confinement, script: &str) -> (Prepared, Child) {
        let mut command = self.bash(script);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut prepared = confinement.prepare(&name()).unwrap();
        prepared.apply(&mut command);
        let child = command.spawn().map_err(|error| prepared.explain(error)).unwrap();
        (prepared, child)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "`process` is above this, and starts nothing confined"
    )]
    fn bash(&self, script: &str) -> Command {
        let mut command = Command::new("/bin/bash");
        command.args(["--noprofile", "--norc", "-c", script]).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap()).current_dir(&self.work);
        command.env("READ", &self.read).env("OUTSIDE", &self.outside);
        command
    }
}

#[derive(Debug)]
struct Ran {
    is_well: bool,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let is_well = output.status.success();
        Self { is_well, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// One that no other test has, and no other process.
fn name() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

/// Of an operation that is over.
fn remove(prepared: &Prepared) {
    let Some(group) = prepared.group() else { return };
    wait_for(|| group.processes().unwrap().is_empty());
    // A process that has ended is a moment longer in it than it is seen.
    wait_for(|| group.remove().is_ok());
}

fn wait_for(condition: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed().as_secs() < 60, "it does not come about");
        std::thread::yield_now();
    }
}

/// A line of `/proc/<process>/status`, seen from outside.
fn status(process: u32, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{key}")).trim().to_owned()
}

#[test]
fn a_second_program_is_not_started_unconfined() {
    let place = Place::new();
    let mut prepared = place.confinement().prepare(&name()).unwrap();
    let (mut first, mut second) = (place.bash("true"), place.bash("true"));
    prepared.apply(&mut first);
    prepared.apply(&mut second);
    assert!(first.status().unwrap().success());
    assert!(second.status().is_err());
    remove(&prepared);
}

#[test]
fn what_could_not_be_done_is_told_and_told_apart_from_the_start() {
    let place = Place::new();
    let mut prepared = place.confinement().prepare(&name()).unwrap();
    let mut command = place.bash("true");
    command.current_dir(&place.outside);
    prepared.apply(&mut command);
    // The group that it is to join is gone.
    let is_grouped = prepared.group().is_some_and(|group| group.remove().is_ok());
    let error = command.status().map_err(|error| prepared.explain(error));
    match error {
        Err(ConfineError::Step { step, .. }) if is_grouped => {
            assert_eq!(step, "put it into its control group");
        }
        Ok(status) if !is_grouped => assert!(status.success()),
        other => panic!("{other:?}"),
    }

    let mut prepared = place.confinement().prepare(&name()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "as above")]
    let mut command = Command::new(place.outside.join("program"));
    prepared.apply(&mut command);
    let error = command.status().map_err(|error| prepared.explain(error));
    assert!(matches!(error, Err(ConfineError::Start(_))), "{error:?}");
    remove(&prepared);
}

#[test]
fn a_path_that_is_not_there_is_an_error_that_names_it() {
    let place = Place::new();
    let mut confinement = place.confinement();
    confinement.read.push(Path::new("/nowhere").into());
    let error = confinement.prepare(&name()).unwrap_err();
    let shown = crate::telemetry::chain(&error).to_string();
    assert!(shown.contains("failed to open `/nowhere`: No such file"), "{shown}");
}
