use super::*;
use crate::frames::FramesError;
use crate::meshstack::wire::RunStatus;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::LazyLock;

pub(super) static KEY: LazyLock<Arc<PrivateKey>> = LazyLock::new(|| {
    let pem = include_str!("../../../tests/fixtures/sealed/TEST-ONLY-runner-pkcs8.pem");
    Arc::new(PrivateKey::from_pem(&SecretString::from(pem)).unwrap())
});

fn open(directory: &Path) -> (Journal, Found) {
    Journal::open(directory, &KEY, Config::default()).unwrap()
}

fn id(name: &str) -> RunId {
    RunId::parse(name).unwrap()
}

fn update(summary: &str) -> Update {
    Update {
        status: RunStatus::Succeeded,
        summary: Some(summary.to_owned()),
        steps: Vec::new(),
        artifact: None,
        changes_detected: None,
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let segments = segments_in(&directory.join("journal")).unwrap();
    segments.into_iter().map(|(_, path)| path).collect()
}

/// What is left over, as `id: claim, summary of the end`.
fn left_over(found: &Found) -> Vec<String> {
    let describe = |run: &LeftOver| {
        let end = run.end.as_ref().and_then(|update| update.summary.as_deref()).unwrap_or("-");
        format!("{}: {}, {end}", run.journal.run, run.claim.expose_secret())
    };
    found.runs.iter().map(describe).collect()
}

#[tokio::test]
async fn a_restart_finds_every_run_that_is_not_settled() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, found) = open(directory.path());
    assert!(found.runs.is_empty());
    for name in ["a", "b", "c"] {
        journal.of(id(name)).claim(name).written().await.unwrap();
    }
    journal.of(id("b")).end(update("done")).await.unwrap();
    journal.of(id("c")).end(update("done")).await.unwrap();
    journal.of(id("c")).settle();
    drop(journal);

    let (journal, found) = open(directory.path());
    assert_eq!(left_over(&found), ["a: a, -", "b: b, done"]);
    for run in found.runs {
        run.journal.settle();
    }
    drop(journal);
    let (_journal, found) = open(directory.path());
    assert!(found.runs.is_empty() && found.unreadable.is_empty());
    assert_eq!(files(directory.path()).len(), 1, "settled segments are removed");
}

#[tokio::test]
async fn the_newest_steps_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    let run = journal.of(id("a"));
    run.claim("{}").written().await.unwrap();
    let step = |status| Step {
        id: "s".to_owned(),
        display_name: None,
        status,
        user_message: None,
        system_message: None,
        outputs: std::collections::BTreeMap::new(),
    };
    use crate::meshstack::wire::StepStatus::{InProgress, Succeeded};
    run.steps(vec![step(InProgress)]).await.unwrap();
    run.steps(vec![step(Succeeded)]).await.unwrap();
    drop((journal, run));
    let (_journal, found) = open(directory.path());
    assert_eq!(found.runs[0].steps, [step(Succeeded)]);
}

#[tokio::test]
async fn a_crash_in_mid_write_costs_only_what_was_not_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    journal.of(id("a")).claim("first").written().await.unwrap();
    let [path] = &files(directory.path())[..] else { panic!() };
    let acknowledged = fs::metadata(path).unwrap().len();
    journal.of(id("b")).claim("second").written().await.unwrap();
    drop(journal);
    let whole = fs::read(path).unwrap();
    // Around the borders of the parts: each length costs an RSA operation.
    let acknowledged = usize::try_from(acknowledged).unwrap();
    let borders = [0, 4, 516, acknowledged, whole.len() - 1];
    let lengths = borders.iter().flat_map(|border| border.saturating_sub(6)..=border + 6);
    for length in lengths.filter(|length| *length < whole.len()) {
        let copy = tempfile::tempdir().unwrap();
        fs::create_dir(copy.path().join("journal")).unwrap();
        let torn = copy.path().join("journal").join(path.file_name().unwrap());
        fs::write(torn, &whole[..length]).unwrap();
        let (_journal, found) = open(copy.path());
        let expected: &[&str] = if length >= acknowledged { &["a: first, -"] } else { &[] };
        assert_eq!(left_over(&found), expected, "{length} of {} bytes", whole.len());
        assert!(found.unreadable.is_empty(), "{length}: an unfinished record is no damage");
    }
}

#[tokio::test]
async fn damage_costs_the_record_that_it_hits_and_the_segment_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    journal.of(id("a")).claim("first").written().await.unwrap();
    let [path] = &files(directory.path())[..] else { panic!() };
    let first = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
    journal.of(id("b")).claim("second").written().await.unwrap();
    drop(journal);
    let mut bytes = fs::read(path).unwrap();
    bytes[first - 1] ^= 1;
    fs::write(path, bytes).unwrap();

    let (journal, found) = open(directory.path());
    assert_eq!(left_over(&found), ["b: second, -"]);
    assert!(matches!(found.unreadable[..], [JournalError::Frames(FramesError::Damaged { .. })]));
    found.runs[0].journal.settle();
    drop((journal, found));
    assert!(path.with_extension("damaged").exists(), "somebody may want to look at it");
    let (_journal, found) = open(directory.path());
    assert!(found.runs.is_empty() && found.unreadable.is_empty(), "what is settled stays settled");
}

