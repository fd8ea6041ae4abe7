//! What a program may take.

use super::*;
use blockhouse::confine::{self, Mechanism};
use blockhouse::shim::StopReason;

const ENDLESS: &str = "while :; do sleep 0.01; done";

#[tokio::test]
async fn time_is_limited() {
    let place = Place::new();
    let mut spec = place.script(ENDLESS);
    spec.timeout = Duration::from_millis(200);
    let end = place.run(spec).await;
    assert_eq!((end.exit, end.stop.unwrap().reason), (Exit::Signal(2), StopReason::Time));
}

#[tokio::test]
async fn output_is_limited_and_cut_off_if_it_goes_on() {
    let place = Place::new();
    // It ends when its file has been cut off.
    let script = "trap '' INT; head -c 5000000 /dev/zero
        while [ $(wc -c < ../operation/stdout) -gt 2000000 ]; do sleep 0.01; done; exit 3";
    let mut spec = place.script(script);
    spec.output_max = 10_000;
    let mut operation = place.start(spec).await;
    let end = end_of(&mut operation).await;
    assert_eq!((end.exit, end.stop.unwrap().reason), (Exit::Code(3), StopReason::Output));
    let kept = fs::metadata(operation.stdout()).unwrap().len();
    assert_eq!(kept, 10_000 + (1 << 20));
}

#[tokio::test]
async fn memory_of_the_tree_is_limited() {
    let place = Place::new();
    // The reader keeps all of an unfinished line.
    let script = "trap 'echo > saved; exit 1' INT
        (head -c 80000000 /dev/zero; exec sleep 1000) | tail -n 1 &
        while :; do sleep 0.01; done";
    let mut spec = place.script(script);
    spec.confinement.limits.memory_bytes = Some(64 << 20);
    let end = place.run(spec).await;
    let stop = end.stop.unwrap();
    assert_eq!((end.exit, stop.reason), (Exit::Code(1), StopReason::Memory));
    assert!(end.memory_peak.unwrap() > 48 << 20, "{:?}", end.memory_peak);
    assert!(place.work().join("saved").exists());
    place.expect_no_survivors();
}

#[tokio::test]
async fn disk_space_is_limited() {
    let place = Place::new();
    let script = format!(
        "trap 'echo > saved; exit 1' INT; mkdir a; head -c 3000000 /dev/zero > a/big; {ENDLESS}"
    );
    let mut spec = place.script(&script);
    spec.confinement.limits.disk_bytes = Some(1 << 20);
    let end = place.run(spec).await;
    assert_eq!((end.exit, end.stop.unwrap().reason), (Exit::Code(1), StopReason::Disk));
    assert!(place.work().join("saved").exists());
}

/// Doubles itself ten times: some two thousand processes, if nobody is in the way. They end by themselves.
const BOMB: &str =
    "bomb() { if [ $1 -gt 0 ]; then bomb $(($1-1)) & bomb $(($1-1)) & fi; exec sleep 100; }
bomb 10 & ";

/// What of a test was running at most, before its end.
async fn most(place: &Place, operation: &mut Operation) -> (End, usize) {
    let ended = end_of(operation);
    tokio::pin!(ended);
    let mut most = 0;
    loop {
        tokio::select! {
            end = &mut ended => return (end, most),
            () = tokio::time::sleep(Duration::from_millis(20)) => most = most.max(place.survivors().len()),
        }
    }
}

#[tokio::test]
async fn a_fork_bomb_is_stopped_before_it_has_taken_the_machine() {
    // Where there is a control group, the bomb can't start what is above the limit, and nothing is to be stopped.
    let is_limited = confine::missing(&[Mechanism::Cgroup]).is_empty();
    let place = Place::new();
    let script = format!("trap 'echo > saved; exit 1' INT; {BOMB} {ENDLESS}");
    let mut spec = place.script(&script);
    spec.confinement.limits.processes = Some(40);
    if is_limited {
        spec.timeout = Duration::from_secs(2);
    }
    let mut operation = place.start(spec).await;
    let (end, most) = most(&place, &mut operation).await;
    let stop = end.stop.unwrap();
    let reason = if is_limited { StopReason::Time } else { StopReason::Processes };
    assert_eq!((end.exit, stop.reason, stop.interrupts), (Exit::Code(1), reason, 1));
    assert!(place.work().join("saved").exists(), "the program itself is left to save what it has");
    assert!(most < 1500, "{most} of 2048");
    place.expect_no_survivors();
}

#[tokio::test]
async fn a_program_that_is_its_own_fork_bomb_ends_by_its_ladder() {
    if confine::missing(&[Mechanism::Cgroup]).is_empty() {
        return;
    }
    let place = Place::new();
    // At most so many: it deserves no trust.
    let script = "trap '' INT; n=0; while [ $n -lt 3000 ]; do n=$((n+1)); sleep 100 & done; exit 0";
    let mut spec = place.script(script);
    spec.confinement.limits.processes = Some(40);
    let step = Duration::from_millis(300);
    spec.ladder = Ladder { grace: step, force: step, ..PATIENT };
    let mut operation = place.start(spec).await;
    let (end, most) = most(&place, &mut operation).await;
    assert_eq!(end.stop.unwrap().reason, StopReason::Processes);
    assert!(most < 2500, "{most} of 3000");
    place.expect_no_survivors();
}

#[tokio::test]
async fn time_on_a_core_of_the_tree_is_limited_and_the_state_can_be_saved() {
    // Whoever burns it: the program, one that it waits for, and those that it has waited for.
    for burner in [
        "while :; do :; done",
        "sh -c 'while :; do :; done' & while :; do sleep 0.01; done",
        "while :; do sh -c 'n=0; while [ $n -lt 20000 ]; do n=$((n+1)); done'; done",
    ] {
        let place = Place::new();
        let script = format!("trap 'echo >> saved; exit 1' INT; {burner}");
        let mut spec = place.script(&script);
        spec.confinement.limits.cpu_seconds = Some(1);
        let end = place.run(spec).await;
        let stop = end.stop.unwrap();
        assert_eq!((end.exit, stop.reason), (Exit::Code(1), StopReason::Cpu), "{burner}");
        assert_eq!((stop.interrupts, stop.killed), (1, false), "{burner}");
        assert_eq!(place.file("saved"), "\n", "{burner}");
        place.expect_no_survivors();
    }
}
