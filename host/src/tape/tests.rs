use super::*;
use secrecy::SecretString;
use std::path::PathBuf;
use std::sync::LazyLock;

static KEY: LazyLock<Arc<PrivateKey>> = LazyLock::new(|| {
    let pem = include_str!("../../../tests/fixtures/sealed/TEST-ONLY-runner-pkcs8.pem");
    Arc::new(PrivateKey::from_pem(&SecretString::from(pem)).unwrap())
});

const ONE: RequestDigest = RequestDigest([1; 32]);
const TWO: RequestDigest = RequestDigest([2; 32]);

struct Run {
    directory: tempfile::TempDir,
}

impl Run {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    fn begin(&self) -> Arc<Tape> {
        Arc::new(Tape::begin(&self.path(), KEY.public(), Digest::of(b"component")).unwrap())
    }

    fn resume(&self) -> Arc<Tape> {
        Arc::new(Tape::resume(&self.path(), &KEY, Digest::of(b"another")).unwrap())
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.path()).map_or(0, Iterator::count)
    }
}

fn response(text: &str) -> Answer {
    let headers = vec![("name".to_owned(), "value".to_owned())];
    Answer::Response { status: 200, headers, body: text.as_bytes().to_owned() }
}

/// What a component asks for that uses everything, with what it is answered.
async fn everything(tape: &Arc<Tape>, live: u64) -> Vec<String> {
    let mut seen = vec![format!("{:?}", tape.seed())];
    seen.push(format!("{:?}", tape.monotonic()));
    seen.push(format!("{:?}", tape.wall(|| Duration::from_secs(live))));
    for question in [Question::Aborted, Question::Paused, Question::Ready] {
        let answer = tape.flag(question).unwrap().unwrap_or_else(|| {
            let answer = live.is_multiple_of(2);
            tape.note(Entry::Flag(question, answer));
            answer
        });
        seen.push(answer.to_string());
    }
    let polled = tape.polled().unwrap().unwrap_or_else(|| {
        tape.note(Entry::Polled(vec![7]));
        vec![7]
    });
    seen.push(format!("{polled:?}"));
    for (request, repeatable) in [(ONE, true), (TWO, false)] {
        let answer = match tape.answered(request).unwrap() {
            Some(answer) => answer,
            None => {
                let live = async { response(&live.to_string()) };
                tape.exchange(request, repeatable, live).await.unwrap()
            }
        };
        assert!(matches!(&answer, Answer::Response { status: 200, .. }));
        let Answer::Response { body, .. } = answer else { continue };
        seen.push(String::from_utf8(body).unwrap());
    }
    seen
}

#[tokio::test]
async fn a_run_that_is_resumed_sees_what_it_saw() {
    let run = Run::new();
    let tape = run.begin();
    let first = everything(&tape, 1).await;
    let resumed = run.resume();
    assert_eq!(*resumed.component(), Digest::of(b"component"));
    assert_eq!(everything(&resumed, 2).await, first);
    // And again, with what came after it.
    let third = run.resume();
    assert_eq!(everything(&third, 3).await, first);
    let more = everything(&third, 3).await;
    let fourth = run.resume();
    assert_eq!(everything(&fourth, 4).await, first);
    assert_eq!(everything(&fourth, 4).await[2..], more[2..]);
    assert!(fourth.failure().is_none());
}

#[tokio::test]
async fn a_run_that_does_nothing_outside_has_nothing_on_the_disk() {
    let run = Run::new();
    let tape = run.begin();
    tape.monotonic();
    tape.note(Entry::Flag(Question::Aborted, false));
    tape.wait(async {}).await;
    assert!(!tape.is_on_disk());
    assert_eq!(run.files(), 0);
    let off = Arc::new(Tape::off().unwrap());
    everything(&off, 1).await;
    assert!(!off.is_on_disk());
}

