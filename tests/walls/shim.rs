//! Programs under a shim: whatever dies, nothing is lost and nothing is left.

mod deaths;
mod limits;
mod stops;
mod terraform;

use blockhouse::confine::Confinement;
use blockhouse::os::processes;
use blockhouse::shim::{End, Exit, Ladder, Launcher, Operation, Orphan, Spec};
use blockhouse_tests::{patience, program};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// In the environment of everything that a test has started; its value is the test's own directory.
const TEST: &str = "BLOCKHOUSE_TEST";

/// Never reached: tests that need it to end would hang, and that is noticed.
const HOUR: Duration = Duration::from_secs(3600);

/// A ladder that is never climbed.
const PATIENT: Ladder =
    Ladder { grace: HOUR, stall: None, limit: HOUR, force: HOUR, orphan: Orphan::Continues };

/// Directories of one operation.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.operation()).unwrap();
        fs::create_dir(place.work()).unwrap();
        place
    }

    fn operation(&self) -> PathBuf {
        self.0.path().join("operation")
    }

    /// Where the program runs.
    fn work(&self) -> PathBuf {
        self.0.path().join("work")
    }

    fn spec(&self, program: &str, arguments: &[&str]) -> Spec {
        spec(self.0.path(), program, arguments)
    }

    fn script(&self, script: &str) -> Spec {
        self.spec("/bin/sh", &["-c", script])
    }

    async fn start(&self, spec: Spec) -> Operation {
        launcher().start(&self.operation(), spec).await.unwrap()
    }

    async fn run(&self, spec: Spec) -> End {
        end_of(&mut self.start(spec).await).await
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.work().join(name)).unwrap_or_default()
    }

    async fn wait_for_file(&self, name: &str) {
        wait_for(name, || self.work().join(name).exists()).await;
    }

    fn record(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.operation().join(name)).unwrap()).unwrap()
    }

    fn shim(&self) -> u32 {
        u32::try_from(self.record("status.json")["shim"]["pid"].as_u64().unwrap()).unwrap()
    }

    /// What of this test is still running.
    fn survivors(&self) -> Vec<u32> {
        let value = self.0.path().to_str().unwrap();
        let running = processes::all().into_iter().filter(|seen| !seen.has_ended);
        let pids = running.map(|seen| seen.identity.pid);
        pids.filter(|pid| processes::has_variable(*pid, TEST, value)).collect()
    }

    #[track_caller]
    fn expect_no_survivors(&self) {
        let survivors = self.survivors();
        assert!(survivors.is_empty(), "{survivors:?}");
    }
}

fn spec(place: &Path, program: &str, arguments: &[&str]) -> Spec {
    let mut confinement = Confinement::system();
    confinement.read.push(place.join("operation"));
    confinement.execute.extend(["/bin", "/usr"].map(PathBuf::from));
    confinement.write.push(place.join("work"));
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Spec {
        program: program.into(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        environment: vec![
            variable("PATH", "/usr/local/bin:/usr/bin:/bin"),
            variable(TEST, place.to_str().unwrap()),
        ],
        directory: place.join("work"),
        stdin: Vec::new(),
        confinement,
        ladder: PATIENT,
        timeout: HOUR,
        output_max: 1 << 20,
    }
}

fn launcher() -> Launcher {
    Launcher { program: program() }
}

/// Waits for the end of an operation that must end.
async fn end_of(operation: &mut Operation) -> End {
    let ended = tokio::time::timeout(patience(), operation.ended()).await;
    ended.expect("the operation does not end").unwrap()
}

async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + patience();
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "`{what}` did not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[tokio::test]
async fn output_goes_to_files_and_the_exit_code_is_told() {
    let place = Place::new();
    let mut operation = place.start(place.script("echo out; echo err >&2; exit 3")).await;
    let end = end_of(&mut operation).await;
    assert_eq!((end.exit, end.stop, end.swept), (Exit::Code(3), None, 0));
    assert!(end.started <= end.ended);
    assert_eq!(fs::read_to_string(operation.stdout()).unwrap(), "out\n");
    assert_eq!(fs::read_to_string(operation.stderr()).unwrap(), "err\n");
    let mode = |path: PathBuf| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode(operation.stdout()), mode(operation.stderr())), (0o600, 0o600));
    let again = end_of(&mut operation).await;
    assert_eq!(again.exit, Exit::Code(3));
    let mut files: Vec<_> = fs::read_dir(place.operation()).unwrap().flatten().collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let names: Vec<_> = files.iter().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["end.json", "shim.log", "status.json", "stderr", "stdout"]);
    assert_eq!(fs::read_to_string(place.operation().join("shim.log")).unwrap(), "");
}

