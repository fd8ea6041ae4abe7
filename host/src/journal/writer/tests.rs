use super::*;
use crate::journal::record::replay;
use crate::journal::tests::KEY;
#[cfg(unix)]
use std::fs::File;
use std::path::Path;

fn log(directory: &Path) -> Log {
    let runner = Arc::clone(KEY.public());
    let earlier = (0, BTreeMap::new());
    let mut log = Log::new(directory.to_owned(), runner, Health::default(), earlier);
    log.carry_over(&BTreeMap::new()).unwrap();
    log
}

/// The same on a disk that takes whatever is written, and can't be synced.
#[cfg(unix)]
fn log_that_is_lost(directory: &Path) -> Log {
    let mut log = log(directory);
    let null = File::options().write(true).open("/dev/null").unwrap();
    log.segment.as_mut().unwrap().replace_file(null);
    log
}

/// An order, and who waits for it.
fn order(run: &str, record: Option<Record>, durably: bool) -> (Order, Writing) {
    let run = RunId::parse(run).unwrap();
    let (written, answer) = oneshot::channel();
    (Order { run, record, durably, written: Some(written) }, Writing(Ok(answer)))
}

fn claim(run: &str) -> (Order, Writing) {
    order(run, Some(Record::Claim { document: "{}".into(), at: None }), false)
}

/// What a reader finds.
fn runs(directory: &Path) -> Vec<String> {
    let replayed = replay(directory, &KEY).unwrap();
    assert!(replayed.unreadable.is_empty());
    replayed.runs.into_keys().map(|run| run.to_string()).collect()
}

#[tokio::test]
async fn what_nobody_waits_for_is_synced_in_time_whatever_comes_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = log(directory.path());
    assert_eq!(log.due, None);
    let (first, written) = claim("a");
    log.carry_out(vec![first], false);
    written.written().await.unwrap();
    let due = log.due.unwrap();
    assert!(due <= Instant::now() + SYNC_WITHIN);
    let (second, _) = claim("b");
    log.carry_out(vec![second], false);
    assert_eq!((log.due, log.unsynced.len()), (Some(due), 2), "more of it is no reason to wait");
    log.carry_out(Vec::new(), true);
    assert_eq!((log.due, log.unsynced.len()), (None, 0));
    // Whoever waits for the disk has all before it synced.
    let (third, _) = claim("c");
    let (sync, written) = order("c", None, true);
    log.carry_out(vec![third, sync], false);
    written.written().await.unwrap();
    assert_eq!((log.due, log.unsynced.len()), (None, 0));
    assert_eq!(runs(directory.path()), ["a", "b", "c"]);
}

#[cfg(unix)]
#[tokio::test]
async fn what_was_written_and_can_not_be_synced_is_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = log_that_is_lost(directory.path());
    let (first, written) = claim("a");
    log.carry_out(vec![first], false);
    written.written().await.unwrap();
    let (sync, written) = order("a", None, true);
    log.carry_out(vec![sync], false);
    written.written().await.unwrap_err();
    assert!(log.health.trouble().is_some());
    assert!(runs(directory.path()).is_empty());
    assert!(log.due.is_some(), "it is tried again, whether or not anything comes");
    log.carry_out(Vec::new(), true);
    assert_eq!((log.due, log.health.trouble()), (None, None));
    assert_eq!(runs(directory.path()), ["a"]);
}

#[cfg(unix)]
#[tokio::test]
async fn the_segment_that_is_full_is_synced_before_the_next_one_is_begun() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = log_that_is_lost(directory.path());
    let document = "x".repeat(usize::try_from(SEGMENT_BYTES).unwrap()).into();
    let (first, written) = order("a", Some(Record::Claim { document, at: None }), false);
    log.carry_out(vec![first], false);
    written.written().await.unwrap();
    let (second, refused) = claim("b");
    log.carry_out(vec![second], false);
    refused.written().await.unwrap_err();
    log.carry_out(Vec::new(), true);
    assert_eq!(runs(directory.path()), ["a"], "what was told to be written, and nothing else");
}

#[tokio::test]
async fn a_record_that_can_not_be_encoded_costs_no_other_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = log(directory.path());
    // A clock that is wrong by half a century.
    let at = Some(std::time::SystemTime::UNIX_EPOCH - Duration::from_secs(1));
    let (wrong, refused) = order("a", Some(Record::Claim { document: "{}".into(), at }), false);
    let (right, written) = claim("b");
    log.carry_out(vec![wrong, right], false);
    refused.written().await.unwrap_err();
    written.written().await.unwrap();
    assert_eq!(runs(directory.path()), ["b"]);
}