#[tokio::test]
async fn a_request_without_an_answer_is_lost_unless_it_may_be_repeated() {
    for repeatable in [false, true] {
        let run = Run::new();
        let tape = run.begin();
        let sent = tokio::sync::Notify::new();
        let never = tape.exchange(ONE, repeatable, async {
            sent.notify_one();
            std::future::pending().await
        });
        tokio::select! {
            _ = never => unreachable!("nobody answers"),
            () = sent.notified() => {}
        }
        for _ in 0..2 {
            let resumed = run.resume();
            let answer = resumed.answered(ONE).unwrap();
            assert_eq!(answer, (!repeatable).then_some(Answer::Lost));
            resumed.flush(true).await.unwrap();
        }
    }
}

#[tokio::test]
async fn whoever_does_something_else_than_before_is_stopped() {
    let run = Run::new();
    let tape = run.begin();
    tape.note(Entry::Flag(Question::Aborted, true));
    tape.exchange(ONE, true, async { response("x") }).await.unwrap();
    let attempts: [fn(&Tape); 5] = [
        |tape| _ = tape.monotonic(),
        |tape| _ = tape.flag(Question::Paused),
        |tape| _ = tape.polled(),
        |tape| _ = tape.answered(ONE),
        |tape| {
            tape.flag(Question::Aborted).unwrap();
            _ = tape.answered(TWO);
        },
    ];
    for attempt in attempts {
        let resumed = run.resume();
        attempt(&resumed);
        let failure = resumed.failure().unwrap();
        assert!(
            matches!(failure, TapeError::Diverged { .. } | TapeError::DivergedRequest),
            "{failure}"
        );
        // From then on, nothing is sent and nothing is recorded.
        let sent = resumed.exchange(TWO, true, async { panic!("it is sent") }).await;
        sent.unwrap_err();
        resumed.flush(true).await.unwrap();
    }
    let resumed = run.resume();
    assert_eq!(resumed.flag(Question::Aborted).unwrap(), Some(true));
    assert_eq!(resumed.answered(ONE).unwrap(), Some(response("x")));
}

#[tokio::test]
async fn what_is_not_on_the_tape_can_not_be_repeated() {
    let run = Run::new();
    let tape = run.begin();
    tape.exchange(ONE, true, async { response("x") }).await.unwrap();
    tape.leave("of no importance").await.unwrap();
    tape.leave("once is enough").await.unwrap();
    tape.exchange(TWO, false, async { response("y") }).await.unwrap();
    let resumed = run.resume();
    assert_eq!(resumed.answered(ONE).unwrap(), Some(response("x")));
    resumed.answered(TWO).unwrap_err();
    assert!(resumed.failure().unwrap().to_string().contains("of no importance"));
    let resumed = run.resume();
    resumed.answered(ONE).unwrap();
    resumed.leave("of no importance").await.unwrap_err();
}

#[test]
fn a_component_that_asks_for_the_time_for_ever_takes_no_memory_for_it() {
    let run = Run::new();
    let tape = run.begin();
    let mut shown = Vec::new();
    for _ in 0..20_000 {
        shown.push(tape.monotonic());
        assert!(tape.lock().pending_bytes <= PENDING_MAX);
    }
    assert_eq!(run.files(), 1);
    let resumed = run.resume();
    let again: Vec<_> = (0..10_000).map(|_| resumed.monotonic()).collect();
    assert_eq!(again, shown[..10_000]);
}

#[tokio::test]
async fn a_run_that_kills_the_daemon_is_given_up() {
    let run = Run::new();
    let tape = run.begin();
    tape.exchange(ONE, true, async { response("x") }).await.unwrap();
    for _ in 0..FRUITLESS_MAX {
        let resumed = run.resume();
        resumed.answered(ONE).unwrap();
        assert!(resumed.flag(Question::Paused).unwrap().is_none());
        // It waits, and dies when it goes on.
        resumed.wait(async {}).await;
    }
    let given_up = Tape::resume(&run.path(), &KEY, Digest::of(b"component"));
    assert!(matches!(given_up, Err(TapeError::Fruitless)));
}