#[tokio::test]
async fn a_run_that_stays_open_is_carried_from_start_to_start_and_keeps_no_old_segment() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    journal.of(id("a")).claim("first").written().await.unwrap();
    journal.of(id("a")).end(update("done")).await.unwrap();
    drop(journal);
    for _ in 0..3 {
        let (_journal, found) = open(directory.path());
        assert_eq!(left_over(&found), ["a: first, done"]);
        assert_eq!(files(directory.path()).len(), 1);
    }
}

#[tokio::test]
async fn a_disk_that_could_not_be_written_is_written_again_when_it_can() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    let large = "x".repeat(5 << 20);
    let run = journal.of(id("a"));
    run.claim(&large).written().await.unwrap();
    // The segment is full, and the next one has no place.
    let [segments, away] = ["journal", "away"].map(|name| directory.path().join(name));
    fs::rename(&segments, &away).unwrap();
    assert!(run.end(update("lost")).await.is_err());
    assert!(journal.check().await.is_err());
    assert!(journal.health().trouble().is_some());
    run.settle();
    fs::rename(&away, &segments).unwrap();
    journal.check().await.unwrap();
    assert_eq!(journal.health().trouble(), None);
    drop((journal, run));
    let (_journal, found) = open(directory.path());
    assert!(found.runs.is_empty(), "the run was settled when the disk was away: {found:?}");
}

#[tokio::test]
async fn with_little_room_nothing_is_claimed_and_what_was_claimed_is_still_written() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config { min_free: u64::MAX, ..Config::default() };
    let (journal, _) = Journal::open(directory.path(), &KEY, config).unwrap();
    let error = journal.check().await.unwrap_err();
    assert!(matches!(error, JournalError::Room { .. }), "{error}");
    journal.of(id("a")).claim("first").written().await.unwrap();
    assert!(journal.health().trouble().unwrap().contains("journal.minFreeMib"));
    drop(journal);
    let (journal, found) = open(directory.path());
    assert_eq!(left_over(&found), ["a: first, -"]);
    journal.check().await.unwrap();
}

#[tokio::test]
async fn nothing_can_be_read_without_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    journal.of(id("a")).claim("hunter2").written().await.unwrap();
    journal.of(id("a")).end(update("hunter2")).await.unwrap();
    drop(journal);
    let [path] = &files(directory.path())[..] else { panic!() };
    let bytes = fs::read(path).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"hunter2"));

    let other = crate::keygen::generate(
        &crate::keygen::Subject { common_name: "other".to_owned() },
        crate::keygen::Bits::Rsa2048,
        crate::keygen::DEFAULT_VALIDITY,
    );
    let other = Arc::new(PrivateKey::from_pem(&other.unwrap().private_key_pem).unwrap());
    let (journal, found) = Journal::open(directory.path(), &other, Config::default()).unwrap();
    assert!(found.runs.is_empty());
    assert!(matches!(found.unreadable[..], [JournalError::Frames(FramesError::Key { .. })]));
    drop(journal);
    assert!(path.exists(), "the right key may come back");
}

#[tokio::test]
async fn segments_are_removed_while_the_daemon_runs() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    let large = "x".repeat(1 << 20);
    let open_run = journal.of(id("open"));
    open_run.claim("{}").written().await.unwrap();
    for number in 0..20 {
        let run = journal.of(id(&number.to_string()));
        run.claim(&large).written().await.unwrap();
        run.settle();
    }
    assert!(files(directory.path()).len() >= 4, "kept for the run that is open");
    open_run.settle();
    // Records are written in their order, so when this one is there, those before it are.
    journal.of(id("last")).claim("{}").written().await.unwrap();
    assert_eq!(files(directory.path()).len(), 1);
}

fn gone(status: u16) -> Rejection {
    Rejection { when: SystemTime::now(), status: Some(status), text: "gone".to_owned() }
}

#[tokio::test]
async fn a_rejected_run_is_kept_beside_the_log_and_found_by_no_start() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    let run = journal.of(id("a"));
    run.claim("first").written().await.unwrap();
    run.end(update("done")).await.unwrap();
    journal.reject(&id("a"), update("not this"), gone(410)).await.unwrap();
    assert_eq!(journal.health().rejected(), 1);
    drop((journal, run));
    for _ in 0..2 {
        let (journal, found) = open(directory.path());
        assert!(found.runs.is_empty());
        assert_eq!(journal.health().rejected(), 1);
        let seen = look(directory.path(), &KEY).unwrap();
        assert!(seen.unreadable.is_empty());
        let history = &seen.runs[&id("a")];
        assert_eq!(history.claim.as_ref().unwrap().expose_secret(), "first");
        assert_eq!(history.end.as_ref().unwrap().summary.as_deref(), Some("done"));
        assert_eq!(history.rejection.as_ref().unwrap().status, Some(410));
        assert!(history.claimed <= history.ended && history.claimed.is_some());
    }
    let (journal, _) = open(directory.path());
    journal.forget(&id("a")).unwrap();
    journal.prune().await.unwrap();
    assert_eq!(journal.health().rejected(), 0);
    assert!(look(directory.path(), &KEY).unwrap().runs.is_empty());
}