#[tokio::test]
async fn it_gets_what_the_spec_says_and_nothing_else() {
    let place = Place::new();
    let mut spec = place.spec("/usr/bin/env", &[]);
    spec.environment.push(("SECRET".to_owned(), "hunter2 = \"x\"".to_owned()));
    spec.environment.push((blockhouse::shim::MARK.to_owned(), "forged".to_owned()));
    let mut operation = place.start(spec).await;
    end_of(&mut operation).await;
    let output = fs::read_to_string(operation.stdout()).unwrap();
    let mut lines: Vec<_> = output.lines().collect();
    lines.sort_unstable();
    let mark = place.record("status.json")["operation"].as_str().unwrap().to_owned();
    let expected = [
        format!("BLOCKHOUSE_OPERATION={mark}"),
        format!("BLOCKHOUSE_TEST={}", place.0.path().display()),
        "PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
        "SECRET=hunter2 = \"x\"".to_owned(),
    ];
    assert_eq!(lines, expected);
    for name in ["status.json", "end.json", "shim.log"] {
        let record = fs::read_to_string(place.operation().join(name)).unwrap();
        assert!(!record.contains("hunter2"), "{name}");
    }

    let place = Place::new();
    let mut spec = place.script("cat; pwd; echo \"$1\"");
    spec.arguments.extend(["name", "two words; $HOME"].map(str::to_owned));
    spec.stdin = b"line\n".repeat(50_000);
    spec.stdin.extend(b"end\n");
    let mut operation = place.start(spec).await;
    assert_eq!(end_of(&mut operation).await.exit, Exit::Code(0));
    let output = fs::read_to_string(operation.stdout()).unwrap();
    let (_, rest) = output.split_once("end\n").unwrap();
    assert_eq!(rest, format!("{}\ntwo words; $HOME\n", place.work().display()));
}

#[tokio::test]
async fn a_death_by_signal_and_a_program_that_is_not_there_are_told() {
    let place = Place::new();
    let end = place.run(place.script("kill -9 $$")).await;
    assert_eq!((end.exit, end.stop), (Exit::Signal(9), None));

    let place = Place::new();
    let end = place.run(place.spec("/nowhere", &[])).await;
    let Exit::NotStarted(why) = end.exit else { panic!("{end:?}") };
    assert!(why.contains("failed to start `/nowhere`"), "{why}");
    let error = launcher().start(&place.operation(), place.script(":")).await.unwrap_err();
    assert!(error.to_string().starts_with("something was started in"), "{error}");
}

#[tokio::test]
async fn a_shim_that_can_not_be_started_is_an_error_and_starts_nothing() {
    let place = Place::new();
    let launcher = Launcher { program: "/nowhere".into() };
    let error = launcher.start(&place.operation(), place.script(":")).await.unwrap_err();
    assert_eq!(error.to_string(), "failed to start the shim `/nowhere`");
    let launcher = Launcher { program: "/bin/false".into() };
    let error = launcher.start(&place.operation(), place.script(":")).await.unwrap_err();
    assert!(error.to_string().ends_with("ended before it had started anything"), "{error}");
    // What came to nothing stands in nobody's way.
    assert_eq!(place.run(place.script(":")).await.exit, Exit::Code(0));
}

#[tokio::test]
async fn signals_to_the_daemons_group_do_not_reach_it() {
    let place = Place::new();
    let mut operation = place.start(place.script("echo > ready; exec sleep 1000")).await;
    let me = processes::see(std::process::id()).unwrap();
    let shim = processes::see(place.shim()).unwrap();
    assert_eq!((shim.session, shim.group), (place.shim(), place.shim()));
    assert_ne!(shim.session, me.session);
    let program = place.record("status.json")["program"]["pid"].as_u64().unwrap();
    let program = processes::see(u32::try_from(program).unwrap()).unwrap();
    assert_eq!((program.session, program.group), (place.shim(), program.identity.pid));
    operation.interrupt(blockhouse::shim::StopReason::ByUser).unwrap();
    assert_eq!(end_of(&mut operation).await.exit, Exit::Signal(2));
}
