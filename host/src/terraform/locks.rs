//! Locks of states: reading what Terraform says about them, and proving that a dead process of ours has left one.

use super::files;
use super::quarantine::plain;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// How far the times of a lock and of a process may be apart: the lock's is taken by another program.
const TOLERANCE: Duration = Duration::from_secs(5);

/// From its start, a process has its lock or has failed: it tries once.
const LOCKS_WITHIN: Duration = Duration::from_secs(5 * 60);

/// How long after the death of a process a lock of which nothing but the id is known can only be its own: nobody has had the time to
/// release it and to work with the state by hand.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// Bytes of a file with evidence.
const EVIDENCE_MAX: u64 = 64 << 10;

/// The longest id. Ids are UUIDs in most backends, numbers in one.
const ID_MAX: usize = 128;

/// What Terraform says when another one has the lock.
const ACQUIRING: &str = "Error acquiring the state lock";

/// What it says when it could not give its own back.
const RELEASING: &str = "Error releasing the state lock";

/// What it says of the lock if its backend is `http`.
const BY_HTTP: &str = "HTTP remote state already locked";

/// A lock that is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    /// For `force-unlock`.
    pub(super) id: String,
    /// Who holds it. None where the backend only tells the id.
    pub(super) holder: Option<Holder>,
    /// It is the very lock that the process wanted: a request of its own has brought it, but the answer was lost, and the next request was
    /// refused.
    pub(super) is_own: bool,
}

/// What a lock says about its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) operation: String,
    pub(super) who: String,
    pub(super) version: String,
    pub(super) created: Option<SystemTime>,
}

/// Whether a process failed because another one has the lock.
pub(super) fn is_conflict(stderr: &str) -> bool {
    stderr.contains(ACQUIRING)
}

/// Whether a process says that it has left its lock behind.
pub(super) fn is_left(stderr: &str) -> bool {
    stderr.contains(RELEASING)
}

/// The lock that stopped a process, by its error stream; none if that does not tell which one it is.
pub(super) fn parse(stderr: &str) -> Option<Lock> {
    let at = stderr.find(ACQUIRING).or_else(|| stderr.find(RELEASING))?;
    let text = stderr.get(at..)?;
    let info = text.find("Lock Info:").and_then(|at| text.get(at..)).unwrap_or_default();
    let field = |name: &str| {
        let lines = info.lines().map(|line| line.trim_start_matches(['│', ' ', '\t']));
        let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        values.next().map(|value| value.trim().to_owned())
    };
    let told = field("ID").filter(|id| is_id(id));
    // The http backend shows the lock that it wanted itself, and of the one in its way nothing but the id, and not even that if it
    // was told nothing that can be read.
    if let Some((_, rest)) = text.split_once(BY_HTTP) {
        let (message, _) = rest.split_once("Lock Info:").unwrap_or((rest, ""));
        let id = message.split_once("ID=")?.1.split(|c: char| c.is_whitespace() || c == '"').next();
        let id = id.filter(|id| is_id(id))?.to_owned();
        let is_own = told.as_ref() == Some(&id);
        return Some(Lock { id, holder: None, is_own });
    }
    let holder = Holder {
        operation: field("Operation").unwrap_or_default(),
        who: field("Who").unwrap_or_default(),
        version: field("Version").unwrap_or_default(),
        created: field("Created").and_then(|text| parse_time(&text)),
    };
    told.map(|id| Lock { id, holder: Some(holder), is_own: false })
}

/// Ids become arguments.
fn is_id(text: &str) -> bool {
    // SECURITY: terraform::locks::an_id_is_never_an_option
    let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/=".contains(&b));
    !text.is_empty() && text.len() <= ID_MAX && is_plain && !text.starts_with('-')
}