#[tokio::test]
async fn a_crash_while_a_run_is_set_aside_leaves_it_rejected_unless_it_is_claimed_again() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    journal.of(id("a")).claim("first").written().await.unwrap();
    let history = History {
        claim: Some(SecretString::from("first")),
        rejection: Some(gone(410)),
        ..History::default()
    };
    Rejected::in_state(directory.path()).keep(&id("a"), &history, KEY.public()).unwrap();
    drop(journal);
    let is_rejected = || look(directory.path(), &KEY).unwrap().runs[&id("a")].rejection.is_some();
    assert!(is_rejected());
    let (journal, found) = open(directory.path());
    assert!(found.runs.is_empty() && is_rejected());
    journal.of(id("a")).claim("again").written().await.unwrap();
    assert!(!is_rejected());
    drop(journal);
    assert_eq!(left_over(&open(directory.path()).1), ["a: again, -"]);
}

#[tokio::test]
async fn rejected_runs_pin_no_segment() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    let large = "x".repeat(1 << 20);
    for number in 0..12 {
        let run = id(&number.to_string());
        journal.of(run.clone()).claim(&large).written().await.unwrap();
        journal.reject(&run, update("done"), gone(404)).await.unwrap();
    }
    journal.of(id("last")).claim("{}").written().await.unwrap();
    assert_eq!(files(directory.path()).len(), 1);
    assert_eq!(look(directory.path(), &KEY).unwrap().runs.len(), 13);
}

#[tokio::test]
async fn a_run_that_can_not_be_kept_apart_stays_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    journal.of(id("a")).claim("first").written().await.unwrap();
    fs::write(directory.path().join("rejected"), "in the way").unwrap();
    journal.reject(&id("a"), update("done"), gone(404)).await.unwrap_err();
    drop(journal);
    fs::remove_file(directory.path().join("rejected")).unwrap();
    assert_eq!(left_over(&open(directory.path()).1), ["a: first, -"]);
}

#[tokio::test]
async fn whoever_looks_sees_what_a_daemon_that_runs_has_written_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let place = || directory.path().join("elsewhere");
    assert!(look(&place(), &KEY).unwrap().runs.is_empty(), "no daemon was ever there");
    assert!(!place().exists());
    let (journal, _) = open(directory.path());
    for number in 0..50 {
        let run = journal.of(id(&number.to_string()));
        run.claim("{}").written().await.unwrap();
        let seen = look(directory.path(), &KEY).unwrap();
        assert!(seen.runs.contains_key(run.run()) && seen.unreadable.is_empty());
        run.settle();
    }
    // Half a record, as it is while it is written.
    let path = files(directory.path()).pop().unwrap();
    let mut file = fs::File::options().append(true).open(path).unwrap();
    std::io::Write::write_all(&mut file, &[0, 0, 1, 0, 7]).unwrap();
    assert!(look(directory.path(), &KEY).unwrap().unreadable.is_empty());
}

#[tokio::test]
async fn many_at_once_are_all_written() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    let runs: Vec<_> = (0..1_000).map(|number| journal.of(id(&number.to_string()))).collect();
    let claims: Vec<_> = runs
        .into_iter()
        .map(|run| tokio::spawn(async move { run.claim("{}").written().await }))
        .collect();
    for claim in claims {
        claim.await.unwrap().unwrap();
    }
    drop(journal);
    assert_eq!(open(directory.path()).1.runs.len(), 1_000);
}

#[test]
fn a_directory_belongs_to_one_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let (_journal, _) = open(directory.path());
    let second = Journal::open(directory.path(), &KEY, Config::default());
    assert!(matches!(second, Err(JournalError::InUse { .. })));
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_the_lock_or_the_journal_is_refused() {
    use std::os::unix::fs::symlink;
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("file");
    fs::write(&file, "theirs").unwrap();
    let links =
        [("lock", file.as_path()), ("journal", elsewhere.path()), ("rejected", elsewhere.path())];
    for (name, target) in links {
        let directory = tempfile::tempdir().unwrap();
        symlink(target, directory.path().join(name)).unwrap();
        let error = Journal::open(directory.path(), &KEY, Config::default()).unwrap_err();
        assert!(matches!(error, JournalError::Frames(FramesError::Io { .. })), "{name}: {error}");
    }
    // Neither is a file made where a link leads.
    let directory = tempfile::tempdir().unwrap();
    symlink(elsewhere.path().join("new"), directory.path().join("lock")).unwrap();
    Journal::open(directory.path(), &KEY, Config::default()).unwrap_err();
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
}
