//! What a restart must know about the calls of a run: [`Records`].
//!
//! Calls are numbered. Of each that leaves something behind there is a file `operations/<number>.json` with the verb, a keyed digest of all
//! that the call depends on, and, where no process knows it, the answer. A process has its directory `operations/<number>-<verb>` beside it.
//! A resumed run makes the same calls again: a record with the same verb and digest is answered from what is there; another one ends it.

use super::files;
use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The file with the key of the digests. It is removed with the run directory.
const KEY: &str = "key";
const KEY_BYTES: usize = 32;

/// Bytes of a record. The longest answer is a text of 1 MiB that is kept for the component, escaped.
const RECORD_MAX: u64 = 8 << 20;

/// The records of a run.
pub(super) struct Records {
    directory: PathBuf,
    key: hmac::Key,
    next: u32,
}

/// All that a call depends on, in one value. Keyed with a key of the run's own, since a digest of a short secret would tell it.
#[derive(Clone)]
pub(super) struct Digest {
    context: hmac::Context,
}

/// A call that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call<T> {
    /// `0007-apply`: what its directories begin with.
    pub(super) name: String,
    /// Whether there was a record.
    pub(super) is_known: bool,
    /// The recorded answer.
    pub(super) answer: Option<T>,
    path: PathBuf,
    digest: String,
    verb: String,
}

#[derive(Serialize, Deserialize)]
struct Record<T> {
    verb: String,
    digest: String,
    answer: Option<T>,
}

/// Why the records can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error("call {number} of the resumed run is `{now}`, but it was `{then}`")]
    AnotherCall { number: u32, now: String, then: String },
    #[error("call {number} (`{verb}`) of the resumed run differs from the recorded one")]
    AnotherContent { number: u32, verb: String },
    #[error("failed to use the record `{}`", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the run directory has records of an earlier attempt")]
    NotEmpty,
    #[error("the record `{}` is damaged", path.display())]
    Torn { path: PathBuf },
}

impl Records {
    /// Those in this directory. A run that is not resumed must find none.
    pub(super) fn open(directory: &Path, resumed: bool) -> Result<Self, RecordError> {
        let path = directory.join(KEY);
        let at = |source| RecordError::Io { path: path.clone(), source };
        let length = KEY_BYTES as u64;
        let found = files::read(&path, length).map_err(at)?.map(Zeroizing::new);
        let key = match found {
            Some(_) if !resumed => return Err(RecordError::NotEmpty),
            Some(key) if key.len() == KEY_BYTES => key,
            Some(_) => return Err(RecordError::Torn { path }),
            None => {
                let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
                let filled = aws_lc_rs::rand::fill(key.as_mut_slice());
                filled.map_err(|_| at(io::Error::other("no randomness")))?;
                files::write(&path, &key, None).map_err(at)?;
                key
            }
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        Ok(Self { directory: directory.to_owned(), key, next: 0 })
    }

    /// Begins a digest.
    pub(super) fn digest(&self) -> Digest {
        Digest { context: hmac::Context::with_key(&self.key) }
    }

    /// Begins the next call. Blocks.
    pub(super) fn begin<T: DeserializeOwned>(
        &mut self,
        verb: &str,
        digest: Digest,
    ) -> Result<Call<T>, RecordError> {
        let number = self.next;
        self.next += 1;
        let digest = HEXLOWER.encode(digest.context.sign().as_ref());
        let path = self.directory.join(format!("{number:04}.json"));
        let at = |source| RecordError::Io { path: path.clone(), source };
        let mut call = Call {
            name: format!("{number:04}-{verb}"),
            is_known: false,
            answer: None,
            path: path.clone(),
            digest,
            verb: verb.to_owned(),
        };
        let Some(text) = files::read(&path, RECORD_MAX).map_err(at)? else { return Ok(call) };
        let record: Record<T> =
            serde_json::from_slice(&text).map_err(|_| RecordError::Torn { path: path.clone() })?;
        if record.verb != verb {
            let now = verb.to_owned();
            return Err(RecordError::AnotherCall { number, now, then: record.verb });
        }
        if record.digest != call.digest {
            return Err(RecordError::AnotherContent { number, verb: record.verb });
        }
        call.is_known = true;
        call.answer = record.answer;
        Ok(call)
    }
}

impl<T: Serialize> Call<T> {
    /// Writes the record: without an answer before a process is started, with it when there is one. Blocks.
    pub(super) fn write(&self, answer: Option<T>) -> Result<(), RecordError> {
        let (verb, digest) = (self.verb.clone(), self.digest.clone());
        let text = serde_json::to_vec(&Record { verb, digest, answer }).map_err(io::Error::other);
        text.and_then(|text| files::write(&self.path, &text, None))
            .map_err(|source| RecordError::Io { path: self.path.clone(), source })
    }
}

impl Digest {
    /// Takes in a part; parts can't run into each other.
    pub(super) fn part(mut self, part: &[u8]) -> Self {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.context.update(&length.to_be_bytes());
        self.context.update(part);
        self
    }

