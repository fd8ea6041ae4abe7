//! What the daemon does about an operation whose shim is dead: [`aftermath`].
//!
//! The program is interrupted, once, unless its shim has done that. It is left as much time as the ladder has, because it may be saving
//! its state; then everything is swept, and the end is written where the shim would have written it.

use super::progress::Progress;
use super::records::{Records, Status, Stopped};
use super::stopping::{Act, Stopping};
use super::tree::Tree;
use super::{End, Exit, Ladder, ShimError, Stop, StopReason};
use crate::os::processes::{self, Identity};
use crate::os::supervision;
use crate::telemetry::chain;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::task::spawn_blocking;

/// How often a program is looked at that is not our child.
const POLL: Duration = Duration::from_millis(50);

/// Whether the shim is.
pub(super) fn is_alive(status: &Status) -> bool {
    status.boot == processes::boot() && processes::is_running(status.shim)
}

/// See [`self`]. If it is dropped and called again, the ladder begins again, too.
pub(super) async fn aftermath(records: &Records) -> Result<End, ShimError> {
    let path = records.directory();
    let Some(status) = records.status()? else {
        return Err(ShimError::io("find a status in", path)(io::ErrorKind::NotFound.into()));
    };
    let (started, ladder) = (status.started, status.ladder);
    let mut swept = 0;
    // SECURITY: walls::after_a_restart_of_the_machine_nothing_is_killed
    if status.boot == processes::boot() {
        let tree = Arc::new(Tree::left_by(status));
        let found = blocking(path, &tree, Tree::program).await?;
        // One that had ended before its shim was interrupted by nobody.
        if let Some(program) = found.filter(|program| processes::is_running(*program)) {
            outlast(records, ladder, program).await;
        }
        swept = blocking(path, &tree, |tree| {
            let swept = tree.sweep(None);
            if let Some(group) = tree.group() {
                // Left behind, it is empty and costs nothing.
                let _ = group.remove();
            }
            swept
        })
        .await?;
    }
    let ended = SystemTime::now();
    let stop = stopped(records).map(|stopped| Stop {
        reason: stopped.reason,
        interrupts: stopped.interrupts,
        killed: stopped.killed,
        took: ended.duration_since(stopped.at).unwrap_or_default(),
    });
    let end = End { exit: Exit::Unseen, stop, swept, started, ended, memory_peak: None };
    let (owned, written) = (records.clone(), end.clone());
    let wrote = spawn_blocking(move || owned.write_end(&written)).await;
    let wrote =
        wrote.map_err(|error| ShimError::io("write the end in", path)(io::Error::other(error)));
    if let Err(error) = wrote.and_then(|wrote| wrote) {
        // On a full disk it is known all the same; the next who asks finds out again.
        tracing::warn!(error = %chain(&error), "failed to keep how an operation ended");
    }
    Ok(end)
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    tree: &Arc<Tree>,
    work: impl FnOnce(&Tree) -> T + Send + 'static,
) -> Result<T, ShimError> {
    let tree = Arc::clone(tree);
    let done = spawn_blocking(move || work(&tree)).await;
    done.map_err(|error| ShimError::io("sweep what is left of", path)(io::Error::other(error)))
}

/// Records that can't be read any more are those of a program that wrote into them.
fn stopped(records: &Records) -> Option<Stopped> {
    records.stop().ok().flatten()
}

/// What is left of the ladder of a program that was stopped like this when its shim died.
///
/// A shim writes before it sends, and again afterwards. If it died in between, the program may know of nothing, and what we take for the
/// second interrupt is its first: it must not wait for ever for progress to end that nobody has asked to end, and must then have as
/// long to save its state as after a first one.
fn ladder_after(ladder: Ladder, stopped: &Stopped) -> Ladder {
    match (stopped.interrupts, stopped.is_sent) {
        // SECURITY: e2e::crash_points::an_abort_survives_every_crash
        (1, false) => Ladder { stall: None, force: ladder.force.max(ladder.grace), ..ladder },
        // Twice: the first one was sent before the second was written down.
        _ => ladder,
    }
}

