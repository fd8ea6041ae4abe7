//! Starts operations, and finds those that an earlier daemon has started: [`Launcher`].

use super::operation::Operation;
use super::order::Order;
use super::records::Records;
use super::{End, ShimError, Spec};
use crate::crash::{self, CrashPoint};
use crate::excerpt::clip;
use crate::os::supervision;
use crate::process::Detached;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Bytes of a dead shim's log that are told.
const LOG_MAX: usize = 4 << 10;

/// Starts shims.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program `blockhouse`.
    pub program: PathBuf,
}

/// What is found in the directory of an operation.
#[derive(Debug)]
pub enum Found {
    /// It has ended.
    Ended(End),
    /// Nothing was ever started, nor will it be by a shim that is still on its way: it may be started now.
    NotStarted,
    /// It is running, or its shim is gone and [`Operation::ended`] sweeps what it left.
    Running(Operation),
}

impl Launcher {
    /// Starts an operation in a directory that exists, is ours alone, and in which nothing was started. Returns when the program runs
    /// or could not be started (which then is how the operation ends). If it is dropped before, [`Self::find`] knows more.
    ///
    /// # Errors
    /// [`ShimError`].
    pub async fn start(&self, directory: &Path, spec: Spec) -> Result<Operation, ShimError> {
        let records = Records::of(directory);
        let operation = uuid::Uuid::new_v4().simple().to_string();
        let order = Order { operation, spec };
        let frame =
            order.encode().map_err(ShimError::io("write the specification for", directory))?;
        let log = records.path("shim.log");
        let stderr = open_log(&log).map_err(ShimError::io("create", &log))?;
        records.issue(&order.operation)?;
        crash::point(CrashPoint::OperationTicketed);
        drop(order);
        let not_started = |source| ShimError::io("start the shim", &self.program)(source);
        let arguments = ["shim".as_ref(), directory.as_os_str()];
        let detached = Detached::start(&self.program, &arguments, frame, stderr);
        let Detached { begun, mut ended } = detached.map_err(not_started)?;
        // The thread at the other end always answers.
        if begun.await.unwrap_or(Ok(false)).map_err(not_started)? {
            crash::point(CrashPoint::OperationBegun);
            return Ok(Operation::owned(records, ended));
        }
        let _ = ended.wait_for(|ended| *ended).await;
        records.withdraw()?;
        if records.status()?.is_some() {
            return Ok(Operation::owned(records, ended));
        }
        Err(ShimError::Died { path: directory.to_owned(), log: tail(&log) })
    }

    /// Looks at the directory of an operation that an earlier daemon has started. Does not wait for anything.
    ///
    /// # Errors
    /// [`ShimError`].
    pub async fn find(&self, directory: &Path) -> Result<Found, ShimError> {
        let records = Records::of(directory);
        // First: whoever has not begun by now never does.
        records.withdraw()?;
        if let Some(end) = records.end()? {
            return Ok(Found::Ended(end));
        }
        Ok(match records.status()? {
            None => Found::NotStarted,
            Some(_) => {
                crash::point(CrashPoint::RecoveryAdopted);
                Found::Running(Operation::adopted(records))
            }
        })
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    match supervision::append_only(path) {
        // From a start that came to nothing.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            File::options().append(true).open(path)
        }
        opened => opened,
    }
}

fn tail(log: &Path) -> String {
    let mut text = Vec::new();
    let limit = u64::try_from(LOG_MAX).unwrap_or(u64::MAX);
    // Without it, there is less to be told.
    let _ = File::open(log).and_then(|file| file.take(limit).read_to_end(&mut text));
    let text = clip(String::from_utf8_lossy(&text).trim(), LOG_MAX);
    if text.is_empty() { text } else { format!(": {text}") }
}
