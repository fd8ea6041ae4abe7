//! What a program may take.

use super::*;
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
