//! Files: a component sees its own directory and nothing else, reads what it may only read, and leaves nothing behind.

use crate::place::{Place, READ_ONLY, READ_WRITE, grants};
use crate::trial::{Trial, opened_run, sandbox, tight};
use std::fs;
use std::path::Path;

pub(crate) mod escape_work {
    use super::*;
    use blockhouse_artifacts::ESCAPE_WORK;

    /// What a component finds that has links to everywhere in its directory, such as a checked out repository may have.
    async fn escaped() -> String {
        let place = Place::with(&READ_WRITE.replace("= 20\n", "= 200\n")).await;
        let work = place.work();
        fs::create_dir_all(work.join("inside")).unwrap();
        fs::write(work.join("inside/file"), "inside").unwrap();
        let outside = place.state().join("runs/run/outside");
        fs::write(&outside, "outside").unwrap();
        let neighbour = place.state().join("runs/neighbour/work");
        fs::create_dir_all(&neighbour).unwrap();
        fs::write(neighbour.join("secret"), "hunter2").unwrap();
        link(work);

        let trial = place.trial(ESCAPE_WORK, "").with(|limits| {
            limits.fuel = 1_000_000_000;
            limits.log_kept_bytes = 64 << 10;
        });
        let ended = trial.run().await.succeeded();
        assert_eq!(fs::read_to_string(&outside).unwrap(), "outside");
        assert_eq!(fs::read_to_string(neighbour.join("secret")).unwrap(), "hunter2");
        assert_eq!(fs::read_to_string(work.join("inside/file")).unwrap(), "inside");
        let mut names: Vec<_> = fs::read_dir(place.state().join("runs/run")).unwrap().collect();
        assert_eq!(names.len(), 2, "nothing was made outside: {names:?}");
        names.clear();
        // No error tells where the directory is.
        let path = place.state().display().to_string();
        assert!(!format!("{ended:?}").contains(&path), "{}", ended.told);
        ended.told
    }

    #[cfg(unix)]
    fn link(work: &Path) {
        use std::os::unix::fs::symlink;
        symlink("../outside", work.join("link-to-file")).unwrap();
        symlink(work.parent().unwrap(), work.join("link-to-directory")).unwrap();
        symlink("..", work.join("link-up")).unwrap();
        symlink("link-to-file", work.join("link-to-link")).unwrap();
        symlink("../../../../../../../../../..", work.join("inside/link-far-up")).unwrap();
    }

    #[cfg(not(unix))]
    fn link(_: &Path) {}

    #[tokio::test(flavor = "multi_thread")]
    async fn no_path_and_no_link_leads_out() {
        let told = escaped().await;
        for line in told.lines() {
            // A link itself is in the directory, so it may be moved and replaced.
            let is_about_link = line.starts_with("move \"link-") || line.starts_with("put \"link-");
            let is_inside = ["inside: done", "file: done", "back: done", r#"list "/work": true"#]
                .contains(&line);
            let is_escape = line.ends_with(": done") || line.ends_with(": true");
            // Elsewhere than on Windows a backslash is a letter like any other.
            let is_name = cfg!(not(windows)) && line.contains(r"\\");
            assert!(!is_escape || is_about_link || is_inside || is_name, "{line}\n{told}");
        }
        assert!(told.contains("look \"..\": not-permitted"), "{told}");
        assert!(told.contains("read \"/etc/passwd\": false"), "{told}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn links_are_never_made() {
        let told = escaped().await;
        let links = told.lines().filter(|line| line.contains("link \""));
        let links: Vec<_> = links.filter(|line| !line.starts_with("look")).collect();
        assert!(links.len() > 40, "{told}");
        for line in links {
            assert!(line.ends_with(": not-permitted"), "{line}");
        }
    }
}

pub(crate) mod change_read_only {
    use super::*;
    use blockhouse_artifacts::CHANGE_READ_ONLY;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_read_only_can_not_be_changed() {
        let place = Place::with(READ_ONLY).await;
        let kept = place.work().join("kept");
        fs::write(&kept, "as it was").unwrap();
        fs::create_dir(place.work().join("sub")).unwrap();
        let before = fs::metadata(&kept).unwrap().modified().unwrap();

        let told = place.trial(CHANGE_READ_ONLY, "").run().await.succeeded().told;
        for line in told.lines().skip(1) {
            let is_reading = line.starts_with("open to read, write")
                || line.starts_with("open for nothing, write")
                || line.starts_with("read: ");
            let is_link = line.starts_with("link: ") || line.starts_with("symlink: ");
            let expected = if is_link { ": not-permitted" } else { ": read-only" };
            let is_refused = line.ends_with(expected) || line == "std: Err(ReadOnlyFilesystem)";
            assert!(is_refused || is_reading, "{line}\n{told}");
        }
        assert!(told.contains("read: Some(\"as it was\")"), "{told}");
        assert_eq!(fs::read_to_string(&kept).unwrap(), "as it was");
        assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), before);
        assert_eq!(place.contents(), (9, 2));
    }
}

