//! Runs whose final status meshStack has rejected for good: [`Rejected`] keeps each in a file of its own.
//!
//! They are out of the log, so that they neither pin its segments nor are carried from start to start. A file is a segment that holds
//! one run: sealed as those are, and read by the same code. Nobody tries them again but an operator; they go when one discards them, when
//! they are old, and the oldest of them when they are too many.

use super::error::{JournalError, at};
use super::record::{History, Record, parse};
use crate::frames::{FramesError, Read, Reader, Writer};
use crate::os;
use crate::run::RunId;
use crate::unseal::{PrivateKey, PublicKey};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The folder in the state directory.
const FOLDER: &str = "rejected";

/// What the name of a file ends with that is being written. No id of a run has a point in it.
const UNFINISHED: &str = ".new";

/// Where they are kept.
#[derive(Clone, Debug)]
pub(super) struct Rejected {
    directory: PathBuf,
    retention: Duration,
    max_bytes: u64,
}

/// One that is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) run: RunId,
    pub(super) path: PathBuf,
    since: SystemTime,
    bytes: u64,
}

impl Rejected {
    pub(super) fn new(state: &Path, retention: Duration, max_bytes: u64) -> Self {
        Self { directory: state.join(FOLDER), retention, max_bytes }
    }

    /// To look at what is there.
    pub(super) fn in_state(state: &Path) -> Self {
        Self::new(state, Duration::MAX, u64::MAX)
    }

    /// Keeps a run durably, in the place of what was kept of it before.
    pub(super) fn keep(
        &self,
        run: &RunId,
        history: &History,
        runner: &PublicKey,
    ) -> Result<(), JournalError> {
        let directory = &self.directory;
        at("create", directory, os::create_private_directory(directory))?;
        let path = self.path(run);
        let unfinished = directory.join(format!("{run}{UNFINISHED}"));
        // What was begun and not finished was in nobody's way, but for this.
        remove(&unfinished)?;
        let write = || {
            let mut file = Writer::create(&unfinished, runner)?;
            let mut frames = Vec::new();
            let records = [history.carried(), history.rejection.clone().map(Record::Rejected)];
            for record in records.into_iter().flatten() {
                frames.extend(file.frame(&record.encode(run)?)?);
            }
            Ok::<_, JournalError>(file.append(&frames, true)?)
        };
        let renamed = write().and_then(|()| {
            at("rename", &unfinished, fs::rename(&unfinished, &path))?;
            at("sync", directory, os::sync_directory(directory))
        });
        if renamed.is_err() {
            // On a full disk it would take the room that somebody makes.
            let _ = remove(&unfinished);
        }
        renamed
    }

    /// Those that are kept, the oldest first.
    pub(super) fn list(&self) -> Result<Vec<Kept>, JournalError> {
        // SECURITY: journal::tests::a_link_in_the_place_of_the_lock_or_the_journal_is_refused
        match os::open_private_directory(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            opened => at("open", &self.directory, opened)?,
        };
        let mut kept = Vec::new();
        for entry in at("read", &self.directory, fs::read_dir(&self.directory))? {
            let entry = at("read", &self.directory, entry)?;
            // Anything else in there is not ours, or not finished.
            let Some(run) = entry.file_name().to_str().and_then(|name| RunId::parse(name).ok())
            else {
                continue;
            };
            // One that goes away meanwhile is not kept.
            let Ok(metadata) = entry.metadata() else { continue };
            let since = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            kept.push(Kept { run, path: entry.path(), since, bytes: metadata.len() });
        }
        kept.sort_by_key(|kept| kept.since);
        Ok(kept)
    }

    /// Removes what is too old, then the oldest until there is not too much; tells how many stay. `now` is an argument for tests.
    pub(super) fn prune(&self, now: SystemTime) -> Result<usize, JournalError> {
        let kept = self.list()?;
        let mut bytes: u64 = kept.iter().map(|kept| kept.bytes).sum();
        let mut stay = 0;
        for Kept { run, path, since, bytes: own } in kept {
            // A clock that was put back makes none older.
            let is_old = now.duration_since(since).is_ok_and(|age| age > self.retention);
            if !is_old && bytes <= self.max_bytes {
                stay += 1;
                continue;
            }
            let why =
                if is_old { "`journal.retention` is over" } else { "`journal.maxMib` is full" };
            tracing::warn!(%run, why, "a run whose final status was rejected is kept no longer");
            remove(&path)?;
            bytes = bytes.saturating_sub(own);
        }
        Ok(stay)
    }

    /// No longer keeps a run; fine if it was not kept.
    pub(super) fn forget(&self, run: &RunId) -> Result<(), JournalError> {
        remove(&self.path(run))
    }

    fn path(&self, run: &RunId) -> PathBuf {
        self.directory.join(run.as_str())
    }
}

/// What is kept in a file; nothing if it is no longer there.
pub(super) fn read(kept: &Kept, key: &PrivateKey) -> Result<Option<History>, JournalError> {
    let Kept { run, path, .. } = kept;
    let damaged = || FramesError::Damaged { path: path.clone(), offset: 0 }.into();
    let mut reader = match Reader::open(path, key).map_err(JournalError::from) {
        Err(error) if error.is_gone() => return Ok(None),
        opened => opened?.ok_or_else(damaged)?,
    };
    let mut history = History::default();
    loop {
        match reader.read()? {
            Read::Frame(content) => match parse(&content) {
                Some((of, record)) if of == *run => history.apply(record),
                _ => return Err(damaged()),
            },
            Read::Damaged(error) => return Err(error.into()),
            Read::End if history.rejection.is_none() => return Err(damaged()),
            Read::End => return Ok(Some(history)),
        }
    }
}

