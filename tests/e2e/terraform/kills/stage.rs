//! The stage of the kill matrix: a scene, the means to hold its runs, and an eye on what they leave.

mod traces;

use super::super::PROGRAM;
use crate::all_text;
use anyhow::{Context as _, Result, ensure};
use blockhouse_emulator::{Behavior, Fault, Gate, InputType, Reach, Route, RunView, StateAddress};
use blockhouse_tests::kill_matrix::{Disturbance, Observed, Phase, Stage};
use blockhouse_tests::terraform::{LoopbackGate, Module, Scene, Stage as Set};
use blockhouse_tests::{GitHttpMode, Leaks, Processes, Role, SmallDisk, WallClock, patience};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

const SECRET: &str = "correct-horse-battery-staple";
/// The run's, which is the password of its state.
const TOKEN: &str = "run-token-of-the-kill-matrix";
const WORKSPACE: &str = "kills";

/// Seconds by which the clock jumps.
const JUMP: i64 = 60 * 60;

/// How long what is left of a run may take to go: nothing is waited for that still does something.
const LAST: Duration = Duration::from_secs(20);

/// Routes that belong to the state.
const STATE: [Route; 5] =
    [Route::StateDelete, Route::StateLock, Route::StateRead, Route::StateUnlock, Route::StateWrite];

/// One daemon after the other on the same scene, and a run.
pub(super) struct Troupe {
    scene: Scene,
    leaks: Leaks,
    /// For where the sources, which have the run's token in them, are not.
    told: Leaks,
    disk: Option<SmallDisk>,
    clock: Option<WallClock>,
    run: Option<Held>,
    /// Secrets that were found while the run was held.
    held_leaks: Vec<String>,
    _scripts: TempDir,
}

/// A run that is held in a phase.
struct Held {
    id: Uuid,
    address: StateAddress,
    /// What existed before it.
    before: BTreeSet<String>,
    behavior: Behavior,
    phase: Phase,
    /// Where the resource that comes first passes at once.
    witness: LoopbackGate,
    /// Where the second one waits.
    gate: LoopbackGate,
    /// Where requests wait.
    answers: Gate,
    /// Faults, connections turned away, and lines of the log until it was disturbed.
    met: u64,
    logged: usize,
}

impl Troupe {
    pub(super) async fn assemble(disturbance: Disturbance) -> Result<Self> {
        let scripts = tempfile::tempdir()?;
        let (mut clock, mut disk) = (None, None);
        let program = match disturbance {
            Disturbance::ClockJump => {
                let clock = clock.insert(WallClock::new(Path::new(PROGRAM), scripts.path())?);
                clock.program().to_owned()
            }
            // That is how the small disk will call its script.
            Disturbance::DiskFull => scripts.path().join("on-small-disk"),
            _ => PathBuf::from(PROGRAM),
        };
        let mut set = Set::default();
        if disturbance == Disturbance::DiskFull {
            // Less than is free on a small disk as long as nobody fills it.
            set.top.push_str("journal: {minFreeMib: 16}\n");
        }
        let mut scene = Scene::set(&program, &Module::new(), set).await?;
        if disturbance == Disturbance::DiskFull {
            std::fs::create_dir(scene.state())?;
            let made = SmallDisk::new(&scene.state(), 64 << 20, Path::new(PROGRAM), scripts.path());
            disk = Some(made?);
        }
        scene.begin()?;
        let leaks = Leaks::of([("the sensitive input", SECRET)])?;
        let told = Leaks::of([("the run's token", TOKEN)])?;
        Ok(Self {
            scene,
            leaks,
            told,
            disk,
            clock,
            run: None,
            held_leaks: Vec::new(),
            _scripts: scripts,
        })
    }

    /// Comes back once an update of the run waits for its answer: until then, nothing else is told or written down about it.
    pub(super) async fn hold_an_update(&self) -> Result<()> {
        let held = self.run()?;
        let hold = Fault::Hold(held.answers.clone());
        self.scene.emulator.fail_for_run(&[Route::Update], &held.id, &hold);
        let reached = tokio::time::timeout(patience(), held.answers.reached(1)).await;
        reached.context("wait for an update")
    }

    /// Lets Terraform go on, but no update. Comes back once the run has ended in the daemon.
    pub(super) async fn end_in_silence(&self) -> Result<()> {
        let held = self.run()?;
        held.gate.open();
        let has_ended = || self.scene.log().get(held.logged..).is_some_and(is_ended);
        self.until("the run has ended", has_ended).await
    }

    fn run(&self) -> Result<&Held> {
        self.run.as_ref().context("no run was started")
    }