/// `2026-11-21 06:56:26.994560315 +0000 UTC`, as Go prints times.
fn parse_time(text: &str) -> Option<SystemTime> {
    let mut parts = text.split(' ');
    let (date, clock, zone) = (parts.next()?, parts.next()?, parts.next()?);
    let mut date = date.split('-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.split(':');
    let (hour, minute, second) = (clock.next()?, clock.next()?, clock.next()?);
    let nanos: u32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
    let clock = Time::from_hms_nano(hour, minute, second.parse().ok()?, nanos).ok()?;
    let (sign, digits) = match zone.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, zone.strip_prefix('+')?),
    };
    let hours: i8 = digits.get(..2)?.parse().ok()?;
    let minutes: i8 = digits.get(2..4)?.parse().ok()?;
    let offset = UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()?;
    let moment: OffsetDateTime = PrimitiveDateTime::new(date, clock).assume_offset(offset);
    Some(moment.into())
}

/// What is known about a process of ours that died while it may have held a lock. Kept for later runs of the block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Evidence {
    /// The run.
    pub(super) run: String,
    /// As locks call it, such as `OperationTypeApply`.
    pub(super) operation: String,
    /// This machine.
    pub(super) host: String,
    /// What the process had as `USER`.
    pub(super) user: String,
    /// Of the tool.
    pub(super) version: String,
    /// When it started.
    pub(super) started: SystemTime,
    /// The last sign of life.
    pub(super) ended: SystemTime,
    /// Whether it had the lock for certain: it had printed what is only printed afterwards.
    pub(super) held: bool,
    /// The id of the lock that was found after its death, and that can only have been its own.
    pub(super) id: Option<String>,
    /// How it died, in a sentence.
    pub(super) death: String,
}

impl Evidence {
    /// Says why the lock must be the dead process's own; none if that isn't proven. `probed`: when it was found, if that was by the
    /// probe after the death, before anybody else could have been told of it.
    pub(super) fn proves(&self, lock: &Lock, probed: Option<SystemTime>) -> Option<String> {
        if self.id.as_ref() == Some(&lock.id) {
            return Some("it was found right after the death of the process".to_owned());
        }
        let Some(holder) = &lock.holder else {
            // SECURITY: terraform::locks::a_lock_without_a_holder_is_ours_only_if_we_held_it_just_now
            let passed = probed?.duration_since(self.ended).unwrap_or(Duration::MAX);
            return (self.held && self.id.is_none() && passed <= FRESH)
                .then(|| "the process held the lock when it died, a moment ago".to_owned());
        };
        // SECURITY: terraform::locks::a_lock_of_another_one_is_never_ours
        let (user, host) = holder.who.rsplit_once('@')?;
        let is_user = user == self.user || !user.starts_with(USER_PREFIX);
        let created = holder.created?;
        let first = self.started.checked_sub(TOLERANCE)?;
        let last =
            self.ended.min(self.started.checked_add(LOCKS_WITHIN)?).checked_add(TOLERANCE)?;
        let is_ours = is_user
            && host == self.host
            && holder.operation == self.operation
            && holder.version == self.version
            && (first..=last).contains(&created);
        is_ours.then(|| {
            format!("`{}` created it for `{}` while the process ran", holder.who, holder.operation)
        })
    }
}

/// What the names of users in locks begin with where the system has no name for the user.
pub(super) const USER_PREFIX: &str = "blockhouse-";

/// Keeps evidence by block. Blocks.
#[derive(Clone, Debug)]
pub(super) struct Evidences {
    directory: PathBuf,
}

