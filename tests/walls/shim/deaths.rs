//! Whoever dies, program, shim, daemon or machine: nothing is left running, and the next daemon knows.

use super::*;
use blockhouse::shim::{Found, StopReason};
use blockhouse_tests::Process;
use rustix::process::Signal;

/// Starts one in its own session that has lost its parent, then goes on with the rest.
const ESCAPES: &str = "(setsid sh -c 'echo > escaped; exec sleep 1000' &)
while [ ! -e escaped ]; do sleep 0.01; done";

#[tokio::test]
async fn what_left_the_session_is_swept() {
    let place = Place::new();
    let end = place.run(place.script(&format!("{ESCAPES}; exit 0"))).await;
    assert_eq!((end.exit, end.swept), (Exit::Code(0), 1));
    place.expect_no_survivors();
}

#[tokio::test]
async fn a_killed_shim_interrupts_its_program() {
    let place = Place::new();
    let script = "trap 'sleep 0.3; echo > saved; exit 1' INT; echo > ready
        while :; do sleep 0.01; done";
    let mut operation = place.start(place.script(script)).await;
    place.wait_for_file("ready").await;
    signal(place.shim(), Signal::KILL);
    let end = end_of(&mut operation).await;
    assert_eq!(end.exit, Exit::Unseen);
    let stop = end.stop.unwrap();
    assert_eq!((stop.reason, stop.interrupts, stop.killed), (StopReason::Orphaned, 1, false));
    assert!(place.work().join("saved").exists(), "it was not left the time to save");
    place.expect_no_survivors();
    let found = launcher().find(&place.operation()).await.unwrap();
    assert!(matches!(found, Found::Ended(found) if found == end));
}

#[tokio::test]
async fn what_outlived_a_killed_shim_is_swept() {
    let place = Place::new();
    // Its interrupt makes it start yet another one, which nobody is the parent of.
    let script = format!(
        "{ESCAPES}; trap 'setsid sleep 1000 & exit 0' INT; echo > ready; while :; do sleep 0.01; done"
    );
    let mut operation = place.start(place.script(&script)).await;
    place.wait_for_file("ready").await;
    signal(place.shim(), Signal::KILL);
    let end = end_of(&mut operation).await;
    assert_eq!(end.exit, Exit::Unseen);
    assert!(end.swept >= 1, "{end:?}");
    place.expect_no_survivors();
}

#[tokio::test]
async fn a_program_that_ignores_the_death_of_its_shim_is_killed_by_its_ladder() {
    let place = Place::new();
    let step = Duration::from_millis(300);
    let mut spec = place.script("trap '' INT; echo > ready; while :; do sleep 0.01; done");
    spec.ladder = Ladder { grace: step, force: step, ..PATIENT };
    let mut operation = place.start(spec).await;
    place.wait_for_file("ready").await;
    signal(place.shim(), Signal::KILL);
    let stop = end_of(&mut operation).await.stop.unwrap();
    assert_eq!((stop.interrupts, stop.killed), (2, true));
    place.expect_no_survivors();
}

#[tokio::test]
async fn a_shim_that_comes_late_starts_nothing() {
    let place = Place::new();
    let late = place.0.path().join("late");
    let (work, program) = (place.work(), program());
    let script = format!(
        "#!/bin/sh\necho > {0}/waiting\nwhile [ ! -e {0}/go ]; do sleep 0.01; done\nexec {1} \"$@\"\n",
        work.display(),
        program.display()
    );
    fs::write(&late, script).unwrap();
    fs::set_permissions(&late, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let (directory, spec) = (place.operation(), place.script("echo > ../work/ran"));
    let start =
        tokio::spawn(async move { Launcher { program: late }.start(&directory, spec).await });
    place.wait_for_file("waiting").await;
    let found = launcher().find(&place.operation()).await.unwrap();
    assert!(matches!(found, Found::NotStarted), "{found:?}");
    fs::write(place.work().join("go"), "").unwrap();
    let error = start.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("was withdrawn"), "{error}");
    assert!(!place.work().join("ran").exists());
    // And nothing of it stands in the way of the next.
    assert_eq!(place.run(place.script("echo > ran")).await.exit, Exit::Code(0));
    assert!(place.work().join("ran").exists());
}