    /// What happened to the run's state, and what was logged since it was disturbed: for whoever looks into a failure.
    pub(super) fn story(&self) -> String {
        let Some(held) = &self.run else { return String::new() };
        let state = self.scene.emulator.terraform_state(&held.address).unwrap_or_default();
        let history: Vec<_> = state.history.iter().map(|event| &event.what).collect();
        let log = self.scene.log();
        format!(
            "state: {history:?} {:?}\nlog:\n{}",
            state.resources(),
            log.get(held.logged..).unwrap_or_default()
        )
    }

    /// Waits for something that no event tells.
    async fn until(&self, what: &str, is_met: impl Fn() -> bool) -> Result<()> {
        let waited = async {
            while !is_met() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let met = tokio::time::timeout(patience(), waited).await;
        met.with_context(|| format!("wait until {what}; the log:\n{}", self.scene.log()))
    }

    /// Waits for the end of the run.
    async fn ended(&mut self) -> Result<RunView> {
        let id = self.run()?.id;
        let Scene { emulator, daemon, .. } = &mut self.scene;
        let daemon = daemon.as_mut().context("no daemon is running")?;
        let ended = daemon.until(emulator.wait_for_end(&id, patience())).await?;
        ended.with_context(|| format!("the log:\n{}", daemon.log()))
    }

    fn kill(&self, role: Role) -> Result<()> {
        let daemon = self.scene.daemon.as_ref().context("no daemon")?.id();
        let processes = Processes::now()?;
        let found = processes.with_role(role, daemon, &self.scene.state());
        ensure!(!found.is_empty(), "no {role:?} is running");
        for process in &found {
            process.kill()?;
        }
        while found.iter().any(|process| process.lives()) {
            std::thread::yield_now();
        }
        Ok(())
    }

    fn met(&self, disturbance: Disturbance) -> u64 {
        let emulator = &self.scene.emulator;
        match disturbance {
            Disturbance::ApiUnreachable => emulator.turned_away(),
            _ => {
                let injected = emulator.faults_injected();
                let writes = injected.iter().filter(|((route, _), _)| *route == Route::StateWrite);
                writes.map(|(_, times)| times).sum()
            }
        }
    }
}

fn address(name: &str) -> String {
    format!("terraform_data.{name}")
}

/// A state with both resources, as an earlier run would have left it.
fn full_state() -> String {
    let resource = |name: &str, after: &[&str]| {
        let after: Vec<_> = after.iter().map(|name| address(name)).collect();
        let id = Uuid::new_v4().to_string();
        let attributes = json!({"id": id, "input": null, "output": null, "triggers_replace": null});
        json!({
            "mode": "managed", "type": "terraform_data", "name": name,
            "provider": "provider[\"terraform.io/builtin/terraform\"]",
            "instances": [{"schema_version": 0, "attributes": attributes, "dependencies": after}],
        })
    };
    json!({
        "version": 4, "terraform_version": "1.5.5", "serial": 7, "lineage": "kills", "outputs": {},
        "resources": [resource("one", &["two"]), resource("two", &[])],
    })
    .to_string()
}

/// A data source that reads this state.
fn remote_state(place: &str) -> String {
    let config = format!("address = \"{place}\", username = \"run\", password = \"{TOKEN}\"");
    format!(
        "data \"terraform_remote_state\" \"own\" {{\n  backend = \"http\"\n  config = {{ {config} }}\n}}"
    )
}

/// The first resource comes and goes at once, the second one is waited for. Its command leaves a process behind that never ends.
fn module(phase: Phase, witness: &LoopbackGate, gate: &LoopbackGate) -> Module {
    let module = Module::new().echo_sensitive("token", Some("string"));
    let command = format!("sleep 1000000 </dev/null &>/dev/null & {}", gate.command("two"));
    match phase {
        Phase::Destroy => module.resource_unmade_by("two", &command, &[]).resource_destroyed_at(
            "one",
            witness,
            &["two"],
        ),
        Phase::Apply | Phase::Clone | Phase::Init | Phase::Plan | Phase::Report => {
            module.resource_at("one", witness, &[]).resource_made_by("two", &command, &["one"])
        }
    }
}

/// meshStack keeps states without locks. While a lock could be left behind, the configuration brings a backend that has them.
fn has_locks(phase: Phase) -> bool {
    matches!(phase, Phase::Apply | Phase::Destroy | Phase::Plan)
}

impl Stage for Troupe {
    async fn enter(&mut self, phase: Phase) -> Result<()> {
        let (witness, gate) = (LoopbackGate::new().await?, LoopbackGate::new().await?);
        witness.open();
        if !matches!(phase, Phase::Apply | Phase::Destroy) {
            gate.open();
        }
        let behavior = match phase {
            Phase::Apply | Phase::Clone | Phase::Init | Phase::Report => Behavior::Apply,
            Phase::Destroy => Behavior::Destroy,
            Phase::Plan => Behavior::Detect,
        };
        let (id, block) = (Uuid::new_v4(), Uuid::new_v4());
        let state_address = StateAddress { workspace: WORKSPACE.to_owned(), block };
        let mut module = module(phase, &witness, &gate);
        if has_locks(phase) {
            let place = format!("{WORKSPACE}/buildingBlock/{block}");
            let place =
                format!("{}/api/terraform/state/workspace/{place}", self.scene.emulator.url());
            module = module.own_http_backend(&place, "run", TOKEN);
            if phase == Phase::Plan {
                module = module.hcl(&remote_state(&place));
            }
        }
        self.scene.commit(&module)?;
        let before = match behavior {
            Behavior::Apply => BTreeSet::new(),
            Behavior::Destroy | Behavior::Detect => {
                self.scene.emulator.set_terraform_state(&state_address, full_state());
                BTreeSet::from([address("one"), address("two")])
            }
        };
        let emulator = &self.scene.emulator;
        let (answers, lock) = (Gate::new(), Gate::new());
        let hold = Fault::Hold(answers.clone());
        match phase {
            Phase::Apply | Phase::Destroy => {}
            Phase::Clone => self.scene.git.set(GitHttpMode::StallFetch),
            Phase::Init => emulator.script_for_run(Route::StateRead, &id, hold.clone(), 1),
            // First the lock is held back, so that it is known which read comes after it.
            Phase::Plan => {
                emulator.script_for_run(Route::StateLock, &id, Fault::Hold(lock.clone()), 1);
            }
            Phase::Report => emulator.fail_for_run(&[Route::Update], &id, &hold),
        }
        let fetches = self.scene.git.fetches();
        let logged = self.scene.log().len();
        let spec = self.scene.spec().id(id).block(block).workspace(WORKSPACE).behavior(behavior);
        let spec = spec.run_token(TOKEN);
        emulator.enqueue(spec.sensitive_input("token", InputType::String, SECRET));
        self.run = Some(Held {
            id,
            address: state_address,
            before,
            behavior,
            phase,
            witness,
            gate,
            answers: answers.clone(),
            met: 0,
            logged,
        });
        let held = self.run()?;
        let reached = async {
            match phase {
                Phase::Apply | Phase::Destroy => held.gate.reached(1, patience()).await?,
                Phase::Clone => {
                    self.until("a fetch", || self.scene.git.fetches() > fetches).await?;
                }
                Phase::Init => answers.reached(1).await,
                Phase::Plan => {
                    lock.reached(1).await;
                    // The state first, then the data source.
                    emulator.script_for_run(Route::StateRead, &id, Fault::Pass, 1);
                    emulator.script_for_run(Route::StateRead, &id, hold.clone(), 1);
                    lock.open();
                    answers.reached(1).await;
                }
                Phase::Report => {
                    answers.reached(1).await;
                    let ended = || self.scene.log().get(logged..).is_some_and(is_ended);
                    self.until("the run has ended", ended).await?;
                }
            }
            Ok(())
        };
        let reached = tokio::time::timeout(patience(), reached).await;
        reached.with_context(|| format!("the log:\n{}", self.scene.log()))?
    }

