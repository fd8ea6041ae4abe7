//! The files of an operation's directory, which are all that shim and daemon share: [`Records`].
//!
//! | file | by | says |
//! |---|---|---|
//! | `ticket-<operation>` | daemon | a shim may start something. The shim makes `status.json` of it; who takes it away before prevents that |
//! | `status.json` | shim | [`Status`]: first without the program, before that is started, then with it |
//! | `stop-request.json` | daemon | [`Request`]: the program is to be stopped |
//! | `stop.json` | shim | [`Stopped`]: before and after each signal, what has been done including it |
//! | `end.json` | shim, or the daemon if that is dead | [`Ended`] |
//! | `stdout`, `stderr`, `shim.log` | program, shim | – |
//! | `reserve` | shim | nothing: space that is freed when the disk is full |
//!
//! Each is replaced as a whole. They are ours, but a program that runs as our user may be able to write them: what they say is
//! bounded and parsed like anything from outside.

use super::{End, Ladder, ShimError, StopReason};
use crate::os;
use crate::os::processes::Identity;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The format of all records. A daemon that is older than the shim that it finds must not guess.
const VERSION: u32 = 1;

/// Bytes of one record.
const RECORD_MAX: u64 = 64 << 10;

/// The record of how an operation ended.
pub const END: &str = "end.json";
const REQUEST: &str = "stop-request.json";
/// The record of a program that was started.
pub const STATUS: &str = "status.json";
const STOP: &str = "stop.json";
const TICKET: &str = "ticket-";

/// `status.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Status {
    /// Names the operation: 32 hexadecimal digits, as in [`super::MARK`].
    pub(super) operation: String,
    /// Since when the machine has been running: after a restart, numbers of processes mean nothing.
    pub(super) boot: String,
    pub(super) shim: Identity,
    /// None: it is about to be started.
    pub(super) program: Option<Identity>,
    /// The control group.
    pub(super) group: Option<PathBuf>,
    /// For the daemon that finds the shim dead and the program alive.
    pub(super) ladder: Ladder,
    pub(super) started: SystemTime,
}

/// `stop-request.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) reason: StopReason,
}

/// `stop.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stopped {
    pub(super) reason: StopReason,
    pub(super) interrupts: u8,
    pub(super) killed: bool,
    /// Whether the last of that was done for certain: it is written down before and after.
    #[serde(default)]
    pub(super) is_sent: bool,
    /// When it was first asked.
    pub(super) at: SystemTime,
}

/// `end.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) end: End,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    record: T,
}

/// See [`self`].
#[derive(Clone, Debug)]
pub(super) struct Records {
    directory: PathBuf,
}