#[tokio::test]
async fn after_a_restart_of_the_machine_nothing_is_killed() {
    let place = Place::new();
    let mut operation = place.start(place.script("echo > ready; exec sleep 1000")).await;
    place.wait_for_file("ready").await;
    let path = place.operation().join("status.json");
    let mut status = place.record("status.json");
    status["boot"] = "another".into();
    fs::write(&path, status.to_string()).unwrap();
    let Found::Running(mut found) = launcher().find(&place.operation()).await.unwrap() else {
        panic!("it is not found");
    };
    let end = end_of(&mut found).await;
    assert_eq!((end.exit, end.stop, end.swept), (Exit::Unseen, None, 0));
    assert_eq!(place.survivors().len(), 1, "these numbers are other processes' by now");
    operation.interrupt(StopReason::ByUser).unwrap();
    wait_for("its end", || place.survivors().is_empty()).await;
    end_of(&mut operation).await;
}

/// What [`daemon`] starts.
const DAEMON_IN: &str = "BLOCKHOUSE_TEST_DAEMON_IN";
const ORPHAN: &str = "BLOCKHOUSE_TEST_ORPHAN";

const SURVIVES: &str = "trap 'echo > interrupted; exit 5' INT; echo > ready
while [ ! -e go ]; do sleep 0.01; done; echo done; exit 4";

/// Does nothing, unless it is started as a daemon that is going to be killed.
#[tokio::test]
async fn a_daemon_that_is_killed() {
    let Some(place) = std::env::var_os(DAEMON_IN).map(PathBuf::from) else { return };
    let mut spec = spec(&place, "/bin/sh", &["-c", SURVIVES]);
    spec.ladder.orphan = match std::env::var(ORPHAN).as_deref() {
        Ok("interrupted") => Orphan::IsInterrupted,
        _ => Orphan::Continues,
    };
    let mut operation = launcher().start(&place.join("operation"), spec).await.unwrap();
    end_of(&mut operation).await;
}

/// Starts a daemon, which starts a program, and kills the daemon.
async fn kill_a_daemon(place: &Place, orphan: &str) {
    let test = std::env::current_exe().unwrap();
    let mut daemon = Process::command(&test, place.0.path())
        .args(["--exact", "shim::deaths::a_daemon_that_is_killed"])
        .env(DAEMON_IN, place.0.path())
        .env(ORPHAN, orphan)
        .spawn()
        .unwrap();
    place.wait_for_file("ready").await;
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}

async fn adopt(place: &Place) -> Operation {
    match launcher().find(&place.operation()).await.unwrap() {
        Found::Running(operation) => operation,
        found => panic!("{found:?}"),
    }
}

#[tokio::test]
async fn an_operation_outlives_its_daemon_and_is_adopted() {
    let place = Place::new();
    kill_a_daemon(&place, "continues").await;
    let mut operation = adopt(&place).await;
    assert!(!place.survivors().is_empty());
    fs::write(place.work().join("go"), "").unwrap();
    let end = end_of(&mut operation).await;
    assert_eq!((&end.exit, end.stop), (&Exit::Code(4), None));
    assert_eq!(fs::read_to_string(operation.stdout()).unwrap(), "done\n");
    let found = launcher().find(&place.operation()).await.unwrap();
    assert!(matches!(found, Found::Ended(found) if found == end));
}

#[tokio::test]
async fn an_adopted_operation_is_stopped_like_any_other() {
    let place = Place::new();
    kill_a_daemon(&place, "continues").await;
    let mut operation = adopt(&place).await;
    operation.interrupt(StopReason::Shutdown).unwrap();
    let end = end_of(&mut operation).await;
    assert_eq!((end.exit, end.stop.unwrap().reason), (Exit::Code(5), StopReason::Shutdown));
}

#[tokio::test]
async fn an_adopted_operation_whose_shim_is_killed_too_is_swept() {
    let place = Place::new();
    kill_a_daemon(&place, "continues").await;
    let mut operation = adopt(&place).await;
    signal(place.shim(), Signal::KILL);
    assert_eq!(end_of(&mut operation).await.exit, Exit::Unseen);
    assert!(place.work().join("interrupted").exists());
    place.expect_no_survivors();
}

#[tokio::test]
async fn a_program_is_interrupted_with_its_daemon_if_its_ladder_says_so() {
    let place = Place::new();
    kill_a_daemon(&place, "interrupted").await;
    wait_for("its end", || place.operation().join("end.json").exists()).await;
    let Found::Ended(end) = launcher().find(&place.operation()).await.unwrap() else {
        panic!("it has not ended");
    };
    let stop = end.stop.unwrap();
    assert_eq!((end.exit, stop.reason), (Exit::Code(5), StopReason::Orphaned));
    assert_eq!((stop.interrupts, stop.killed), (1, false));
    place.expect_no_survivors();
}
