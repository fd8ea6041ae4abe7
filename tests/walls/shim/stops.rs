//! How a program is stopped: once, and harder only when that did not help.

use super::*;
use blockhouse::shim::StopReason;
use rustix::process::Signal;

/// Counts its interrupts in a file of that name; ends by itself some time after the first.
const COUNTS: &str = "n=0; trap 'echo $n >> interrupts' INT; echo > ready
while [ $n -lt 100 ]; do sleep 0.01; if [ -e interrupts ]; then n=$((n+1)); fi; done; exit 7";

#[tokio::test]
async fn one_interrupt_whoever_asks() {
    let place = Place::new();
    let mut spec = place.script(COUNTS);
    spec.timeout = Duration::from_secs(2);
    let mut operation = place.start(spec).await;
    place.wait_for_file("ready").await;
    operation.interrupt(StopReason::ByUser).unwrap();
    operation.interrupt(StopReason::Shutdown).unwrap();
    place.wait_for_file("interrupts").await;
    signal(place.shim(), Signal::TERM);
    signal(place.shim(), Signal::INT);
    operation.interrupt(StopReason::Time).unwrap();
    let end = end_of(&mut operation).await;
    assert_eq!(end.exit, Exit::Code(7));
    assert_eq!(place.file("interrupts").lines().count(), 1, "{}", place.file("interrupts"));
    let stop = end.stop.unwrap();
    assert_eq!((stop.reason, stop.interrupts, stop.killed), (StopReason::ByUser, 1, false));
}

#[tokio::test]
async fn the_interrupt_goes_to_the_program_alone() {
    let place = Place::new();
    // In the foreground, since a shell has what is in its background ignore interrupts.
    let script = "trap 'echo > told' INT
        sh -c 'trap \"echo > reached\" INT; echo > ready
        while [ ! -e ../operation/stop.json ]; do sleep 0.01; done; sleep 0.3' | cat
        [ -e told ]";
    let mut operation = place.start(place.script(script)).await;
    place.wait_for_file("ready").await;
    operation.interrupt(StopReason::ByUser).unwrap();
    let end = end_of(&mut operation).await;
    assert_eq!(end.exit, Exit::Code(0));
    assert!(!place.work().join("reached").exists());
    place.expect_no_survivors();
}

#[tokio::test]
async fn the_record_precedes_the_interrupt() {
    let place = Place::new();
    let script = "trap 'cp ../operation/stop.json seen; exit 0' INT; echo > ready
        while :; do sleep 0.01; done";
    let mut operation = place.start(place.script(script)).await;
    place.wait_for_file("ready").await;
    operation.interrupt(StopReason::Shutdown).unwrap();
    assert_eq!(end_of(&mut operation).await.exit, Exit::Code(0));
    let seen: serde_json::Value = serde_json::from_str(&place.file("seen")).unwrap();
    assert_eq!(seen["reason"], "shutdown");
    assert_eq!(seen["interrupts"], 1);
}

#[tokio::test]
async fn one_that_does_not_listen_is_interrupted_again_and_killed() {
    let place = Place::new();
    let step = Duration::from_millis(300);
    let mut spec = place.script(
        "trap 'echo >> interrupts' INT; echo > ready; setsid sleep 1000 &
        while :; do sleep 0.01; done",
    );
    spec.ladder = Ladder { grace: step, force: step, ..PATIENT };
    let mut operation = place.start(spec).await;
    place.wait_for_file("ready").await;
    operation.interrupt(StopReason::ByUser).unwrap();
    let end = end_of(&mut operation).await;
    assert_eq!(end.exit, Exit::Signal(9));
    let stop = end.stop.unwrap();
    assert_eq!((stop.reason, stop.interrupts, stop.killed), (StopReason::ByUser, 2, true));
    assert!(stop.took >= 2 * step, "{stop:?}");
    assert_eq!(place.file("interrupts").lines().count(), 2);
    place.expect_no_survivors();
    assert!(end.swept >= 1);
}

#[tokio::test]
async fn progress_puts_the_second_interrupt_off() {
    let place = Place::new();
    let script = "trap 'stopping=1' INT; echo > ready; n=0
        while [ $n -lt 60 ]; do sleep 0.02; echo \"x: Creation complete\"
        if [ -n \"$stopping\" ]; then n=$((n+1)); fi; done; exit 0";
    let mut spec = place.script(script);
    let grace = Duration::from_millis(100);
    spec.ladder = Ladder { grace, stall: Some(Duration::from_secs(60)), ..PATIENT };
    let mut operation = place.start(spec).await;
    place.wait_for_file("ready").await;
    operation.interrupt(StopReason::ByUser).unwrap();
    let end = end_of(&mut operation).await;
    assert_eq!((end.exit, end.stop.unwrap().interrupts), (Exit::Code(0), 1));
}

#[tokio::test]
async fn a_shim_that_is_told_to_end_interrupts_its_program_first() {
    for told in [Signal::TERM, Signal::INT, Signal::HUP] {
        let place = Place::new();
        let script = "trap 'echo > saved; exit 1' INT; echo > ready; while :; do sleep 0.01; done";
        let mut operation = place.start(place.script(script)).await;
        place.wait_for_file("ready").await;
        signal(place.shim(), told);
        let end = end_of(&mut operation).await;
        assert_eq!(end.exit, Exit::Code(1));
        assert_eq!(end.stop.unwrap().reason, StopReason::Orphaned);
        assert!(place.work().join("saved").exists());
    }
}