    /// Takes in a part that may be missing.
    pub(super) fn optional(self, part: Option<&[u8]>) -> Self {
        match part {
            None => self.part(b"0"),
            Some(part) => self.part(b"1").part(part),
        }
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("next", &self.next).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn begin(records: &mut Records, verb: &str, content: &str) -> Result<Call<u8>, RecordError> {
        let digest = records.digest().part(content.as_bytes());
        records.begin(verb, digest)
    }

    #[test]
    fn the_same_calls_are_answered_and_others_are_not() {
        let place = tempfile::tempdir().unwrap();
        let mut records = Records::open(place.path(), false).unwrap();
        let first = begin(&mut records, "install", "1.5.5").unwrap();
        assert!(!first.is_known);
        first.write(Some(7)).unwrap();
        begin(&mut records, "plan", "").unwrap().write(None).unwrap();

        let again = || Records::open(place.path(), true).unwrap();
        let mut records = again();
        let first = begin(&mut records, "install", "1.5.5").unwrap();
        assert_eq!((first.is_known, first.answer), (true, Some(7)));
        let second = begin(&mut records, "plan", "").unwrap();
        assert_eq!((second.is_known, second.answer), (true, None));
        assert_eq!(second.name, "0001-plan");
        assert!(!begin(&mut records, "apply", "").unwrap().is_known);

        let other = begin(&mut again(), "install", "1.5.6").unwrap_err();
        assert!(matches!(other, RecordError::AnotherContent { number: 0, .. }));
        let other = begin(&mut again(), "plan", "1.5.5").unwrap_err();
        assert!(matches!(other, RecordError::AnotherCall { number: 0, .. }));
    }

    #[test]
    fn a_run_that_is_not_resumed_takes_no_answers_of_another_one() {
        let place = tempfile::tempdir().unwrap();
        Records::open(place.path(), false).unwrap();
        assert!(matches!(Records::open(place.path(), false), Err(RecordError::NotEmpty)));
    }

    #[test]
    fn torn_records_are_errors() {
        let place = tempfile::tempdir().unwrap();
        let mut records = Records::open(place.path(), false).unwrap();
        begin(&mut records, "plan", "").unwrap().write(None).unwrap();
        let path = place.path().join("0000.json");
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let mut records = Records::open(place.path(), true).unwrap();
            let error = begin(&mut records, "plan", "").unwrap_err();
            assert!(matches!(error, RecordError::Torn { .. }), "{length}");
        }
        fs::write(place.path().join(KEY), "short").unwrap();
        assert!(matches!(Records::open(place.path(), true), Err(RecordError::Torn { .. })));
    }

    #[test]
    fn parts_do_not_run_into_each_other_and_the_file_does_not_tell_them() {
        let place = tempfile::tempdir().unwrap();
        let records = Records::open(place.path(), false).unwrap();
        let sign = |digest: Digest| HEXLOWER.encode(digest.context.sign().as_ref());
        let one = sign(records.digest().part(b"ab").part(b"c"));
        assert_ne!(one, sign(records.digest().part(b"a").part(b"bc")));
        let none = sign(records.digest().optional(None));
        assert_ne!(none, sign(records.digest().optional(Some(b""))));
        // Another run's key, another digest.
        let elsewhere = tempfile::tempdir().unwrap();
        let other = Records::open(elsewhere.path(), false).unwrap();
        assert_ne!(one, sign(other.digest().part(b"ab").part(b"c")));
    }
}
