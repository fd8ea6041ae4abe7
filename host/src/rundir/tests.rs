use super::*;
use blockhouse_policy::{Grants, Limits, Policy};
use std::fs;

fn permit() -> FilesPermit {
    let text = "description = 'x'\n[files]\nreason = 'x'\nwork = \"read-only\"\n";
    let policy = Arc::new(Policy::parse("test.toml", text).unwrap());
    Grants::new(policy, None, &Limits::default()).allows_files().unwrap()
}

fn is_there(directories: &RunDirectories, run: &RunId) -> bool {
    directories.path(run).unwrap().exists()
}

fn id(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

#[tokio::test]
async fn nothing_is_made_before_a_run_needs_it() {
    let state = tempfile::tempdir().unwrap();
    let directories = RunDirectories::open(state.path(), |_| false).unwrap();
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
    let directory = directories.create(&id("run"), permit(), Kind::Component).await.unwrap();
    assert_eq!(directory.work().path(), state.path().join("runs/run/work"));
    directory.remove().await;
    assert_eq!(fs::read_dir(state.path().join("runs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_directory_that_exists_is_never_shared() {
    let state = tempfile::tempdir().unwrap();
    let directories = RunDirectories::open(state.path(), |_| false).unwrap();
    let first = directories.create(&id("run"), permit(), Kind::Component).await.unwrap();
    fs::write(first.work().path().join("file"), "theirs").unwrap();
    let second = directories.create(&id("run"), permit(), Kind::Component).await;
    let Err(RunDirectoryError::Create { source, .. }) = second else { panic!("{second:?}") };
    assert_eq!(source.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(first.work().path().join("file")).unwrap(), "theirs");
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_the_place_of_a_directory_is_not_followed() {
    let state = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let directories = RunDirectories::open(state.path(), |_| false).unwrap();
    fs::create_dir(state.path().join("runs")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), state.path().join("runs/run")).unwrap();
    directories.create(&id("run"), permit(), Kind::Component).await.unwrap_err();
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn what_was_left_over_is_removed_and_links_are_not_followed() {
    use std::os::unix::fs::symlink;
    let state = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("kept"), "kept").unwrap();
    let runs = state.path().join("runs");
    fs::create_dir_all(runs.join("one/work/a/b/c")).unwrap();
    fs::write(runs.join("one/work/a/b/c/file"), "left").unwrap();
    fs::create_dir_all(runs.join("two/half-removed")).unwrap();
    fs::write(runs.join("file"), "left").unwrap();
    for place in ["link", "one/link", "one/work/link", "one/work/a/b/link"] {
        symlink(elsewhere.path(), runs.join(place)).unwrap();
    }
    symlink("/no/such/place", runs.join("dangling")).unwrap();

    RunDirectories::open(state.path(), |_| false).unwrap();
    assert_eq!(fs::read_dir(&runs).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(elsewhere.path().join("kept")).unwrap(), "kept");
}

#[tokio::test]
async fn a_temporary_directory_is_removed_with_all_that_is_in_it() {
    let directories = RunDirectories::temporary();
    let directory = directories.create(&id("run"), permit(), Kind::Component).await.unwrap();
    let work = directory.work().path().to_owned();
    fs::create_dir_all(work.join("a/b/c")).unwrap();
    directory.remove().await;
    assert!(!work.parent().unwrap().exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_the_place_of_all_directories_is_refused() {
    use std::os::unix::fs::symlink;
    let state = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("data")).unwrap();
    fs::write(elsewhere.path().join("file"), "theirs").unwrap();
    let directories = RunDirectories::open(state.path(), |_| false).unwrap();
    symlink(elsewhere.path(), state.path().join("runs")).unwrap();
    let Err(RunDirectoryError::Open { source, .. }) = RunDirectories::open(state.path(), |_| false)
    else {
        panic!("it was opened");
    };
    assert!(source.to_string().contains("remove it"), "{source}");
    // Nor is one that came later.
    directories.create(&id("run"), permit(), Kind::Component).await.unwrap_err();
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn a_directory_by_which_a_run_can_go_on_is_not_removed_by_dropping_it() {
    for kind in [Kind::Component, Kind::Native] {
        let state = tempfile::tempdir().unwrap();
        let directories = RunDirectories::open(state.path(), |_| false).unwrap();
        let (id, other) = (id("run"), id("other"));
        drop(directories.create(&id, permit(), kind).await.unwrap());
        drop(directories.create(&other, permit(), kind).await.unwrap());
        assert!(is_there(&directories, &id) && is_there(&directories, &other));

        // The next start keeps it if its run goes on.
        let directories = RunDirectories::open(state.path(), |name| name == "run").unwrap();
        assert!(is_there(&directories, &id) && !is_there(&directories, &other));
        let directory = directories.take_over(&id, permit(), kind).await.unwrap();
        assert_eq!(directory.path(), state.path().join("runs/run"));
        directory.remove().await;
        assert!(!is_there(&directories, &id));
    }
}

#[tokio::test]
async fn a_component_that_begins_again_finds_its_tape_and_nothing_else() {
    let state = tempfile::tempdir().unwrap();
    let directories = RunDirectories::open(state.path(), |_| false).unwrap();
    let directory = directories.create(&id("run"), permit(), Kind::Component).await.unwrap();
    fs::write(directory.work().path().join("file"), "text").unwrap();
    fs::write(directory.path().join("1.tape"), "tape").unwrap();
    // The process ended while it made the directory of a run with native programs.
    fs::create_dir(directory.path().join("home")).unwrap();
    for kind in [Kind::Component, Kind::Native] {
        let again = directories.take_over(&id("run"), permit(), kind).await.unwrap();
        assert_eq!(fs::read_dir(again.work().path()).unwrap().count(), 0);
        assert_eq!(fs::read(again.path().join("1.tape")).unwrap(), b"tape");
        assert_eq!(again.path().join("home").exists(), kind == Kind::Native);
    }
    // From now on, what is in it is what native programs work with.
    fs::write(directory.work().path().join("file"), "text").unwrap();
    let again = directories.take_over(&id("run"), permit(), Kind::Native).await.unwrap();
    assert_eq!(fs::read(again.work().path().join("file")).unwrap(), b"text");
}

#[tokio::test]
async fn a_directory_in_which_a_program_may_be_running_is_kept() {
    let state = tempfile::tempdir().unwrap();
    let directories = RunDirectories::open(state.path(), |_| false).unwrap();
    drop(directories.create(&id("run"), permit(), Kind::Native).await.unwrap());
    let operation = state.path().join("runs/run/operations/0001-apply");
    fs::create_dir(&operation).unwrap();
    fs::write(operation.join("status.json"), "{}").unwrap();
    let directories = RunDirectories::open(state.path(), |_| false).unwrap();
    assert!(is_there(&directories, &id("run")));
    fs::write(operation.join("end.json"), "{}").unwrap();
    let directories = RunDirectories::open(state.path(), |_| false).unwrap();
    assert!(!is_there(&directories, &id("run")));
}

#[test]
fn a_directory_that_is_dropped_outside_of_a_runtime_is_removed() {
    let root = tempfile::tempdir().unwrap().keep();
    let mut directory = with_parts(Place::of(&root).unwrap(), permit(), Kind::Component).unwrap();
    directory.is_temporary = true;
    drop(directory);
    assert!(!root.exists());
}
