//! What a run's work on files has used up: [`Ledger`].
//!
//! Bytes are those by which files have *grown*, files those that were *made*, directories included; neither is given back.
//! That makes the accounts simple and independent of what is still on its way to the disk:
//!
//! * A file can't be longer than what was booked for it. Per open file there is the [`End`] up to which its bytes are booked.
//!   It is the file's length when it was opened, so it is at most what is booked for the file; writing beyond it books the
//!   difference, appending books all, and shrinking changes nothing. This holds in whatever order the writes reach the disk.
//! * A file that was unlinked and is still open, or was replaced by another one, stays booked.

use crate::audit::Auditor;
use blockhouse_policy::{FilesAccess, FilesPermit, Position};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files and directories that a run has open at a time, and streams on files. Against using up the descriptors of the process,
/// and, since each stream may have one operation that the component does not wait for, the threads for blocking operations.
pub(super) const OPEN_MAX: usize = 32;

/// Directory entries that a run has listed and not read yet; each takes up to 300 bytes of the host's memory.
const LISTED_MAX: u64 = 1 << 16;

/// What a listing costs beyond its entries, in entries.
const LISTING: u64 = 16;

/// Books what is used, and says no.
#[derive(Debug)]
pub(super) struct Ledger {
    auditor: Arc<Auditor>,
    /// What grants files; for the audit log.
    rule: Option<Position>,
    bytes_allowed: u64,
    files_allowed: u64,
    is_writable: bool,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    bytes: u64,
    files: u64,
    listed: u64,
    streams: usize,
    /// Work to be charged as fuel, in bytes.
    work: u64,
}

/// The offset up to which the bytes of an open file are booked.
#[derive(Clone, Debug, Default)]
pub(super) struct End(Arc<AtomicU64>);

impl End {
    /// Of a file that has this length.
    pub(super) fn of(length: u64) -> Self {
        Self(Arc::new(AtomicU64::new(length)))
    }
}

/// What does not suffice. The component sees `quota`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QuotaHit {
    #[error("the files have grown by all the bytes that the policy allows")]
    Bytes,
    #[error("as many files and directories were made as the policy allows")]
    Files,
    #[error("too many directory entries are listed at a time")]
    Listed,
    #[error("too many files, directories or streams are open at a time")]
    Open,
}

/// Gives back what is held at a time.
#[derive(Debug)]
pub(super) struct Held {
    ledger: Arc<Ledger>,
    listed: u64,
    streams: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut used = self.ledger.used();
        used.listed = used.listed.saturating_sub(self.listed);
        used.streams = used.streams.saturating_sub(self.streams);
    }
}

impl Ledger {
    /// Without a permit there is nothing that could be written.
    pub(super) fn new(auditor: Arc<Auditor>, permit: Option<&FilesPermit>) -> Self {
        let writable = permit.filter(|permit| permit.access() == FilesAccess::ReadWrite);
        Self {
            auditor,
            rule: permit.map(|permit| permit.rule().clone()),
            bytes_allowed: writable.map_or(0, FilesPermit::quota_bytes),
            files_allowed: writable.map_or(0, FilesPermit::quota_files),
            is_writable: writable.is_some(),
            used: Mutex::default(),
        }
    }

    /// Whether anything may be changed.
    pub(super) fn may_write(&self) -> bool {
        if !self.is_writable {
            let rule = "the policy does not let files be changed";
            self.auditor.quota("files", "change", rule, self.rule.as_ref());
        }
        self.is_writable
    }

    /// Counts work that is charged when the host function returns.
    pub(super) fn charge(&self, bytes: u64) {
        let mut used = self.used();
        used.work = used.work.saturating_add(bytes);
    }

    pub(super) fn take_work(&self) -> u64 {
        std::mem::take(&mut self.used().work)
    }

    /// The file will have this length, or it has it already.
    pub(super) fn grow_to(&self, end: &End, length: u64) -> Result<(), QuotaHit> {
        let booked = end.0.load(Ordering::Relaxed);
        self.grow(length.saturating_sub(booked))?;
        end.0.store(booked.max(length), Ordering::Relaxed);
        Ok(())
    }

