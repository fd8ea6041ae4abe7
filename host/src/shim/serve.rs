//! The process `blockhouse shim DIRECTORY`: [`serve`] starts the program and writes its end down.

use super::order::Order;
use super::records::{Records, Status};
use super::supervisor::Supervisor;
use super::tree::Tree;
use super::watch::{FREE_BYTES_MIN, Reserve, is_full};
use super::{End, Exit, MARK, ShimError, Spec};
use crate::confine::{ConfineError, Group, Prepared};
use crate::crash::{self, CrashPoint};
use crate::excerpt::clip;
use crate::os::processes::Identity;
use crate::os::{self, processes, supervision};
use crate::process::{Running, Supervised};
use crate::telemetry::chain;
use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

/// Bytes of the text that says why nothing was started.
const REASON_MAX: usize = 4 << 10;

/// An end that is not written down is lost; it is tried again so often, after so long.
const END_TRIES: u32 = 30;
const END_PAUSE: Duration = Duration::from_secs(1);

/// What the daemon waits for: the program runs, or its end is written down.
const BEGUN: &[u8] = b"+";

/// A line in the shim's log. If it can't be written, there is nobody to tell.
pub(super) fn note(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The process `blockhouse shim DIRECTORY`: reads what to do from standard input, supervises it to its end. Never uses tokio; must
/// be called by the main thread while there is no other.
///
/// # Errors
/// [`ShimError`] if nothing was started, or if not even the end can be written down.
pub fn serve(directory: &Path) -> Result<(), ShimError> {
    supervision::supervise().map_err(ShimError::io("become the supervisor of", directory))?;
    let order = Order::read(&mut io::stdin().lock());
    let Order { operation, mut spec } =
        order.map_err(ShimError::io("read the specification for", directory))?;
    crash::point(CrashPoint::ShimOrdered);
    let records = Records::of(directory);
    let confined = spec.confinement.prepare(&operation);
    let group = confined.as_ref().ok().and_then(Prepared::group).cloned();
    let mut status = Status {
        operation,
        boot: processes::boot(),
        shim: myself(directory)?,
        program: None,
        group: group.as_ref().map(|group| group.path().to_owned()),
        ladder: spec.ladder,
        started: SystemTime::now(),
    };
    let claimed = records.claim(&status);
    if claimed.is_err() {
        remove(group.as_ref());
        return claimed;
    }
    crash::point(CrashPoint::ShimClaimed);
    let started = status.started;
    let mut places = spec.confinement.write.clone();
    places.push(directory.to_owned());
    let end = match start(&records, &mut status, &mut spec, confined) {
        Ok((program, reserve)) => {
            let tree = Tree::here(group.clone());
            let supervisor = Supervisor::new(&records, &spec, program, tree, reserve);
            drop(spec);
            supervisor.follow(started)
        }
        Err(reason) => {
            let exit = Exit::NotStarted(clip(&reason, REASON_MAX));
            let ended = SystemTime::now();
            End { exit, stop: None, swept: 0, started, ended, memory_peak: None }
        }
    };
    remove(group.as_ref());
    crash::point(CrashPoint::ShimProgramEnded);
    // An end that is on the disk without what the program has left would be worse than none: what comes next would work on half of it.
    // SECURITY: e2e::crash_points::an_apply_whose_machine_loses_power_loses_no_state_and_leaves_no_lock
    if let Err(error) = os::sync_trees(&places) {
        note(format_args!("what the program has left may not survive a loss of power: {error}"));
    }
    let written = write_end(&records, &end);
    crash::point(CrashPoint::ShimEndWritten);
    tell_begun();
    written
}

fn myself(directory: &Path) -> Result<Identity, ShimError> {
    let me = processes::identify(std::process::id());
    let unseen = || io::Error::other("this process can't be seen in the list of processes");
    me.ok_or_else(|| ShimError::io("supervise", directory)(unseen()))
}

/// Starts the program; or says why it can't be.
fn start(
    records: &Records,
    status: &mut Status,
    spec: &mut Spec,
    confined: Result<Prepared, ConfineError>,
) -> Result<(Running, Reserve), String> {
    let mut confined = confined.map_err(|error| chain(&error).to_string())?;
    let directory = records.directory();
    if is_full([directory, &spec.directory].into_iter()) {
        let least = FREE_BYTES_MIN >> 20;
        return Err(format!("there is no disk space left: less than {least} MiB are free"));
    }
    let reserve = Reserve::take(records).map_err(|error| chain(&error).to_string())?;
    let started = launch(directory, &status.operation, spec, &mut confined);
    let program = started.inspect_err(|_| reserve.free())?;
    crash::point(CrashPoint::ShimStarted);
    // From now on, whatever goes wrong must not keep us from supervising it.
    if let Err(error) = supervision::hide_memory() {
        note(format_args!("failed to hide this process's memory: {error}"));
    }
    status.program = processes::see(program.id()).map(|seen| seen.identity);
    let written = records.write_status(status).or_else(|_| {
        reserve.free();
        records.write_status(status)
    });
    if let Err(error) = written {
        note(chain(&error));
    }
    crash::point(CrashPoint::ShimStatusWritten);
    tell_begun();
    Ok((program, reserve))
}

fn launch(
    directory: &Path,
    operation: &str,
    spec: &mut Spec,
    confined: &mut Prepared,
) -> Result<Running, String> {
    let create = |path: &Path| {
        let created = supervision::append_only(path);
        created.map_err(|error| format!("failed to create `{}`: {error}", path.display()))
    };
    let supervised = Supervised {
        program: &spec.program,
        directory: &spec.directory,
        stdout: create(&super::stdout(directory))?,
        stderr: create(&super::stderr(directory))?,
    };
    let arguments = spec.arguments.iter().map(String::as_str);
    let environment = spec.environment.iter();
    let environment = environment.map(|(name, value)| (name.as_str(), value.as_str()));
    // The last one of a name counts.
    let environment = environment.chain([(MARK, operation)]);
    let stdin = std::mem::take(&mut spec.stdin);
    let apply = |command: &mut _| confined.apply(command);
    let started = supervised.start(arguments, environment, stdin, apply);
    started.map_err(|source| {
        let error = confined.explain(source);
        format!("failed to start `{}`: {}", spec.program.display(), chain(&error))
    })
}

/// The second time nobody listens any more.
fn tell_begun() {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(BEGUN).and_then(|()| stdout.flush());
}

fn remove(group: Option<&Group>) {
    if let Some(Err(error)) = group.map(Group::remove) {
        note(format_args!("failed to remove the control group: {error}"));
    }
}

#[expect(clippy::disallowed_methods, reason = "the shim has nothing else to do any more")]
fn write_end(records: &Records, end: &End) -> Result<(), ShimError> {
    let mut written = records.write_end(end);
    for _ in 1..END_TRIES {
        let Err(error) = &written else { break };
        note(chain(error));
        thread::sleep(END_PAUSE);
        written = records.write_end(end);
    }
    written
}