    async fn disturb(&mut self, disturbance: Disturbance) -> Result<()> {
        let met = self.met(disturbance);
        let held = self.run.as_mut().context("no run was started")?;
        held.met = met;
        let phase = held.phase;
        held.logged = self.scene.log().len();
        let id = held.id;
        match disturbance {
            Disturbance::ApiUnreachable => self.scene.emulator.set_reach(Reach::Closed),
            Disturbance::ClockJump => self.clock.as_ref().context("no clock")?.set(JUMP)?,
            Disturbance::DaemonKilled => self.scene.daemon()?.kill()?,
            Disturbance::DaemonStopped => {
                self.scene.daemon()?.terminate()?;
                let logged = self.run()?.logged;
                let is_told = || {
                    let log = self.scene.log();
                    log.get(logged..).is_some_and(|log| log.contains("draining"))
                };
                self.until("the daemon drains", is_told).await?;
            }
            Disturbance::DiskFull => {
                let disk = self.disk.as_ref().context("no disk")?;
                disk.fill()?;
                if !matches!(phase, Phase::Clone | Phase::Report) {
                    let is_stopped = || is_stopped(&disk.seen_from_here(), &id);
                    self.until("Terraform is interrupted", is_stopped).await?;
                }
            }
            Disturbance::ShimKilled => self.kill(Role::Shim)?,
            Disturbance::StateFails | Disturbance::StateRefused => {
                let is_final = disturbance == Disturbance::StateRefused;
                let fault = Fault::status(if is_final { 403 } else { 503 });
                self.scene.emulator.fail_for_run(&[Route::StateWrite], &id, &fault);
            }
            Disturbance::TerraformKilled => self.kill(Role::Tool)?,
        }
        self.held_leaks = self.leaks_of_held()?;
        Ok(())
    }