    /// The file will be longer by this.
    pub(super) fn append(&self, end: &End, bytes: u64) -> Result<(), QuotaHit> {
        self.grow(bytes)?;
        end.0.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn grow(&self, bytes: u64) -> Result<(), QuotaHit> {
        let mut used = self.used();
        match used.bytes.checked_add(bytes) {
            // SECURITY: walls::files_do_not_grow_beyond_the_quota
            Some(sum) if sum <= self.bytes_allowed => {
                used.bytes = sum;
                Ok(())
            }
            _ => Err(self.tell(used, QuotaHit::Bytes)),
        }
    }

    /// A file or directory is about to be made.
    pub(super) fn make(&self) -> Result<(), QuotaHit> {
        let mut used = self.used();
        // SECURITY: walls::files_and_directories_are_limited_in_number
        if used.files >= self.files_allowed {
            return Err(self.tell(used, QuotaHit::Files));
        }
        used.files += 1;
        Ok(())
    }

    /// It certainly was not made.
    pub(super) fn was_not_made(&self) {
        let mut used = self.used();
        used.files = used.files.saturating_sub(1);
    }

    /// Whether one more can be opened beside those that are open.
    pub(super) fn open(&self, open: usize) -> Result<(), QuotaHit> {
        // SECURITY: walls::open_files_are_limited_in_number
        if open >= OPEN_MAX {
            return Err(self.tell(self.used(), QuotaHit::Open));
        }
        Ok(())
    }

    /// A stream on a file is about to be made.
    pub(super) fn stream(self: &Arc<Self>) -> Result<Held, QuotaHit> {
        let mut used = self.used();
        // SECURITY: walls::streams_on_files_are_limited_in_number
        if used.streams >= OPEN_MAX {
            return Err(self.tell(used, QuotaHit::Open));
        }
        used.streams += 1;
        drop(used);
        Ok(Held { ledger: Arc::clone(self), listed: 0, streams: 1 })
    }

    /// Whether a directory can be listed that has all files that were made.
    pub(super) fn list(&self) -> Result<(), QuotaHit> {
        let used = self.used();
        // SECURITY: walls::listings_are_limited_in_sum
        if used.listed.saturating_add(used.files).saturating_add(LISTING) > LISTED_MAX {
            return Err(self.tell(used, QuotaHit::Listed));
        }
        Ok(())
    }

    /// A directory with so many entries was listed.
    pub(super) fn listed(self: &Arc<Self>, entries: u64) -> Held {
        let listed = entries.saturating_add(LISTING);
        let mut used = self.used();
        used.listed = used.listed.saturating_add(listed);
        drop(used);
        Held { ledger: Arc::clone(self), listed, streams: 0 }
    }

    /// The auditor writes it down once per quota and run.
    fn tell(&self, used: MutexGuard<'_, Used>, hit: QuotaHit) -> QuotaHit {
        let (bytes, files) = (used.bytes, used.files);
        drop(used);
        let used = format!(
            "{bytes} of {} bytes and {files} of {} files are used",
            self.bytes_allowed, self.files_allowed
        );
        self.auditor.quota("file quota", &hit.to_string(), &used, self.rule.as_ref());
        hit
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        // No code panics while it holds the lock.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::About;

    fn auditor() -> Arc<Auditor> {
        Arc::new(Auditor::new(About::default(), Arc::default()))
    }

    fn ledger(bytes: u64, files: u64) -> Arc<Ledger> {
        let mut ledger = Ledger::new(auditor(), None);
        (ledger.bytes_allowed, ledger.files_allowed) = (bytes, files);
        Arc::new(ledger)
    }

    #[test]
    fn without_a_permit_nothing_can_be_written() {
        let ledger = Ledger::new(auditor(), None);
        assert!(!ledger.may_write());
        assert_eq!(ledger.append(&End::default(), 1), Err(QuotaHit::Bytes));
        assert_eq!(ledger.make(), Err(QuotaHit::Files));
    }

    #[test]
    fn what_is_booked_is_not_booked_again() {
        let ledger = ledger(100, 0);
        let end = End::default();
        assert_eq!(ledger.grow_to(&end, 60), Ok(()));
        assert_eq!(ledger.grow_to(&end, 60), Ok(()), "the same bytes");
        assert_eq!(ledger.grow_to(&end, 10), Ok(()), "shrunk");
        assert_eq!(ledger.grow_to(&end, 60), Ok(()), "and grown again");
        assert_eq!(ledger.append(&end, 40), Ok(()));
        assert_eq!(ledger.grow_to(&end, 100), Ok(()), "what was appended");
        assert_eq!(ledger.grow_to(&end, 101), Err(QuotaHit::Bytes));
        assert_eq!(ledger.grow_to(&End::of(50), 50), Ok(()), "what was there");
    }

    #[test]
    fn what_was_refused_is_not_booked() {
        let ledger = ledger(100, 0);
        let end = End::default();
        assert_eq!(ledger.grow_to(&end, u64::MAX), Err(QuotaHit::Bytes));
        assert_eq!(ledger.grow_to(&end, 100), Ok(()));
        assert_eq!(ledger.append(&end, u64::MAX), Err(QuotaHit::Bytes), "no overflow");
    }

    #[test]
    fn what_is_held_is_given_back() {
        let ledger = ledger(0, 0);
        let mut streams: Vec<_> = (0..OPEN_MAX).map(|_| ledger.stream().unwrap()).collect();
        assert_eq!(ledger.stream().unwrap_err(), QuotaHit::Open);
        streams.pop();
        streams.push(ledger.stream().unwrap());
        let listing = ledger.listed(LISTED_MAX);
        assert_eq!(ledger.list(), Err(QuotaHit::Listed));
        drop(listing);
        assert_eq!(ledger.list(), Ok(()));
    }

    #[test]
    fn a_directory_that_could_be_too_large_is_not_listed() {
        let ledger = ledger(0, LISTED_MAX);
        (0..LISTED_MAX - LISTING).for_each(|_| ledger.make().unwrap());
        assert_eq!(ledger.list(), Ok(()));
        ledger.make().unwrap();
        assert_eq!(ledger.list(), Err(QuotaHit::Listed));
        ledger.was_not_made();
        assert_eq!(ledger.list(), Ok(()));
    }
}
