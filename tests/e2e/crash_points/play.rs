//! Plays one story once, with the program killed at one place or at none, or the machine without power from there on.

use super::PROGRAM;
use super::disk::Disk;
use super::trace::Trace;
use crate::all_text;
use anyhow::{Context as _, Result, ensure};
use blockhouse::crash::{self, CrashPoint, Pass};
use blockhouse_emulator::{Behavior, Fault, Gate, Route, RunState, RunView, Status};
use blockhouse_tests::crash_matrix::{ENDED, Promise, Story};
use blockhouse_tests::{AllTypes, Block, Kind, Process, patience};
use serde_json::json;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// How long what is left of a run may take to go: nothing is waited for that still does something.
const LAST: Duration = Duration::from_secs(20);

/// Longer than meshStack waits for a run that nobody speaks of.
const TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);

/// How long a program is left that may not know that it was interrupted.
const GRACE: &str = "  interruptGrace: 5s\n";

/// The disk that loses power is smaller than what is left free otherwise.
const LITTLE_ROOM: &str = "journal: {minFreeMib: 8}\n";

/// What the run tells again.
const SIZE: u32 = 7;

/// What is gone when the program is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// What it had in memory.
    Process,
    /// And what the system had not yet written to the disk of its state.
    Power,
}

/// A story while it is played.
struct Scene {
    story: Story,
    kill: Option<Pass>,
    /// If power is to be lost.
    disk: Option<Mutex<Disk>>,
    all: AllTypes,
    id: Uuid,
    kind: Kind,
    block: Option<Block>,
    /// Whether the last request that a service saw before the daemon was killed could have changed something.
    may_change: AtomicBool,
    /// Whether the run was claimed before the daemon was killed.
    was_claimed: AtomicBool,
    /// Holds back the registration.
    hold: Gate,
}

/// See [`self`].
pub(super) async fn play(story: Story, kill: Option<Pass>, gone: Gone) -> Result<Trace> {
    let scene = Scene::set(story, kill, gone).await?;
    let played = scene.play().await;
    let trace = Trace::read(&scene.trace());
    scene.keep_code();
    played.map_err(|error| anyhow::anyhow!("{error:#}\nthe log:\n{}", told(&scene.all.log())))?;
    Ok(trace)
}

/// The end of a log, without what each start says.
fn told(log: &str) -> String {
    let lines = log.lines().filter(|line| !line.contains("route is ready"));
    let mut last: Vec<_> = lines.rev().take(20).collect();
    last.reverse();
    last.join("\n")
}

/// Compiled components, so that not each daemon compiles them again.
pub(super) fn code() -> PathBuf {
    blockhouse_tests::program().with_file_name("compiled-for-processes")
}

/// Links the files of one directory into another one.
fn share(from: &Path, to: &Path) {
    let _ = fs::create_dir_all(to);
    for file in fs::read_dir(from).into_iter().flatten().flatten() {
        // One that is there is the same. Without it, there is only more to do.
        let _ = fs::hard_link(file.path(), to.join(file.file_name()));
    }
}

impl Scene {
    async fn set(story: Story, kill: Option<Pass>, gone: Gone) -> Result<Self> {
        let kind = match story {
            Story::Azure => Kind::Azure,
            Story::Files => Kind::Files,
            Story::Github => Kind::Github,
            Story::Gitlab => Kind::Gitlab,
            Story::Manual | Story::ManualAgain | Story::Stopped => Kind::Manual,
            Story::Aborted | Story::Apply | Story::ApplyAgain | Story::Destroy | Story::Refused => {
                Kind::Terraform
            }
        };
        let more = if gone == Gone::Power { LITTLE_ROOM } else { "" };
        let all = AllTypes::new(Path::new(PROGRAM), &[kind], GRACE, more).await?;
        fs::create_dir(all.state())?;
        let disk = if gone == Gone::Power {
            Some(Mutex::new(Disk::new(&all.state())?))
        } else {
            share(&code(), &all.state().join("components"));
            None
        };
        let block = if kind == Kind::Terraform { Some(all.block(1)?) } else { None };
        let (id, hold) = (Uuid::new_v4(), Gate::new());
        let [may_change, was_claimed] = [(); 2].map(|()| AtomicBool::new(true));
        Ok(Self { story, kill, disk, all, id, kind, block, may_change, was_claimed, hold })
    }

    fn trace(&self) -> PathBuf {
        self.all.directory().join("trace")
    }

    fn keep_code(&self) {
        share(&self.all.state().join("components"), &code());
    }