/// What is kept of runs that the log has as well, because a crash came between the two: they are rejected all the same. Not those that
/// were claimed again since, of which the log is right.
pub(super) fn twice(
    rejected: &Rejected,
    log: &BTreeMap<RunId, History>,
    key: &PrivateKey,
) -> Result<Vec<RunId>, JournalError> {
    let mut twice = Vec::new();
    for kept in rejected.list()? {
        let Some(logged) = log.get(&kept.run) else { continue };
        // One that can't be read says nothing against the log.
        let rejection = read(&kept, key).ok().flatten().and_then(|history| history.rejection);
        if rejection.is_some_and(|rejection| logged.claimed.is_none_or(|at| at <= rejection.when)) {
            twice.push(kept.run);
        }
    }
    Ok(twice)
}

fn remove(path: &Path) -> Result<(), JournalError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => at("remove", path, removed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Rejection;
    use crate::journal::tests::KEY;
    use secrecy::{ExposeSecret as _, SecretString};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn run(name: &str) -> RunId {
        RunId::parse(name).unwrap()
    }

    fn history(document: &str) -> History {
        let rejection =
            Rejection { when: SystemTime::UNIX_EPOCH, status: Some(410), text: "gone".to_owned() };
        let claim = Some(SecretString::from(document));
        History { claim, rejection: Some(rejection), ..History::default() }
    }

    fn names(rejected: &Rejected) -> Vec<String> {
        rejected.list().unwrap().into_iter().map(|kept| kept.run.to_string()).collect()
    }

    #[test]
    fn what_is_kept_is_read_and_can_be_read_by_nobody_else() {
        let state = tempfile::tempdir().unwrap();
        let rejected = Rejected::new(state.path(), DAY, u64::MAX);
        assert!(names(&rejected).is_empty());
        for document in ["first", "hunter2"] {
            rejected.keep(&run("a"), &history(document), KEY.public()).unwrap();
        }
        let [kept] = &rejected.list().unwrap()[..] else { panic!() };
        let found = read(kept, &KEY).unwrap().unwrap();
        assert_eq!(found.claim.unwrap().expose_secret(), "hunter2");
        assert_eq!(found.rejection.unwrap().status, Some(410));
        let bytes = fs::read(&kept.path).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
        // A file that was put in the place of another run's says nothing about it.
        fs::rename(&kept.path, rejected.path(&run("b"))).unwrap();
        let [other] = &rejected.list().unwrap()[..] else { panic!() };
        assert!(matches!(
            read(other, &KEY),
            Err(JournalError::Frames(FramesError::Damaged { .. }))
        ));
        rejected.forget(&run("b")).unwrap();
        rejected.forget(&run("b")).unwrap();
        assert!(read(other, &KEY).unwrap().is_none());
    }

    #[test]
    fn every_cut_through_a_file_is_damage_and_none_hides_others() {
        let state = tempfile::tempdir().unwrap();
        let rejected = Rejected::new(state.path(), DAY, u64::MAX);
        rejected.keep(&run("a"), &history("x"), KEY.public()).unwrap();
        let path = rejected.path(&run("a"));
        let whole = fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(7) {
            fs::write(&path, &whole[..length]).unwrap();
            let [kept] = &rejected.list().unwrap()[..] else { panic!() };
            read(kept, &KEY).unwrap_err();
        }
    }

    #[test]
    fn the_old_go_and_of_too_many_the_oldest() {
        let state = tempfile::tempdir().unwrap();
        let unbounded = Rejected::new(state.path(), 30 * DAY, u64::MAX);
        let now = SystemTime::now();
        for (name, age) in [("a", 40), ("b", 29), ("c", 2), ("d", 1)] {
            unbounded.keep(&run(name), &history(&"x".repeat(1000)), KEY.public()).unwrap();
            let file = fs::File::options().write(true).open(unbounded.path(&run(name))).unwrap();
            file.set_modified(now - age * DAY).unwrap();
        }
        assert_eq!(unbounded.prune(now - 365 * DAY).unwrap(), 4, "a clock that was put back");
        assert_eq!(unbounded.prune(now).unwrap(), 3);
        assert_eq!(names(&unbounded), ["b", "c", "d"]);
        let two = unbounded.list().unwrap()[..2].iter().map(|kept| kept.bytes).sum();
        let bounded = Rejected::new(state.path(), 30 * DAY, two);
        assert_eq!(bounded.prune(now).unwrap(), 2);
        assert_eq!(names(&bounded), ["c", "d"]);
        assert_eq!(Rejected::new(state.path(), DAY, 0).prune(now).unwrap(), 0);
    }

    #[test]
    fn what_was_not_finished_is_in_nobodys_way() {
        let state = tempfile::tempdir().unwrap();
        let rejected = Rejected::new(state.path(), DAY, u64::MAX);
        rejected.keep(&run("a"), &history("x"), KEY.public()).unwrap();
        fs::write(state.path().join(FOLDER).join("b.new"), "half").unwrap();
        assert_eq!(names(&rejected), ["a"]);
        rejected.keep(&run("b"), &history("x"), KEY.public()).unwrap();
        assert_eq!(fs::read_dir(state.path().join(FOLDER)).unwrap().count(), 2);
    }
}