impl Records {
    pub(super) fn of(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Lets the shim that is about to come start something.
    pub(super) fn issue(&self, operation: &str) -> Result<(), ShimError> {
        if self.exists(STATUS)? || self.exists(END)? {
            return Err(ShimError::Used { path: self.directory.clone() });
        }
        let path = self.ticket(operation);
        os::create_private_file(&path).map(drop).map_err(ShimError::io("create", &path))
    }

    /// From now on, no shim that comes late starts anything. What one has started is in the status.
    pub(super) fn withdraw(&self) -> Result<(), ShimError> {
        let listed = fs::read_dir(&self.directory);
        for entry in listed.map_err(ShimError::io("read", &self.directory))? {
            let entry = entry.map_err(ShimError::io("read", &self.directory))?;
            if !entry.file_name().to_string_lossy().starts_with(TICKET) {
                continue;
            }
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ShimError::io("remove", &entry.path())(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Turns the ticket into the status. Durable afterwards; an error if the ticket is gone.
    pub(super) fn claim(&self, status: &Status) -> Result<(), ShimError> {
        // SECURITY: walls::a_shim_that_comes_late_starts_nothing
        let ticket = self.ticket(&status.operation);
        let gone = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => ShimError::Withdrawn { path: self.directory.clone() },
            _ => ShimError::io("claim", &ticket)(error),
        };
        let mut file = fs::OpenOptions::new().write(true).open(&ticket).map_err(gone)?;
        let written = file.write_all(&self.encode(STATUS, status)?).and_then(|()| file.sync_all());
        written.map_err(ShimError::io("write", &ticket))?;
        drop(file);
        // One of two wins: this, or the removal.
        fs::rename(&ticket, self.path(STATUS)).map_err(gone)?;
        os::sync_directory(&self.directory).map_err(ShimError::io("sync", &self.directory))
    }

    /// Not synced: whoever reads it after a crash of the machine sees that by the boot id.
    pub(super) fn write_status(&self, status: &Status) -> Result<(), ShimError> {
        self.write(STATUS, status, false)
    }

    pub(super) fn status(&self) -> Result<Option<Status>, ShimError> {
        self.read(STATUS)
    }

    /// The first request counts.
    pub(super) fn request(&self, request: Request) -> Result<(), ShimError> {
        let path = self.path(REQUEST);
        let file = self.temporary(&self.encode(REQUEST, &request)?, false);
        let file = file.map_err(ShimError::io("write", &path))?;
        match file.persist_noclobber(&path) {
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => {
                Err(ShimError::io("write", &path)(error.error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn is_requested(&self) -> bool {
        self.path(REQUEST).symlink_metadata().is_ok()
    }

    pub(super) fn requested(&self) -> Result<Option<Request>, ShimError> {
        self.read(REQUEST)
    }

    pub(super) fn write_stop(&self, stopped: &Stopped) -> Result<(), ShimError> {
        self.write(STOP, stopped, true)
    }

    pub(super) fn stop(&self) -> Result<Option<Stopped>, ShimError> {
        self.read(STOP)
    }

    pub(super) fn write_end(&self, end: &End) -> Result<(), ShimError> {
        self.write(END, &Ended { end: end.clone() }, true)
    }

    pub(super) fn end(&self) -> Result<Option<End>, ShimError> {
        Ok(self.read::<Ended>(END)?.map(|ended| ended.end))
    }

    fn ticket(&self, operation: &str) -> PathBuf {
        self.path(&format!("{TICKET}{operation}"))
    }

    fn exists(&self, name: &str) -> Result<bool, ShimError> {
        let path = self.path(name);
        path.try_exists().map_err(ShimError::io("read", &path))
    }

    fn encode(&self, name: &str, record: &impl Serialize) -> Result<Vec<u8>, ShimError> {
        let encoded = serde_json::to_vec(&Versioned { version: VERSION, record });
        encoded.map_err(|error| ShimError::io("write", &self.path(name))(error.into()))
    }

    fn write(&self, name: &str, record: &impl Serialize, is_synced: bool) -> Result<(), ShimError> {
        let path = self.path(name);
        let file = self.temporary(&self.encode(name, record)?, is_synced);
        let file = file.map_err(ShimError::io("write", &path))?;
        file.persist(&path).map_err(|error| ShimError::io("write", &path)(error.error))?;
        if is_synced {
            os::sync_directory(&self.directory).map_err(ShimError::io("sync", &self.directory))?;
        }
        Ok(())
    }

    fn temporary(&self, bytes: &[u8], is_synced: bool) -> io::Result<tempfile::NamedTempFile> {
        let mut file = tempfile::Builder::new().prefix(".record-").tempfile_in(&self.directory)?;
        file.write_all(bytes)?;
        if is_synced {
            file.as_file().sync_all()?;
        }
        Ok(file)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ShimError> {
        let path = self.path(name);
        let mut bytes = Vec::new();
        let file = match os::open_without_following(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(ShimError::io("open", &path))?,
        };
        let read = file.take(RECORD_MAX.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(ShimError::io("read", &path))?;
        parse(&bytes).map(Some).map_err(|source| ShimError::Record { path, source })
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    // SECURITY: shim::records::torn_and_hostile_records_are_errors
    if bytes.len() as u64 > RECORD_MAX {
        return Err(serde_json::Error::custom("it is too long"));
    }
    let record: Versioned<T> = serde_json::from_slice(bytes)?;
    if record.version != VERSION {
        return Err(serde_json::Error::custom(format!("its version is {}", record.version)));
    }
    Ok(record.record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shim::{Exit, Orphan, Stop};
    use std::time::Duration;

    fn status() -> Status {
        let second = Duration::from_secs(1);
        Status {
            operation: "0123456789abcdef".to_owned(),
            boot: "boot".to_owned(),
            shim: Identity { pid: 10, started: 20 },
            program: Some(Identity { pid: 11, started: 21 }),
            group: None,
            ladder: Ladder {
                grace: second,
                stall: None,
                limit: second,
                force: second,
                orphan: Orphan::Continues,
            },
            started: SystemTime::UNIX_EPOCH,
        }
    }

    fn end() -> End {
        let took = Duration::from_millis(1500);
        let stop = Stop { reason: StopReason::ByUser, interrupts: 1, killed: false, took };
        let now = SystemTime::now();
        let exit = Exit::Code(1);
        End { exit, stop: Some(stop), swept: 2, started: now, ended: now, memory_peak: Some(3) }
    }

    #[test]
    fn what_is_written_is_read() {
        let place = tempfile::tempdir().unwrap();
        let records = Records::of(place.path());
        assert!(records.status().unwrap().is_none() && records.end().unwrap().is_none());
        records.issue(&status().operation).unwrap();
        records.claim(&status()).unwrap();
        assert_eq!(records.status().unwrap(), Some(status()));
        for exit in
            [Exit::Code(-1), Exit::NotStarted("é\0".to_owned()), Exit::Signal(9), Exit::Unseen]
        {
            let end = End { exit, ..end() };
            records.write_end(&end).unwrap();
            assert_eq!(records.end().unwrap(), Some(end));
        }
        assert!(matches!(records.issue("other"), Err(ShimError::Used { .. })));
        let names = fs::read_dir(place.path()).unwrap().count();
        assert_eq!(names, 2, "nothing else is left");
    }

    #[test]
    fn a_ticket_is_used_once_or_withdrawn() {
        let place = tempfile::tempdir().unwrap();
        let records = Records::of(place.path());
        records.issue(&status().operation).unwrap();
        records.withdraw().unwrap();
        assert!(matches!(records.claim(&status()), Err(ShimError::Withdrawn { .. })));
        // The ticket of another start is not this one's.
        records.issue("other").unwrap();
        assert!(matches!(records.claim(&status()), Err(ShimError::Withdrawn { .. })));
        assert_eq!(records.status().unwrap(), None);
    }

    #[test]
    fn the_first_request_counts() {
        let place = tempfile::tempdir().unwrap();
        let records = Records::of(place.path());
        assert!(!records.is_requested());
        for reason in [StopReason::ByUser, StopReason::Shutdown] {
            records.request(Request { reason }).unwrap();
        }
        assert_eq!(records.requested().unwrap(), Some(Request { reason: StopReason::ByUser }));
    }

    #[test]
    fn torn_and_hostile_records_are_errors() {
        let place = tempfile::tempdir().unwrap();
        let records = Records::of(place.path());
        let whole = records.encode(END, &Ended { end: end() }).unwrap();
        assert!(parse::<Ended>(&whole).is_ok());
        for length in 0..whole.len() {
            assert!(parse::<Ended>(&whole[..length]).is_err(), "{length}");
        }
        let newer = String::from_utf8(whole).unwrap().replace("\"version\":1", "\"version\":2");
        let deep = "[".repeat(60_000);
        let huge = format!("{}{newer}", " ".repeat(70_000));
        let duration = "{\"version\":1,\"reason\":\"by-user\",\"interrupts\":300,\"killed\":false}";
        for text in [newer.as_str(), &deep, &huge, duration, "null", "{}", "\0"] {
            fs::write(place.path().join(END), text).unwrap();
            assert!(matches!(records.end(), Err(ShimError::Record { .. })), "{text:.50}");
            fs::write(place.path().join(STOP), text).unwrap();
            assert!(matches!(records.stop(), Err(ShimError::Record { .. })), "{text:.50}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_a_record_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let records = Records::of(place.path());
        records.write_end(&end()).unwrap();
        fs::rename(records.path(END), records.path("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", records.path(END)).unwrap();
        assert!(matches!(records.end(), Err(ShimError::Io { .. })));
    }
}
