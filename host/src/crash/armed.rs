//! Builds with debug assertions.

use super::{AT, CrashPoint, Pass, TRACE, UnknownPoint};
use crate::os;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// What this process was asked for.
#[derive(Debug)]
struct Armed {
    at: Option<Pass>,
    trace: Option<PathBuf>,
    passed: AtomicU32,
    shims: AtomicU32,
}

/// Nothing before [`arm`]: only the program is ever armed, never a test that has a daemon within itself.
static ARMED: OnceLock<Armed> = OnceLock::new();

/// Reads the variables. Without them, points do nothing.
///
/// # Errors
/// If there is no point of that name.
pub fn arm() -> Result<(), UnknownPoint> {
    let at = std::env::var(AT).ok().map(|given| given.parse()).transpose()?;
    let trace = std::env::var_os(TRACE).map(PathBuf::from);
    let (passed, shims) = (AtomicU32::new(0), AtomicU32::new(0));
    // Whoever was first has read the same.
    let _ = ARMED.set(Armed { at, trace, passed, shims });
    Ok(())
}

/// Comes to a point: kills this process if it was asked to stop here.
pub fn point(point: CrashPoint) {
    let Some(armed) = ARMED.get() else { return };
    if let Some(trace) = &armed.trace {
        let line = format!("{} {}\n", point.name(), std::process::id());
        let file = File::options().create(true).append(true).open(trace);
        // One write, so that lines of several processes do not mix. Without the file, the test that reads it fails.
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
    let Some(at) = armed.at.filter(|at| at.point == point) else { return };
    if armed.passed.fetch_add(1, Ordering::SeqCst) + 1 == at.number {
        os::kill_this_process();
    }
}

/// What the next shim has in its environment: the trace, and the point if it is the shim that shall stop there.
#[must_use]
pub fn variables_of_shim() -> Vec<(&'static str, OsString)> {
    let Some(armed) = ARMED.get() else { return Vec::new() };
    let number = armed.shims.fetch_add(1, Ordering::SeqCst) + 1;
    let is_it = |at: &Pass| at.point.is_of_shim() && at.number == number;
    let at = armed.at.filter(is_it).map(|at| (AT, at.point.name().into()));
    let trace = armed.trace.as_ref().map(|trace| (TRACE, trace.into()));
    at.into_iter().chain(trace).collect()
}