pub(crate) mod honest_files {
    use super::*;
    use blockhouse_artifacts::HONEST_FILES;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_program_works_on_files_as_anywhere() {
        let place = Place::with(READ_WRITE).await;
        let told = place.trial(HONEST_FILES, "").run().await.succeeded().told;
        let expected = "\"one\\nTWO\\n\", 2 lines, [\"c.txt\", \"d.txt\", \"today\"], 8 bytes";
        assert!(told.contains(expected), "{told}");
        assert_eq!(place.contents(), (8, 2));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn without_a_grant_there_is_no_file() {
        let told = Trial::of(HONEST_FILES).run().await.succeeded().told;
        assert!(told.contains("failed: "), "{told}");
    }
}

pub(crate) mod leave_files {
    use super::*;
    use blockhouse::admit::Route;
    use blockhouse::capability::Progress;
    use blockhouse::capability::http::{self, Outbound};
    use blockhouse::execute::{Belongings, Means, execute};
    use blockhouse::outcome::{AbortReason, Outcome};
    use blockhouse::prepare::PreparedRun;
    use blockhouse::run::{InputKind, OpenedInput, Value};
    use blockhouse::rundir::RunDirectories;
    use blockhouse::shutdown::{Abort, Shutdown};
    use blockhouse::slots::{self, Need, Slots};
    use blockhouse::timeline::Timeline;
    use blockhouse_artifacts::LEAVE_FILES;
    use blockhouse_policy::RouteMatch;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::task::JoinHandle;

    /// A run that is executed as the daemon does it.
    struct Stage {
        progress: Arc<Progress>,
        work: JoinHandle<Outcome>,
    }

    fn start(state: &Path, way: &str) -> Stage {
        let component = sandbox().load(LEAVE_FILES, tight().component_bytes).unwrap();
        let (name, matches) = ("test".to_owned(), RouteMatch::default());
        let grants = Arc::new(grants(READ_WRITE));
        let route = Arc::new(Route { name, matches, component, grants });
        let value = Value::Text(way.to_owned());
        let (key, kind) = ("way".to_owned(), InputKind::String);
        let run = opened_run(vec![OpenedInput { key, kind, value, environment: false }]);
        let progress = Arc::new(Progress::new(Timeline::new(&tight()), Abort::default()));
        let directories = RunDirectories::open(state, |_| false).unwrap();
        let shared = Arc::clone(&progress);
        let work = tokio::spawn(async move {
            let slots = Slots::new(slots::Config { slots: 1, memory: 1 << 30, waiting: 1 });
            let mut slot = slots.slot().await;
            let need =
                Need { tenant: Arc::from("tenant"), tenant_runs: None, block: None, memory: 1 };
            let place = slot.place(need, |_| ()).await;
            let (document, redactor) = (None, Arc::default());
            let prepared = PreparedRun { run, document, route, redactor, place };
            let outbound = Outbound::build(http::Config::default(), []).unwrap();
            let means = Means {
                sandbox: sandbox(),
                earlier: None,
                directories: &directories,
                outbound: &Arc::new(outbound),
                shutdown: &Shutdown::default(),
                terraform: None,
                abort_grace: Duration::ZERO,
            };
            let executed = execute(Box::new(prepared), &means, Belongings::default(), shared).await;
            if let Some(directory) = executed.directory {
                directory.remove().await;
            }
            executed.outcome
        });
        Stage { progress, work }
    }

    impl Stage {
        /// Waits until the guest has left its files.
        async fn left(&self, state: &Path) {
            while !self
                .progress
                .timeline()
                .changes_since(0)
                .steps
                .iter()
                .any(|step| step.log.as_deref().is_some_and(|log| log.contains("left: true")))
            {
                self.progress.changed().await;
            }
            let work = state.join("runs/00000000-0000-0000-0000-000000000001/work");
            assert_eq!(fs::read_to_string(work.join("a/b/c")).unwrap(), "left");
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
                assert_eq!(mode(&work), 0o700);
                assert_eq!(mode(work.parent().unwrap()), 0o700);
            }
        }
    }

    fn is_empty(state: &Path) -> bool {
        fs::read_dir(state.join("runs")).unwrap().next().is_none()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_directory_is_gone_after_every_end() {
        for (way, code) in
            [("succeed", "succeeded"), ("fail", "component.failed"), ("trap", "component.trap")]
        {
            let state = tempfile::tempdir().unwrap();
            let stage = start(state.path(), way);
            let outcome = stage.work.await.unwrap();
            assert_eq!(outcome.code(), code, "{way}");
            assert!(is_empty(state.path()), "{way}");
        }
        for way in ["loop", "wait"] {
            let state = tempfile::tempdir().unwrap();
            let stage = start(state.path(), way);
            stage.left(state.path()).await;
            stage.progress.abort().abort(AbortReason::ByUser);
            assert_eq!(stage.work.await.unwrap().code(), "aborted.user");
            assert!(is_empty(state.path()), "{way}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_directory_waits_for_the_next_start_and_goes_if_its_run_does_not_go_on() {
        let state = tempfile::tempdir().unwrap();
        let stage = start(state.path(), "wait");
        stage.left(state.path()).await;
        stage.work.abort();
        assert!(stage.work.await.unwrap_err().is_cancelled());
        for goes_on in [true, false] {
            RunDirectories::open(state.path(), |_| goes_on).unwrap();
            assert_eq!(is_empty(state.path()), !goes_on);
        }
    }
}