#[tokio::test]
async fn a_run_that_waits_is_not_blamed_for_the_death_of_the_daemon() {
    let run = Run::new();
    run.begin().exchange(ONE, true, async { response("x") }).await.unwrap();
    for _ in 0..2 * FRUITLESS_MAX {
        let resumed = run.resume();
        resumed.answered(ONE).unwrap();
        assert!(resumed.flag(Question::Paused).unwrap().is_none());
        let files = run.files();
        let mut waits = Box::pin(resumed.wait(std::future::pending::<()>()));
        let length = || {
            let files = std::fs::read_dir(run.path()).unwrap();
            files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>()
        };
        let before = length();
        while std::future::poll_fn(|context| {
            std::task::Poll::Ready(waits.as_mut().poll(context).is_ready())
        })
        .await
            || length() == before
        {
            tokio::task::yield_now().await;
        }
        drop(waits);
        assert_eq!(run.files(), files);
    }
}

#[tokio::test]
async fn the_clock_goes_on_over_a_restart() {
    let run = Run::new();
    let tape = run.begin();
    let shown = tape.monotonic();
    tape.exchange(ONE, true, async { response("x") }).await.unwrap();
    let file = std::fs::read_dir(run.path()).unwrap().next().unwrap().unwrap().path();
    let hour = Duration::from_secs(3600);
    let file = std::fs::File::options().append(true).open(file).unwrap();
    file.set_modified(SystemTime::now() - hour).unwrap();
    let resumed = run.resume();
    assert_eq!(resumed.monotonic(), shown);
    resumed.answered(ONE).unwrap();
    assert!(resumed.monotonic() >= shown + hour);
}

#[tokio::test]
async fn a_frame_that_is_cut_off_was_not_there_and_a_damaged_one_ends_the_run() {
    let run = Run::new();
    let tape = run.begin();
    tape.exchange(ONE, true, async { response("x") }).await.unwrap();
    let path = run.path().join("00000001.tape");
    let kept = std::fs::metadata(&path).unwrap().len();
    tape.exchange(TWO, true, async { response("y") }).await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let resumed = run.resume();
    assert_eq!(resumed.answered(ONE).unwrap(), Some(response("x")));
    assert_eq!(resumed.answered(TWO).unwrap(), None);

    let mut damaged = whole;
    damaged[usize::try_from(kept).unwrap() - 1] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let damaged = Tape::resume(&run.path(), &KEY, Digest::of(b"component"));
    assert!(matches!(damaged, Err(TapeError::File(FramesError::Damaged { .. }))));
}

#[tokio::test]
async fn nothing_on_a_tape_is_readable_without_the_key() {
    let run = Run::new();
    let tape = run.begin();
    tape.exchange(ONE, false, async { response("hunter2 hunter2") }).await.unwrap();
    assert!(!format!("{tape:?} {:?}", response("hunter2")).contains("hunter2"));
    let text = std::fs::read(run.path().join("00000001.tape")).unwrap();
    assert!(!String::from_utf8_lossy(&text).contains("hunter2"));
}

#[tokio::test]
async fn a_tape_that_is_too_long_is_given_up_and_the_run_is_not() {
    let run = Run::new();
    let tape = run.begin();
    let long = "x".repeat(8 << 20);
    for _ in 0..=BYTES_MAX >> 23 {
        tape.exchange(ONE, true, async { response(&long) }).await.unwrap();
    }
    tape.exchange(TWO, false, async { response("y") }).await.unwrap();
    let resumed = run.resume();
    while resumed.answered(ONE).is_ok_and(|answer| answer.is_some()) {}
    assert!(matches!(resumed.failure(), Some(TapeError::Untaped(_))));
}

#[tokio::test]
async fn what_could_not_be_written_is_written_with_what_comes_next() {
    let run = Run::new();
    let tape = run.begin();
    // There is a file where the directory is to be.
    std::fs::write(run.path(), "").unwrap();
    tape.exchange(ONE, false, async { panic!("it is sent") }).await.unwrap_err();
    tape.exchange(ONE, true, async { response("x") }).await.unwrap();
    std::fs::remove_file(run.path()).unwrap();
    tape.flush(true).await.unwrap();
    assert_eq!(run.resume().answered(ONE).unwrap(), Some(response("x")));
}
