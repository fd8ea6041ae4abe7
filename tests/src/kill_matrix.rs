//! What can go wrong with a Terraform run, and when: every pair is a [`Cell`] that says what must hold all the same.
//!
//! Data and a driver: [`cells`] lists the pairs, [`play`] takes one through a [`Stage`] (the daemon, its surroundings and the means
//! to hold a run in a phase), [`judge`] compares what was seen with what was promised. [`table`] is the same as a document.
//!
//! Whatever happens, in every cell: exactly one final status, no lock without a holder, no surviving process, no secret anywhere,
//! and no resource forgotten: what certainly exists is in the state, unless the cell says that nobody can know, and then the run
//! says so.

mod expected;
mod judged;

pub use judged::{Observed, judge};

use anyhow::Result;
use std::fmt;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disturbance {
    /// meshStack's API can't be reached for a while, its state backend included.
    ApiUnreachable,
    /// The daemon's wall clock jumps an hour ahead, and later behind.
    ClockJump,
    /// The daemon is killed; another one is started.
    DaemonKilled,
    /// The daemon is told to stop as by its service manager, and finishes its run first; then another one is started.
    DaemonStopped,
    /// The disk with the state directory is full for a while.
    DiskFull,
    /// The shim is killed.
    ShimKilled,
    /// The state backend answers writes with errors that Terraform repeats them for, for a while.
    StateFails,
    /// The state backend refuses writes for good, until after what Terraform has left was pushed once more.
    StateRefused,
    /// Terraform is killed.
    TerraformKilled,
}

/// What a run is doing at that moment, and is held in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// `APPLY`; the git server answers no fetch.
    Clone,
    /// `APPLY`; the state backend does not answer the first read.
    Init,
    /// `DETECT`; a data source is not answered. The lock is held.
    Plan,
    /// `APPLY`; the first resource exists, the making of the second waits at a gate. The lock is held.
    Apply,
    /// `DESTROY`; the first resource is gone, the end of the second waits at a gate. The lock is held.
    Destroy,
    /// `APPLY`; Terraform has ended, and the updates of the run are not answered.
    Report,
}

/// How the run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As failed, and its messages say this (in lower case).
    Fails(&'static str),
    /// As if nothing had happened.
    Succeeds,
}

/// What is known of the state afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// It is what exists.
    Exact,
    /// It may lack what a killed Terraform had not written yet; the run says so.
    Unknown,
}

/// When what went wrong is put right, and when the run is let go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// First it is put right.
    RecoverThenRelease,
    /// First the run goes on, and meets what is wrong.
    ReleaseThenRecover,
}

/// A pair, and what is promised for it.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// What goes wrong.
    pub disturbance: Disturbance,
    /// When.
    pub phase: Phase,
    /// In which order it ends.
    pub order: Order,
    /// What is promised. An error says why there is nothing that could go wrong.
    pub promise: Result<Promise, &'static str>,
}

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// How the run ends.
    pub ending: Ending,
    /// What is known of the state.
    pub knowledge: Knowledge,
}

impl Disturbance {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::DaemonKilled,
        Self::DaemonStopped,
        Self::ShimKilled,
        Self::TerraformKilled,
        Self::StateFails,
        Self::StateRefused,
        Self::ApiUnreachable,
        Self::DiskFull,
        Self::ClockJump,
    ];
}

impl Phase {
    /// All, in the order of a run.
    pub const ALL: [Self; 6] =
        [Self::Clone, Self::Init, Self::Plan, Self::Apply, Self::Destroy, Self::Report];
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiUnreachable => "API unreachable",
            Self::ClockJump => "clock jumps",
            Self::DaemonKilled => "daemon killed",
            Self::DaemonStopped => "daemon told to stop",
            Self::DiskFull => "disk full",
            Self::ShimKilled => "shim killed",
            Self::StateFails => "state can't be written",
            Self::StateRefused => "state refused",
            Self::TerraformKilled => "Terraform killed",
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apply => "apply",
            Self::Clone => "clone",
            Self::Destroy => "destroy",
            Self::Init => "init",
            Self::Plan => "plan",
            Self::Report => "report",
        })
    }
}

/// Every pair.
#[must_use]
pub fn cells() -> Vec<Cell> {
    let pairs = Disturbance::ALL.into_iter();
    pairs.flat_map(|disturbance| Phase::ALL.map(|phase| Cell::of(disturbance, phase))).collect()
}

/// The daemon and its surroundings, as [`play`] needs them. Each wait in here is for a condition.
#[expect(async_fn_in_trait, reason = "only tests implement and use it, on one thread")]
pub trait Stage {
    /// Starts a run and comes back once it is held in this phase.
    async fn enter(&mut self, phase: Phase) -> Result<()>;
    /// Lets something go wrong.
    async fn disturb(&mut self, disturbance: Disturbance) -> Result<()>;
    /// Lets the run go on.
    async fn release(&mut self, phase: Phase) -> Result<()>;
    /// Comes back once what goes wrong was met: a write refused, a connection turned away, a file not written.
    async fn noticed(&mut self, disturbance: Disturbance) -> Result<()>;
    /// Puts it right: a daemon is there, the API can be reached, there is room.
    async fn recover(&mut self, disturbance: Disturbance) -> Result<()>;
    /// Comes back once the run has ended and nothing of it is left to be waited for.
    async fn settle(&mut self) -> Result<Observed>;
}

/// Plays a cell. Cells with nothing that could go wrong are over at once.
///
/// # Errors
/// If the stage can't, or something that was promised does not hold; all of that is named.
pub async fn play(cell: &Cell, stage: &mut impl Stage) -> Result<()> {
    let Ok(promise) = cell.promise else { return Ok(()) };
    let (disturbance, phase) = (cell.disturbance, cell.phase);
    stage.enter(phase).await?;
    stage.disturb(disturbance).await?;
    match cell.order {
        Order::RecoverThenRelease => {
            stage.recover(disturbance).await?;
            stage.release(phase).await?;
        }
        Order::ReleaseThenRecover => {
            stage.release(phase).await?;
            stage.noticed(disturbance).await?;
            stage.recover(disturbance).await?;
        }
    }
    let broken = judge(promise, phase, &stage.settle().await?);
    anyhow::ensure!(broken.is_empty(), "{disturbance} during {phase}:\n  {}", broken.join("\n  "));
    Ok(())
}

/// What is promised, as a table in Markdown.
#[must_use]
pub fn table() -> String {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let head = [String::new()].into_iter().chain(Phase::ALL.map(|phase| phase.to_string()));
    let mut text = row(head.collect());
    text.push_str(&row(vec!["---".to_owned(); Phase::ALL.len() + 1]));
    for disturbance in Disturbance::ALL {
        let cells = Phase::ALL.map(|phase| Cell::of(disturbance, phase).to_string());
        text.push_str(&row([disturbance.to_string()].into_iter().chain(cells).collect()));
    }
    text
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let promise = match self.promise {
            Ok(promise) => promise,
            Err(reason) => return write!(f, "– ({reason})"),
        };
        match promise.ending {
            Ending::Fails(_) => f.write_str("fails")?,
            Ending::Succeeds => f.write_str("goes on")?,
        }
        match (promise.ending, promise.knowledge) {
            (Ending::Succeeds, Knowledge::Exact) => Ok(()),
            (_, Knowledge::Exact) => f.write_str(", state exact"),
            (_, Knowledge::Unknown) => f.write_str(", state unknown and reported so"),
        }
    }
}
