//! Disks that are full, clocks that jump, processes that are looked for.

use blockhouse_tests::terraform::LoopbackGate;
use blockhouse_tests::{Process, Processes, Role, SmallDisk, WallClock, patience};
use std::path::Path;
use std::process::{Child, Stdio};

#[test]
fn a_small_disk_fills_up_and_is_relieved() {
    let (directory, scripts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, shell) = (directory.path().join("state"), Path::new("/bin/sh"));
    std::fs::create_dir(&state).unwrap();
    let disk = SmallDisk::new(&state, 1 << 20, shell, scripts.path()).unwrap();
    let write = |file: &str| {
        let mut command = Process::command(disk.program(), directory.path());
        command.args(["-c", &format!("echo text > state/{file}")]).stderr(Stdio::null());
        command.status().unwrap().success()
    };
    assert!(write("one"));
    assert!(disk.seen_from_here().join("one").is_file());
    assert!(!state.join("one").exists(), "nobody else sees it");
    disk.fill().unwrap();
    assert!(!write("two"));
    disk.relieve().unwrap();
    assert!(write("three"), "what comes later sees the same disk");
}

#[test]
fn a_wall_clock_jumps_when_it_is_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let clock = WallClock::new(Path::new("/bin/date"), directory.path()).unwrap();
    let seconds = || {
        let mut command = Process::command(clock.program(), directory.path());
        let output = command.arg("+%s").output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<i64>().unwrap()
    };
    for jump in [86_400_000, -86_400_000, 0] {
        let right = seconds();
        clock.set(jump).unwrap();
        let off = seconds() - right - jump;
        assert!((0..3_600).contains(&off), "{off} seconds off");
        clock.set(0).unwrap();
    }
}

/// Ends with the test, whatever happens.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn processes_are_found_by_where_they_work_by_their_mark_and_by_their_parents() {
    let state = tempfile::tempdir().unwrap();
    let gate = LoopbackGate::new().await.unwrap();
    let outside = tempfile::tempdir().unwrap();
    // A child that works elsewhere, which starts a grandchild.
    let text =
        format!("cd /; /bin/bash -c '{}; true' & wait", gate.command("child").replace('\'', "\""));
    let mut command = Process::command(Path::new("/bin/bash"), state.path());
    let _parent = Killed(command.args(["-c", &text]).spawn().unwrap());
    gate.reached(1, patience()).await.unwrap();
    let mut command = Process::command(Path::new("/bin/bash"), outside.path());
    let marked = command.args(["-c", &gate.command("marked")]).env("BLOCKHOUSE_OPERATION", "x");
    let _marked = Killed(marked.spawn().unwrap());
    gate.reached(2, patience()).await.unwrap();
    let processes = Processes::now().unwrap();
    let is_marked = |seen: &&blockhouse_tests::Seen| seen.operation.as_deref() == Some("x");
    assert_eq!(processes.all().iter().filter(is_marked).count(), 1);
    // The shell went to `/`: it is not found by its directory, and neither is its child.
    assert!(processes.of(0, state.path()).is_empty(), "{processes:?}");

    let mut command = Process::command(Path::new("/bin/bash"), state.path());
    let text = format!("exec 9>open-file; cd /; {}", gate.command("open"));
    let mut open = Killed(command.args(["-c", &text]).spawn().unwrap());
    gate.reached(3, patience()).await.unwrap();
    let processes = Processes::now().unwrap();
    let found = processes.of(0, state.path());
    assert_eq!(found.iter().map(|seen| seen.id).collect::<Vec<_>>(), [open.0.id()]);
    found[0].kill().unwrap();
    open.0.wait().unwrap();
    assert!(Processes::now().unwrap().of(0, state.path()).is_empty());
}

#[tokio::test]
async fn a_shim_is_told_by_its_arguments_and_a_tool_by_its_name() {
    let state = tempfile::tempdir().unwrap();
    let gate = LoopbackGate::new().await.unwrap();
    let operation = state.path().join("runs/x/operations/1-init");
    let tool = state.path().join("terraform");
    std::fs::copy("/bin/bash", &tool).unwrap();
    // `shim DIRECTORY` are arguments that the script ignores.
    let text = format!(
        "{} -c '{}; true' & wait",
        tool.display(),
        gate.command("tool").replace('\'', "\"")
    );
    let mut command = Process::command(Path::new("/bin/bash"), Path::new("/"));
    let mut shim = Killed(command.args(["-c", &text, "shim"]).arg(&operation).spawn().unwrap());
    gate.reached(1, patience()).await.unwrap();
    let processes = Processes::now().unwrap();
    let shims = processes.with_role(Role::Shim, 0, state.path());
    assert_eq!(shims.iter().map(|seen| seen.id).collect::<Vec<_>>(), [shim.0.id()]);
    let tools = processes.with_role(Role::Tool, 0, state.path());
    assert_eq!(tools.len(), 1);
    assert_eq!(tools[0].parent, shim.0.id());
    tools[0].kill().unwrap();
    // It ends when its child has.
    shim.0.wait().unwrap();
    assert!(!tools[0].lives());
    assert!(tools[0].kill().is_err(), "its number may be another's by now");
}
