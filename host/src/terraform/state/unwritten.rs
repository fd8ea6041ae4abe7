//! State that could not be written: kept before anything else, then pushed until it is where it belongs.

use super::{Context, ERRORED, Locking, is_conflict};
use crate::crash::{self, CrashPoint};
use crate::shim::{Ladder, Orphan};
use crate::terraform::answer::StateFate;
use crate::terraform::command::{self, Tooling};
use crate::terraform::files::{self, blocking};
use crate::terraform::follow::{Ended, Verdict};
use crate::terraform::locks;
use crate::terraform::tail::Shown;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::fs::File;
use std::io::{self, BufReader, Seek as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// How a push is stopped. One that waits for an answer listens to no interrupt (measured: neither to the first nor to a second), and what it
/// pushes is kept.
const LADDER: Ladder = Ladder {
    grace: Duration::from_secs(1),
    stall: None,
    limit: Duration::from_secs(1),
    force: Duration::from_secs(1),
    orphan: Orphan::Continues,
};

const PUSH: Locking =
    Locking { verb: "state push", operation: "state-push", writes: true, expected: &[0] };

/// State that Terraform could not write, and where its copies are.
pub(super) enum Errored {
    Kept(Vec<PathBuf>),
    /// Only the run's directory has it.
    Left(String),
}

/// How often a backend may take a state and then not have it: some need a moment, and one that forgets does so for ever.
const FORGOTTEN_MAX: u32 = 2;

/// Why a try brought nothing.
struct Unpushed {
    why: String,
    /// The backend took the state, and does not have it.
    is_forgotten: bool,
}

/// Which state it is: every write of another one has a higher serial. Its lineage tells nothing: where there was no state, a push makes
/// up a new one.
#[derive(Debug, Deserialize)]
struct Version {
    serial: u64,
    /// Only counted.
    #[serde(default)]
    resources: Vec<IgnoredAny>,
}

impl Unpushed {
    fn of(why: String) -> Self {
        Self { why, is_forgotten: false }
    }
}

impl Version {
    fn is(&self, other: &Self) -> bool {
        self.serial >= other.serial && self.resources.len() == other.resources.len()
    }
}

impl Context {
    /// Keeps the state that could not be written.
    pub(super) async fn secure(&self, call: &str, ended: &Ended, errors: &str) -> Option<Errored> {
        let path = self.work.join(ERRORED);
        let opened = {
            let path = path.clone();
            blocking(move || files::open(&path)).await
        };
        let state = match opened {
            Ok(Some(state)) => state,
            // It was pushed by an earlier process, which then removed it.
            Ok(None) if self.follower.knows(&format!("{call}-push-1")) => {
                let (quarantine, call) = (self.quarantine.clone(), call.to_owned());
                let (block, run) = (self.block.clone(), self.run.clone());
                let kept = blocking(move || quarantine.of(&block, &run, &call)).await;
                return Some(Errored::Kept(kept.unwrap_or_default()));
            }
            Ok(None) if was_printed(errors) => {
                // Not even that file could be written; Terraform prints the state then.
                let kept = match File::open(&ended.stdout) {
                    Ok(printed) => self.keep(printed, call).await,
                    Err(error) => Err(error),
                };
                return Some(Errored::Left(match kept {
                    Ok(path) => format!(
                        "what it printed, with the state in it, is kept in `{}`",
                        path.display()
                    ),
                    Err(error) => format!(
                        "what it printed, with the state in it, is in `{}` ({error})",
                        ended.stdout.display()
                    ),
                }));
            }
            Ok(None) => return None,
            Err(error) => {
                return Some(Errored::Left(format!("`{ERRORED}` can't be read ({error})")));
            }
        };
        // SECURITY: e2e::terraform_workspace::a_state_that_can_not_be_written_is_kept_and_pushed_again
        match self.keep(state, call).await {
            Ok(path) => {
                crash::point(CrashPoint::StateKept);
                Some(Errored::Kept(vec![path]))
            }
            Err(error) => {
                tracing::error!(%error, "a state can't be kept");
                Some(Errored::Left(format!("it is in `{}` only ({error})", path.display())))
            }
        }
    }

    async fn keep(&self, state: File, call: &str) -> io::Result<PathBuf> {
        let quarantine = self.quarantine.clone();
        let (block, run, call) = (self.block.clone(), self.run.clone(), call.to_owned());
        blocking(move || quarantine.keep(&state, &block, &run, &call)).await
    }

    /// Pushes the state until it is where it belongs.
    pub(super) async fn push(&self, call: &str, tooling: &Tooling, errored: Errored) -> StateFate {
        let pushing = self.config.pushing;
        let mut pause = pushing.first_pause;
        let mut tooling = tooling.clone();
        // We try again ourselves.
        for (name, value) in &mut tooling.environment {
            if name == "TF_HTTP_RETRY_MAX" {
                *value = "2".to_owned();
            }
        }
        let began = Instant::now();
        let mut why = "it was not tried".to_owned();
        let mut forgotten = 0;
        for attempt in 1..=pushing.tries.max(1) {
            let name = format!("{call}-push-{attempt}");
            if attempt > 1 && !self.follower.knows(&name) {
                // SECURITY: e2e::terraform_workspace::states::pushes_without_an_answer_come_to_an_end
                if began.elapsed() >= pushing.total {
                    break;
                }
                let next = humantime::format_duration(pause);
                self.follower.say(&format!(
                    "The state could not be written ({why}); trying again in {next}."
                ));
                if !self.follower.flight.pause_unless_hurried(pause).await {
                    break;
                }
                pause = pause.saturating_mul(2).min(pushing.longest_pause);
            }
            match self.try_push(&name, &tooling).await {
                Ok(()) => {
                    self.saved(&errored).await;
                    return StateFate::Saved;
                }
                Err(unpushed) => {
                    forgotten += u32::from(unpushed.is_forgotten);
                    why = unpushed.why;
                }
            }
            // SECURITY: e2e::terraform_walls::backends::a_backend_that_forgets_what_was_pushed_is_not_believed_twice
            if forgotten >= FORGOTTEN_MAX {
                break;
            }
        }
        let place = match &errored {
            Errored::Kept(paths) => self
                .quarantine
                .sentence(paths.first().map_or_else(|| Path::new(""), PathBuf::as_path)),
            Errored::Left(place) => format!("No copy could be made of it: {place}."),
        };
        StateFate::NotSaved(format!(
            "The state could not be written to its backend ({why}). {place} Do not run this block again before that."
        ))
    }

    /// One try. An error says why the state is not there.
    async fn try_push(&self, name: &str, tooling: &Tooling) -> Result<(), Unpushed> {
        let file = self.work.join(ERRORED);
        let spec = tooling.spec(command::push(&file), LADDER, self.config.pushing.timeout);
        let pushed = self.follower.carry_out(name, spec, Shown::Errors, false).await;
        let ended = pushed.map_err(|error| Unpushed::of(error.to_string()))?;
        if matches!(ended.verdict(PUSH.expected), Verdict::Done(_)) {
            crash::point(CrashPoint::StatePushed);
            return self.confirm(name, tooling, &file).await;
        }
        let errors = ended.errors().await;
        if ended.is_violent() {
            // It may have left its own lock, at which all that come after it would fail.
            self.look_for_lock(name, tooling, PUSH, &ended).await;
        } else if is_conflict(&ended, PUSH.expected).await
            && let Some(lock) = locks::parse(errors)
        {
            self.release_if_proven(name, tooling, &lock).await;
        }
        let text = ended.diagnostics().await;
        let first = text
            .lines()
            .map(|line| line.trim_matches(['│', '╷', '╵', ' ']))
            .find(|line| !line.is_empty());
        Err(Unpushed::of(first.unwrap_or("no reason given").to_owned()))
    }

    /// Whether the backend has the state that it has taken: after this, nobody else has it.
    async fn confirm(&self, name: &str, tooling: &Tooling, file: &Path) -> Result<(), Unpushed> {
        let file = file.to_owned();
        let pushed = blocking(move || files::open(&file)?.map(version).transpose()).await;
        // One that is no longer there was confirmed by an earlier process. What can't be read by us can't be compared.
        let Ok(Some(pushed)) = pushed else { return Ok(()) };
        let timeout = self.config.pushing.timeout;
        let spec = tooling.spec(command::pull(), self.config.reading, timeout);
        let name = format!("{name}-pull");
        let pulled = self.follower.carry_out(&name, spec, Shown::Errors, false).await;
        let ended = pulled.map_err(|error| Unpushed::of(error.to_string()))?;
        if !matches!(ended.verdict(&[0]), Verdict::Done(_)) {
            return Err(Unpushed::of("the backend took it, and can't be asked for it".to_owned()));
        }
        let stdout = ended.stdout.clone();
        // It is the whole state, in clear. Whoever comes by again without it pushes once more.
        // SECURITY: e2e::crash_points::a_refused_state_survives_every_crash
        let there = blocking(move || {
            let there = version(File::open(&stdout)?);
            files::remove(&stdout)?;
            there
        });
        let there = there.await;
        // SECURITY: e2e::terraform_workspace::states::a_backend_that_forgets_what_it_took_is_not_believed
        match there {
            Ok(there) if there.is(&pushed) => Ok(()),
            _ => Err(Unpushed {
                why: "the backend took it, and does not have it".to_owned(),
                is_forgotten: true,
            }),
        }
    }

    async fn saved(&self, errored: &Errored) {
        self.follower.say("The state has been written at last.");
        let mut copies =
            if let Errored::Kept(paths) = errored { paths.clone() } else { Vec::new() };
        copies.push(self.work.join(ERRORED));
        let removed = blocking(move || copies.iter().try_for_each(|path| files::remove(path)));
        if let Err(error) = removed.await {
            tracing::warn!(%error, "the copy of a state that has been written can't be removed");
        }
    }
}

/// Of a state; nothing else of it is looked at or kept.
fn version(mut state: File) -> io::Result<Version> {
    state.rewind()?;
    serde_json::from_reader(BufReader::new(state)).map_err(io::Error::from)
}

/// Whether Terraform could neither write the state nor keep it in a file.
fn was_printed(errors: &str) -> bool {
    // Terraform breaks lines where it likes.
    let words: Vec<_> = errors.split_whitespace().filter(|word| *word != "│").collect();
    words.join(" ").contains("from creating a local backup file")
}