    async fn release(&mut self, _: Phase) -> Result<()> {
        self.scene.emulator.recover(&[Route::Update]);
        self.scene.git.set(GitHttpMode::Serve);
        let held = self.run()?;
        held.gate.open();
        held.answers.open();
        Ok(())
    }

    async fn noticed(&mut self, disturbance: Disturbance) -> Result<()> {
        let met = self.run()?.met;
        match disturbance {
            // Several, since the daemon's own requests are among them.
            Disturbance::ApiUnreachable => {
                self.until("connections are turned away", || self.met(disturbance) >= met + 6).await
            }
            Disturbance::DaemonStopped => {
                let ended = self.scene.daemon()?.ended(patience()).await?;
                ensure!(ended.success(), "the daemon ended as {ended}:\n{}", self.scene.log());
                let view = self.scene.emulator.run(&self.run()?.id).context("no such run")?;
                ensure!(
                    view.terminal_updates == 1,
                    "the run was left to the next daemon: {view:?}"
                );
                Ok(())
            }
            // The run ends although there is no room.
            Disturbance::DiskFull => self.ended().await.map(drop),
            Disturbance::StateFails | Disturbance::StateRefused => {
                self.until("a write is tried again", || self.met(disturbance) >= met + 2).await
            }
            // There is no retry to be waited for.
            Disturbance::ClockJump
            | Disturbance::DaemonKilled
            | Disturbance::ShimKilled
            | Disturbance::TerraformKilled => Ok(()),
        }
    }

    async fn recover(&mut self, disturbance: Disturbance) -> Result<()> {
        match disturbance {
            Disturbance::ApiUnreachable => self.scene.emulator.set_reach(Reach::Reachable),
            Disturbance::ClockJump => self.clock.as_ref().context("no clock")?.set(-JUMP)?,
            Disturbance::DaemonKilled | Disturbance::DaemonStopped => self.scene.begin()?,
            Disturbance::DiskFull => self.disk.as_ref().context("no disk")?.relieve()?,
            Disturbance::StateFails | Disturbance::StateRefused => {
                self.scene.emulator.recover(&STATE);
            }
            Disturbance::ShimKilled | Disturbance::TerraformKilled => {}
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<Observed> {
        let run = self.ended().await?;
        // The status is told before the directory is removed.
        let gone = async {
            loop {
                let left = self.left();
                match &left {
                    Ok((survivors, leaks)) if !survivors.is_empty() || !leaks.is_empty() => {}
                    _ => break left,
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let left = tokio::time::timeout(LAST, gone).await;
        let (survivors, mut leaks) = left.unwrap_or_else(|_| self.left())?;
        let emulator = &self.scene.emulator;
        leaks.append(&mut self.held_leaks);
        leaks.extend(self.leaks.in_run(&run).iter().map(|leak| format!("{leak:?}")));
        leaks.extend(self.told.in_run(&run).iter().map(|leak| format!("{leak:?}")));
        leaks.extend(self.leaks.in_traffic(emulator).iter().map(|leak| format!("{leak:?}")));
        let (held, text) = (self.run()?, all_text(&run));
        let state = emulator.terraform_state(&held.address).unwrap_or_default();
        let names = |lists: [Vec<String>; 2]| -> BTreeSet<String> {
            lists.iter().flatten().map(|name| address(name)).collect()
        };
        let begun = names([held.witness.arrived(), held.gate.arrived()]);
        let ended = names([held.witness.passed(), held.gate.passed()]);
        let (certain, possible) = match held.behavior {
            Behavior::Apply => (ended, begun),
            // A command that has passed the gate may have been killed before Terraform heard of it.
            Behavior::Destroy | Behavior::Detect => {
                let is_gone =
                    |name: &&String| text.contains(&format!("{name}: Destruction complete"));
                let gone = held.before.iter().filter(is_gone).cloned().collect();
                (&held.before - &begun, &held.before - &gone)
            }
        };
        let orphaned_locks =
            emulator.locks_orphaned().iter().map(|lock| lock.info.to_string()).collect();
        Ok(Observed {
            run: run.state,
            final_statuses: run.terminal_updates,
            text,
            certain,
            possible,
            recorded: state.resources(),
            orphaned_locks,
            survivors,
            leaks,
        })
    }
}

fn is_ended(log: &str) -> bool {
    log.contains("run ended")
}

/// Whether an operation of the run was interrupted: its shim writes that down before.
fn is_stopped(state: &Path, run: &Uuid) -> bool {
    let operations = state.join("runs").join(run.to_string()).join("operations");
    let mut operations = std::fs::read_dir(operations).into_iter().flatten().flatten();
    operations.any(|operation| operation.path().join("stop.json").exists())
}
