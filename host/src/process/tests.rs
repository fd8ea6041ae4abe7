//! Programs are shells here.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn shell(
    script: &str,
    stdin: &[&[u8]],
    stdout_max: usize,
    timeout: Duration,
) -> Result<Vec<u8>, ProcessError> {
    let arguments = ["-c", script].map(OsString::from).to_vec();
    Program { path: Path::new("/bin/sh"), arguments, stdin, stdout_max, timeout }.run()
}

#[test]
fn input_goes_in_and_output_comes_out_however_long_both_are() {
    let part = vec![b'x'; 1 << 20];
    let output = shell("cat", &[&part, b"end"], 2 << 20, MINUTE).unwrap();
    assert_eq!(output.len(), part.len() + 3);
    assert!(output.ends_with(b"xend"));
}

#[test]
fn the_environment_is_empty() {
    let path = Path::new("/usr/bin/env");
    let program = |path| Program {
        path,
        arguments: Vec::new(),
        stdin: &[],
        stdout_max: 1 << 20,
        timeout: MINUTE,
    };
    assert_eq!(program(path).run().unwrap(), b"");
    let error = program(Path::new("/nowhere")).run().unwrap_err();
    assert_eq!(error.to_string(), "failed to start `/nowhere`");
}

#[test]
fn an_unread_input_and_a_flood_of_errors_stop_nothing() {
    let part = vec![b'x'; 1 << 20];
    let script =
        "i=0; while [ $i -lt 9999 ]; do echo 0123456789abcdef >&2; i=$((i+1)); done; exit 3";
    let Err(ProcessError::Ended { status, stderr, .. }) = shell(script, &[&part], 1, MINUTE) else {
        panic!("it did not end with an error");
    };
    assert_eq!(status.code(), Some(3));
    assert!(stderr.len() < 2 * STDERR_KEPT && stderr.contains("bytes dropped"), "{stderr}");
}

#[test]
fn the_error_of_the_program_is_told_without_control_characters() {
    let error = shell("printf 'no \\033[31mway\\n' >&2; exit 3", &[], 1, MINUTE).unwrap_err();
    assert_eq!(error.to_string(), "`/bin/sh` ended with exit status: 3: no [31mway");
}

#[test]
fn too_much_output_is_an_error() {
    let error = shell("while :; do echo y; done", &[], 100, MINUTE).unwrap_err();
    assert_eq!(error.to_string(), "`/bin/sh` wrote more than 100 bytes and was stopped");
    assert_eq!(shell("printf 12345", &[], 5, MINUTE).unwrap(), b"12345");
}

#[test]
fn one_that_takes_too_long_is_killed_even_if_it_closes_its_streams() {
    for script in ["while :; do :; done", "exec <&- >&- 2>&-; while :; do :; done"] {
        let error = shell(script, &[], 1, Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.to_string(), "`/bin/sh` took longer than 100ms and was stopped");
    }
}

#[test]
fn what_the_program_has_started_is_killed_with_it() {
    for script in ["sleep 1000 & exec sleep 1000", "sleep 1000 & exit 0"] {
        let started = Instant::now();
        let error = shell(script, &[], 1, Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.to_string(), "`/bin/sh` took longer than 100ms and was stopped");
        assert!(started.elapsed() < Duration::from_secs(900), "it was waited for");
    }
}

fn program<'a>(script: &str, timeout: Duration) -> Program<'a> {
    let arguments = ["-c", script].map(OsString::from).to_vec();
    Program { path: Path::new("/bin/sh"), arguments, stdin: &[], stdout_max: 1 << 20, timeout }
}

#[test]
fn a_program_starts_in_its_directory_with_its_environment_alone() {
    let place = tempfile::tempdir().unwrap();
    let environment = [("NAME".into(), "value of it".into())];
    let around = Surroundings {
        directory: Some(place.path()),
        environment: &environment,
        ..Surroundings::default()
    };
    let script = "pwd -P; echo \"$NAME\"; env | grep -c . ";
    let output = String::from_utf8(program(script, MINUTE).run_in(&around).unwrap()).unwrap();
    let path = place.path().canonicalize().unwrap();
    // The shell adds PWD, and some shells two more.
    assert!(output.starts_with(&format!("{}\nvalue of it\n", path.display())), "{output}");
    assert!(!format!("{around:?}").contains("value of it"));
}

#[test]
fn a_cut_leash_kills_at_once_now_and_later() {
    let leash = Leash::default();
    let around = Surroundings { leash: Some(&leash), ..Surroundings::default() };
    let started = Instant::now();
    let stopped = thread::scope(|scope| {
        let running = scope.spawn(|| {
            program("echo x; sleep 1000", MINUTE * 60).converse(&around, |_stdin, mut stdout| {
                let mut byte = [0];
                stdout.read_exact(&mut byte).unwrap();
                leash.cut();
                stdout.read_to_end(&mut Vec::new())
            })
        });
        running.join().unwrap()
    });
    assert_eq!(stopped.unwrap_err().to_string(), "`/bin/sh` was stopped");
    let error = program("sleep 1000", MINUTE * 60).run_in(&around).unwrap_err();
    assert_eq!(error.to_string(), "`/bin/sh` was stopped");
    assert!(started.elapsed() < MINUTE, "it was waited for");
}

#[test]
fn an_error_of_the_talk_kills_the_program() {
    let around = Surroundings::default();
    let talk = |_, _| Err::<(), _>("enough");
    let result = program("sleep 1000", MINUTE * 60).converse(&around, talk);
    assert_eq!(result.unwrap(), Err("enough"));
}

#[test]
fn questions_and_answers_take_turns() {
    use std::io::{BufRead as _, BufReader};
    let around = Surroundings::default();
    let talk = |mut stdin: ChildStdin, stdout| {
        let (mut stdout, mut line) = (BufReader::new(stdout), String::new());
        for number in 0..100 {
            writeln!(stdin, "{number}")?;
            line.clear();
            stdout.read_line(&mut line)?;
            assert_eq!(line, format!("{number}\n"));
        }
        io::Result::Ok(())
    };
    program("exec cat", MINUTE).converse(&around, talk).unwrap().unwrap();
}

#[test]
fn a_file_longer_than_allowed_ends_the_program() {
    let place = tempfile::tempdir().unwrap();
    let around = Surroundings {
        directory: Some(place.path()),
        file_max: Some(4096),
        ..Surroundings::default()
    };
    let script = "head -c 9999 /dev/zero > file";
    assert!(program(script, MINUTE).run_in(&around).is_err());
    assert_eq!(std::fs::metadata(place.path().join("file")).unwrap().len(), 4096);
}