    /// Whether it is the second daemon that shall be killed.
    fn is_second(&self) -> bool {
        matches!(self.story, Story::ApplyAgain | Story::ManualAgain)
    }

    fn begin(&self, kill: Option<Pass>, traced: bool) -> Result<Process> {
        let trace = traced.then(|| (crash::TRACE.to_owned(), self.trace().display().to_string()));
        let kill = kill.map(|pass| (crash::AT.to_owned(), pass.to_string()));
        let environment: Vec<_> = trace.into_iter().chain(kill).collect();
        match &self.disk {
            Some(disk) => self.all.begin_by(&disk.lock().unwrap().program(), &environment),
            None => self.all.begin(&environment),
        }
    }

    /// Whether the daemon that was started last has found the run, or can claim it.
    fn is_known(&self) -> Result<bool> {
        if !self.was_claimed.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let log = self.all.log();
        let (_, found) = log.rsplit_once("\"left_over_runs\":").context("no daemon is up")?;
        Ok(!found.starts_with('0'))
    }

    async fn play(&self) -> Result<()> {
        self.order()?;
        let mut daemon = if self.is_second() {
            self.leave_behind().await?;
            self.begin(self.kill, true)?
        } else {
            self.begin(self.kill, true)?
        };
        self.happen(&mut daemon).await?;
        if let Some(pass) = self.kill
            && !pass.point.is_of_shim()
        {
            let status = tokio::time::timeout(patience(), daemon.ended(Duration::MAX)).await;
            let status = status.context("the daemon does not come by")??;
            ensure!(status.signal() == Some(9), "the daemon ended as {status}");
            let may_change = pass.point != CrashPoint::HttpAnswered || !self.has_only_read();
            self.may_change.store(may_change, Ordering::Relaxed);
            let is_claimed =
                self.all.emulator.run(&self.id).is_some_and(|run| run.state != RunState::Pending);
            self.was_claimed.store(is_claimed, Ordering::Relaxed);
            let leaks = self.all.leaks()?;
            ensure!(leaks.is_empty(), "when the daemon was killed: {leaks:?}");
            if let Some(disk) = &self.disk {
                self.all.kill_all().await?;
                disk.lock().unwrap().lose_power()?;
            }
            self.release();
            daemon = self.begin(None, false)?;
        }
        self.end(&mut daemon).await
    }

    /// Orders the run.
    fn order(&self) -> Result<()> {
        let Self { all, id, .. } = self;
        match self.story {
            Story::Aborted | Story::Apply | Story::ApplyAgain => all.gate.close(),
            Story::Refused => {
                all.emulator.script_for_run(Route::StateWrite, id, Fault::status(403), 1);
            }
            Story::Stopped => {
                let hold = Fault::Hold(self.hold.clone());
                all.emulator.script_for_run(Route::Register, id, hold, 1);
            }
            _ => {}
        }
        let spec = match &self.block {
            None => all.spec(self.kind, *id, SIZE)?,
            Some(block) if self.story == Story::Destroy => {
                all.emulator.set_terraform_state(&block.state, full_state());
                all.terraform_spec(block, Behavior::Destroy, *id, SIZE)
            }
            Some(block) => all.terraform_spec(block, Behavior::Apply, *id, SIZE),
        };
        all.emulator.enqueue(spec);
        Ok(())
    }

    /// A first daemon is killed in the middle of the run.
    async fn leave_behind(&self) -> Result<()> {
        if self.story == Story::ManualAgain {
            let pass = Pass { point: CrashPoint::ComponentInstantiated, number: 1 };
            self.begin(Some(pass), false)?.ended(patience()).await?;
            return Ok(());
        }
        let mut daemon = self.begin(None, false)?;
        daemon.until(self.all.gate.reached(1, patience())).await??;
        daemon.kill()
    }