impl Evidences {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Damaged evidence is none.
    pub(super) fn find(&self, block: &str) -> io::Result<Option<Evidence>> {
        let text = files::read(&self.path(block), EVIDENCE_MAX)?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    pub(super) fn keep(&self, block: &str, evidence: &Evidence) -> io::Result<()> {
        drop(crate::os::create_private_directory(&self.directory)?);
        let text = serde_json::to_vec(evidence)?;
        files::write(&self.path(block), &text, None)
    }

    pub(super) fn forget(&self, block: &str) -> io::Result<()> {
        files::remove(&self.path(block))
    }

    fn path(&self, block: &str) -> PathBuf {
        self.directory.join(format!("{}.json", plain(block)))
    }
}

/// Whether a process that locks had got its lock: it prints nothing but this before.
pub(super) fn had_lock(stdout: &Path) -> bool {
    let head = files::head(stdout, 64 << 10).unwrap_or_default();
    let text = String::from_utf8_lossy(&head);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.any(|line| !line.starts_with("Acquiring state lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: &str = "\nError: Error acquiring the state lock\n\nError message: HTTP remote state already locked:\nID=3d5e30c8-82bd-b9a0-0835-a687c4c2d502\nLock Info:\n  ID:        74b32aa4-faf9-72eb-57d9-7bd79ca9681b\n  Path:      \n  Operation: untaint\n  Who:       root@vm\n  Version:   1.11.4\n  Created:   2026-11-21 06:56:26.994560315 +0000 UTC\n  Info:      \n\n\nTerraform acquires a state lock";
    const LOCAL: &str = "Error: Error acquiring the state lock\n\nError message: resource temporarily unavailable\nLock Info:\n  ID:        74b32aa4-faf9-72eb-57d9-7bd79ca9681b\n  Path:      terraform.tfstate\n  Operation: OperationTypeApply\n  Who:       root@vm\n  Version:   1.11.4\n  Created:   2026-11-21 06:56:26.994560315 +0000 UTC\n  Info:      \n";

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_said_of_a_lock_is_read() {
        let lock = parse(LOCAL).unwrap();
        assert_eq!(lock.id, "74b32aa4-faf9-72eb-57d9-7bd79ca9681b");
        let holder = lock.holder.unwrap();
        assert_eq!(
            (holder.who.as_str(), holder.operation.as_str()),
            ("root@vm", "OperationTypeApply")
        );
        let created = at(1_795_244_186) + Duration::from_nanos(994_560_315);
        assert_eq!(holder.created, Some(created));
    }

    #[test]
    fn the_http_backend_shows_its_own_wish_and_is_not_believed() {
        let lock = parse(HTTP).unwrap();
        assert_eq!(lock.id, "3d5e30c8-82bd-b9a0-0835-a687c4c2d502");
        assert_eq!(lock.holder, None);
        assert!(!lock.is_own);
        let own = HTTP.replace("3d5e30c8-82bd-b9a0-0835-a687c4c2d502", &lock_wanted());
        assert!(parse(&own).unwrap().is_own);
        for unread in [", failed to read body", ", failed to unmarshal body", ":\nID="] {
            let at = HTTP.find(":\nID=").unwrap();
            let rest = HTTP.get(at..).and_then(|rest| rest.split_once("\nLock Info")).unwrap().1;
            let text = format!("{}{unread}\nLock Info{rest}", &HTTP[..at]);
            assert_eq!(parse(&text), None, "{text}");
        }
    }

    fn lock_wanted() -> String {
        "74b32aa4-faf9-72eb-57d9-7bd79ca9681b".to_owned()
    }

    #[test]
    fn an_id_is_never_an_option() {
        for id in ["-force", "", "a b", "a;b", "$(x)", &"x".repeat(200)] {
            let text = format!("{ACQUIRING}\nLock Info:\n  ID: {id}\n");
            assert_eq!(parse(&text), None, "{id}");
        }
        assert_eq!(parse("nothing of the kind"), None);
        assert_eq!(parse(ACQUIRING), None);
    }

    #[test]
    fn times_with_and_without_fraction_and_zone_are_read_and_others_are_none() {
        assert_eq!(parse_time("1970-01-01 01:00:01 +0100 CET"), Some(at(1)));
        assert_eq!(
            parse_time("1969-12-31 23:00:01.5 -0100 X"),
            Some(at(1) + Duration::from_millis(500))
        );
        for text in [
            "",
            "x",
            "1970-13-01 00:00:00 +0000",
            "1970-01-01 00:00 +0000",
            "1970-01-01 00:00:00 Z",
            "1970-01-01 00:00:00 +ä0 x",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    fn evidence() -> Evidence {
        Evidence {
            run: "run".to_owned(),
            operation: "OperationTypeApply".to_owned(),
            host: "vm".to_owned(),
            user: "blockhouse-run".to_owned(),
            version: "1.11.4".to_owned(),
            started: at(1_000),
            ended: at(1_100),
            held: true,
            id: None,
            death: "killed".to_owned(),
        }
    }

    fn lock(who: &str, operation: &str, version: &str, created: u64) -> Lock {
        let (who, operation, version) = (who.to_owned(), operation.to_owned(), version.to_owned());
        let holder = Holder { operation, who, version, created: Some(at(created)) };
        Lock { id: "id".to_owned(), holder: Some(holder), is_own: false }
    }

    #[test]
    fn a_lock_of_another_one_is_never_ours() {
        let apply = "OperationTypeApply";
        let proves = |lock: &Lock| evidence().proves(lock, Some(at(1_101))).is_some();
        assert!(proves(&lock("root@vm", apply, "1.11.4", 1_001)));
        assert!(proves(&lock("blockhouse-run@vm", apply, "1.11.4", 1_001)));
        for other in [
            lock("root@other", apply, "1.11.4", 1_001),
            lock("blockhouse-other@vm", apply, "1.11.4", 1_001),
            lock("vm", apply, "1.11.4", 1_001),
            lock("root@vm", "OperationTypePlan", "1.11.4", 1_001),
            lock("root@vm", apply, "1.11.5", 1_001),
            lock("root@vm", apply, "1.11.4", 900),
            lock("root@vm", apply, "1.11.4", 1_200),
        ] {
            assert!(!proves(&other), "{other:?}");
        }
        let late = Evidence { ended: at(90_000), ..evidence() };
        assert!(late.proves(&lock("root@vm", apply, "1.11.4", 80_000), Some(at(90_001))).is_none());
    }

    #[test]
    fn a_lock_without_a_holder_is_ours_only_if_we_held_it_just_now() {
        let lock = Lock { id: "id".to_owned(), holder: None, is_own: false };
        assert!(evidence().proves(&lock, Some(at(1_101))).is_some());
        assert!(evidence().proves(&lock, Some(at(9_999))).is_none());
        assert!(Evidence { held: false, ..evidence() }.proves(&lock, Some(at(1_101))).is_none());
        let another = Evidence { id: Some("another".to_owned()), ..evidence() };
        assert!(another.proves(&lock, Some(at(1_101))).is_none());
        // A later run: somebody may have released it and taken it anew.
        assert!(evidence().proves(&lock, None).is_none());
        let same = Evidence { id: Some("id".to_owned()), held: false, ..evidence() };
        assert!(same.proves(&lock, None).is_some());
    }

    #[test]
    fn evidence_is_kept_by_block_and_what_is_damaged_is_none() {
        let place = tempfile::tempdir().unwrap();
        let evidences = Evidences::new(place.path().join("locks"));
        assert_eq!(evidences.find("../b").unwrap(), None);
        evidences.keep("../b", &evidence()).unwrap();
        assert_eq!(evidences.find("b").unwrap(), Some(evidence()));
        std::fs::write(place.path().join("locks/b.json"), "{").unwrap();
        assert_eq!(evidences.find("b").unwrap(), None);
        evidences.forget("b").unwrap();
        evidences.forget("b").unwrap();
    }

    #[test]
    fn what_is_printed_tells_whether_the_lock_was_had() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("stdout");
        for (text, held) in [
            ("", false),
            ("\nAcquiring state lock. This may take a few moments...\n", false),
            ("terraform_data.x: Creating...\n", true),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(had_lock(&path), held, "{text}");
        }
        assert!(!had_lock(&place.path().join("none")));
    }
}