/// Waits for the program's end, by its ladder.
async fn outlast(records: &Records, ladder: Ladder, program: Identity) {
    let since = Instant::now();
    let requested = records.requested().ok().flatten();
    let reason = requested.map_or(StopReason::Orphaned, |requested| requested.reason);
    let at = SystemTime::now();
    let fresh = Stopped { reason, interrupts: 0, killed: false, is_sent: false, at };
    let mut stopped = stopped(records).unwrap_or(fresh);
    let ladder = ladder_after(ladder, &stopped);
    let is_first = stopped.interrupts == 0;
    // Its shim may have died while it had a look at all that the program has started, see `pulse`.
    supervision::thaw(program.pid);
    // SECURITY: walls::a_killed_shim_interrupts_its_program
    // SECURITY: e2e::terraform::kills::a_killed_shim_loses_no_state
    if is_first {
        stopped.interrupts = 1;
        keep(records, &stopped);
        if !supervision::INTERRUPTS_ORPHANS {
            processes::interrupt(program);
        }
        stopped.is_sent = true;
        keep(records, &stopped);
    }
    let mut stopping = Stopping::new(ladder);
    stopping.ask(stopped.reason, Duration::ZERO);
    let mut streams = [super::stdout, super::stderr].map(|path| {
        let file = File::open(path(records.directory())).ok()?;
        let end = file.metadata().ok()?.len();
        Some((file, Progress::after(end)))
    });
    while processes::is_running(program) {
        tokio::time::sleep(POLL).await;
        let mut has_progressed = false;
        for (file, progress) in streams.iter_mut().flatten() {
            has_progressed |= progress.look(file).unwrap_or_default();
        }
        if has_progressed {
            stopping.progressed(since.elapsed());
        }
        match stopping.tick(since.elapsed()) {
            Some(Act::Interrupt(_)) if stopped.interrupts < 2 => {
                stopped.interrupts = 2;
                keep(records, &stopped);
                processes::interrupt(program);
            }
            Some(Act::Kill) => {
                stopped.killed = true;
                keep(records, &stopped);
                processes::kill(program);
            }
            _ => {}
        }
    }
}

fn keep(records: &Records, stopped: &Stopped) {
    if let Err(error) = records.write_stop(stopped) {
        // What is to be done is done all the same.
        tracing::warn!(error = %chain(&error), "failed to keep how an operation was stopped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shim::Orphan;

    #[test]
    fn an_interrupt_that_may_not_have_been_sent_leaves_the_next_one_the_time_of_a_first() {
        let seconds = Duration::from_secs;
        let ladder = Ladder {
            grace: seconds(600),
            stall: Some(seconds(60)),
            limit: seconds(3600),
            force: seconds(30),
            orphan: Orphan::Continues,
        };
        let after = |ladder, interrupts, is_sent| {
            let (reason, at) = (StopReason::ByUser, SystemTime::UNIX_EPOCH);
            ladder_after(ladder, &Stopped { reason, interrupts, killed: false, is_sent, at })
        };
        assert_eq!(after(ladder, 0, false), ladder, "we send the first one ourselves");
        assert_eq!(after(ladder, 1, true), ladder, "the first one was sent");
        let uncertain = Ladder { stall: None, force: seconds(600), ..ladder };
        assert_eq!(after(ladder, 1, false), uncertain);
        assert_eq!(after(ladder, 2, false), ladder, "the first one was sent");
        let patient = Ladder { force: seconds(900), ..ladder };
        assert_eq!(after(patient, 1, false), Ladder { stall: None, ..patient }, "never less");
        // As it comes about: the second interrupt after the grace, the kill as long after that.
        let mut stopping = Stopping::new(uncertain);
        stopping.ask(StopReason::ByUser, seconds(0));
        stopping.progressed(seconds(599));
        assert_eq!(
            stopping.tick(seconds(600)),
            Some(Act::Interrupt(2)),
            "whatever progress there is"
        );
        assert_eq!(stopping.tick(seconds(631)), None);
        assert_eq!(stopping.tick(seconds(1200)), Some(Act::Kill));
    }
}