    /// What the story does to the run.
    async fn happen(&self, daemon: &mut Process) -> Result<()> {
        let all = &self.all;
        match self.story {
            Story::Aborted => {
                daemon.until(all.gate.reached(1, patience())).await??;
                all.emulator.abort(&self.id);
            }
            Story::Apply => {
                // It lasts until something is reported of it.
                let is_reported = |run: RunView| run.updates > 0;
                let reported = all
                    .emulator
                    .wait_until(patience(), |view| view.run(&self.id).is_some_and(is_reported));
                // It may be killed before.
                let _ = daemon.until(reported).await;
                all.gate.open();
            }
            Story::ApplyAgain => {
                let adopted = async {
                    while Trace::read(&self.trace()).numbers(CrashPoint::RecoveryAdopted).is_empty()
                    {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                };
                // It may be killed before.
                let _ = daemon.until(adopted).await;
                all.gate.open();
            }
            Story::Stopped => {
                daemon.until(self.hold.reached(1)).await?;
                for told in ["draining: no more runs", "aborting the runs that are left"] {
                    // It may have been killed by the first one.
                    if daemon.terminate().is_err() || !self.tells(daemon, told).await? {
                        break;
                    }
                }
                self.hold.open();
            }
            _ => {}
        }
        Ok(())
    }

    /// Waits until the daemon says this; whether it lives on.
    async fn tells(&self, daemon: &mut Process, what: &str) -> Result<bool> {
        let told = async {
            while !self.all.log().contains(what) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let told = tokio::time::timeout(patience(), daemon.until(told)).await;
        told.context("wait for the log").map(|told| told.is_ok())
    }

    /// Whether the last request that was sent is one that may be repeated.
    fn has_only_read(&self) -> bool {
        let last = match self.kind {
            Kind::Azure => self.all.azure.requests().last().map(|request| request.method.clone()),
            Kind::Github => self.all.github.requests().last().map(|request| request.method.clone()),
            _ => None,
        };
        last.is_some_and(|method| method == "GET")
    }

    /// Nothing is held back any more, but for what an aborted run waits at.
    fn release(&self) {
        self.hold.open();
        if self.story != Story::Aborted {
            self.all.gate.open();
        }
    }

    /// Lets the run and then the daemon end, and looks at what has become of them.
    async fn end(&self, daemon: &mut Process) -> Result<()> {
        let promise = match self.kill {
            Some(pass) if self.disk.is_some() => self.story.promise_without_power(pass.point),
            Some(pass) => self.story.promise(pass.point),
            None => Promise::EndsTheSame,
        };
        let all = &self.all;
        if self.story != Story::Stopped || self.kill.is_some() {
            let claims = all.emulator.count(Route::Claim);
            let claimed =
                all.emulator.wait_until(patience(), |view| view.requests(Route::Claim) > claims);
            daemon.until(claimed).await??;
        }
        let promise = match promise {
            Promise::GoesOnOrTimesOut if self.is_known()? => Promise::GoesOn,
            Promise::GoesOnOrTimesOut => Promise::TimesOut,
            promise => promise,
        };
        if promise == Promise::TimesOut {
            all.emulator.advance(TIMEOUT);
        } else if self.kind == Kind::Gitlab {
            let is_over =
                |run: RunView| run.log("gl-trigger").contains("used ") || run.state.is_terminal();
            let over =
                all.emulator.wait_until(patience(), |view| view.run(&self.id).is_some_and(is_over));
            daemon.until(over).await??;
        } else if self.story != Story::Stopped || self.kill.is_some() {
            daemon.until(all.emulator.wait_for_end(&self.id, patience())).await??;
        }
        if self.story != Story::Stopped || self.kill.is_some() {
            daemon.terminate()?;
        }
        let status = daemon.ended(patience()).await?;
        ensure!(status.success(), "the daemon ended as {status}");
        if self.kind == Kind::Gitlab && promise != Promise::TimesOut {
            all.emulator.finish_from_outside(&self.id, true);
        }
        self.judge(promise).await
    }

    async fn judge(&self, promise: Promise) -> Result<()> {
        let all = &self.all;
        let run = all.emulator.run(&self.id).context("the run is gone")?;
        let mut wrong = self.wrong_end(promise, &run);
        wrong.extend(all.leaks_in(&run));
        let gone = async {
            loop {
                match all.remains(0) {
                    Ok(remains) if remains.is_nothing() => return,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        if tokio::time::timeout(LAST, gone).await.is_err() {
            wrong.push(format!("there remains {:?}", all.remains(0)?));
        }
        wrong.extend(all.emulator.take_violations().iter().map(|violation| violation.to_string()));
        wrong.extend(self.broken_protocol());
        if all.log().contains("unreadable") {
            wrong.push("a part of the journal is unreadable".to_owned());
        }
        ensure!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), all_text(&run));
        Ok(())
    }

    fn broken_protocol(&self) -> Vec<String> {
        let all = &self.all;
        let found = [
            all.azure.take_violations(),
            all.github.take_violations(),
            all.gitlab.take_violations(),
        ];
        found.concat().iter().map(|violation| violation.to_string()).collect()
    }

    fn wrong_end(&self, promise: Promise, run: &RunView) -> Vec<String> {
        let mut wrong = Vec::new();
        let as_always = match self.story {
            Story::Aborted => RunState::Aborted,
            Story::Refused => RunState::Failed,
            _ => RunState::Succeeded,
        };
        let state = match promise {
            Promise::EndsTheSame | Promise::GoesOn => as_always,
            Promise::GoesOnOrFails => self.honest(run).unwrap_or(as_always),
            Promise::Fails(_) if self.story == Story::Aborted => RunState::Aborted,
            Promise::Fails(_) => RunState::Failed,
            Promise::GoesOnOrTimesOut | Promise::TimesOut => RunState::TimedOut,
        };
        if run.state != state {
            wrong.push(format!("the run has {} and not {state}", run.state));
        }
        let is_ours = promise != Promise::TimesOut
            && (self.kind != Kind::Gitlab || run.state == RunState::Failed);
        if run.terminal_updates != u64::from(is_ours) {
            wrong.push(format!("{} final statuses", run.terminal_updates));
        }
        let is_open = |status| matches!(status, Status::InProgress | Status::Pending);
        if promise != Promise::TimesOut && run.steps.iter().any(|step| is_open(step.status)) {
            wrong.push(format!("steps are open: {:?}", run.timeline()));
        }
        let text = all_text(run).to_lowercase();
        match promise {
            Promise::Fails(says) if !text.contains(says) => {
                wrong.push(format!("the run does not say `{says}`"));
            }
            _ if self.story == Story::Refused
                && !text.contains("state has been written at last") =>
            {
                wrong.push("the run does not say that its state was written".to_owned());
            }
            _ => {}
        }
        wrong.extend(self.wrong_effects(promise, run));
        wrong
    }

    /// How the run may end if a request must not be repeated, or a program is gone.
    fn honest(&self, run: &RunView) -> Option<RunState> {
        let why = if self.kind == Kind::Terraform { ENDED } else { "request" };
        let may_fail = self.may_change.load(Ordering::Relaxed) && run.state == RunState::Failed;
        (may_fail && all_text(run).to_lowercase().contains(why)).then_some(RunState::Failed)
    }

    fn wrong_effects(&self, promise: Promise, run: &RunView) -> Vec<String> {
        let all = &self.all;
        let has_succeeded = run.state == RunState::Succeeded;
        let mut wrong = Vec::new();
        if has_succeeded && self.story != Story::Destroy {
            wrong.extend(all.wrong_outputs(self.kind, run, SIZE));
        }
        let effects = all.effects(self.kind, &self.id);
        let expected = usize::from(
            has_succeeded && matches!(self.kind, Kind::Azure | Kind::Github | Kind::Gitlab),
        );
        let is_told = has_succeeded || promise == Promise::TimesOut;
        if effects > 1 || (is_told && effects != expected) {
            wrong.push(format!("{effects} pipelines were started"));
        }
        let Some(block) = &self.block else { return wrong };
        let (made, unmade) = all.resources(block);
        if made > 1 || unmade > 1 {
            wrong.push(format!("the resource was made {made} times and unmade {unmade} times"));
        }
        let is_whole = has_succeeded || matches!(promise, Promise::EndsTheSame | Promise::GoesOn);
        match self.story {
            Story::Apply | Story::ApplyAgain | Story::Refused if is_whole => {
                wrong.extend(all.wrong_state(block, Some(SIZE)));
            }
            Story::Destroy if is_whole => {
                wrong.extend(all.wrong_state(block, None));
            }
            _ => {
                let state = all.emulator.terraform_state(&block.state).unwrap_or_default();
                let existed = usize::from(self.story == Story::Destroy);
                if made + existed > unmade && state.resources().is_empty() {
                    wrong.push("the state forgets the resource".to_owned());
                }
            }
        }
        wrong
    }
}

/// A state with the resource, as an earlier run would have left it.
fn full_state() -> String {
    let attributes =
        json!({"id": Uuid::new_v4(), "input": null, "output": null, "triggers_replace": null});
    let resource = json!({
        "mode": "managed", "type": "terraform_data", "name": "one",
        "provider": "provider[\"terraform.io/builtin/terraform\"]",
        "instances": [{"schema_version": 0, "attributes": attributes}],
    });
    json!({
        "version": 4, "terraform_version": "1.5.5", "serial": 7, "lineage": "crashes", "outputs": {},
        "resources": [resource],
    })
    .to_string()
}
