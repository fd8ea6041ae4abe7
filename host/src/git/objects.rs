//! Reads objects out of a mirror: [`Objects`] asks one `git cat-file --batch`. What it answers must be what its name says, by its
//! hash: between the server that named a commit and the file that is written, nothing need be trusted.

use super::GitError;
use super::revision::ObjectId;
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout};

/// Bytes of a commit, a tag or a tree.
const SMALL_MAX: u64 = 8 << 20;

/// Bytes of the line before an object.
const HEAD_MAX: u64 = 256;

/// How many tags may lead from one to the next.
const TAGS_MAX: usize = 8;

/// Why nothing was checked out.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The mirror is not what it was: it can be made anew.
    Corrupt(String),
    /// Any other reason.
    Git(GitError),
}

impl From<GitError> for Trouble {
    fn from(error: GitError) -> Self {
        Self::Git(error)
    }
}

/// A conversation with git.
pub(super) struct Objects {
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What is in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) id: ObjectId,
}

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File { is_executable: bool },
    Link,
    Submodule,
}

impl Objects {
    pub(super) fn new(questions: ChildStdin, answers: ChildStdout) -> Self {
        Self { questions, answers: BufReader::with_capacity(256 << 10, answers) }
    }

    /// Asks for an object; answers come in the order of the questions. So few may be open that the pipe holds them all.
    pub(super) fn ask(&mut self, id: &ObjectId) -> Result<(), Trouble> {
        let asked = writeln!(self.questions, "{}", id.as_str());
        asked.and_then(|()| self.questions.flush()).map_err(ended)
    }

    /// The next answer, into `to`. Returns its kind and its size.
    pub(super) fn answer(
        &mut self,
        id: &ObjectId,
        max: u64,
        to: &mut dyn FnMut(&[u8]) -> Result<(), GitError>,
    ) -> Result<(String, u64), Trouble> {
        let mut head = String::new();
        (&mut self.answers).take(HEAD_MAX).read_line(&mut head).map_err(ended)?;
        let corrupt = || Trouble::Corrupt(format!("the object {} is not there", id.as_str()));
        let mut words = head.trim_end().split(' ');
        let (Some(named), Some(kind), Some(size)) = (words.next(), words.next(), words.next())
        else {
            return Err(corrupt());
        };
        let size: u64 = size.parse().map_err(|_| corrupt())?;
        if named != id.as_str() || words.next().is_some() {
            return Err(corrupt());
        }
        if size > max {
            let text = format!("the repository has an object of {size} bytes, more than {max}");
            return Err(GitError::TooLarge(text).into());
        }
        let algorithm = if id.format() == "sha256" { &SHA256 } else { &SHA1_FOR_LEGACY_USE_ONLY };
        let mut hash = Context::new(algorithm);
        hash.update(format!("{kind} {size}\0").as_bytes());
        let mut left = size;
        while left > 0 {
            let chunk = self.answers.fill_buf().map_err(ended)?;
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            let Some(chunk) = chunk.get(..count).filter(|chunk| !chunk.is_empty()) else {
                return Err(corrupt());
            };
            hash.update(chunk);
            to(chunk)?;
            self.answers.consume(count);
            left -= u64::try_from(count).unwrap_or(u64::MAX);
        }
        self.answers.read_exact(&mut [0]).map_err(ended)?;
        // SECURITY: walls::sources::an_object_is_what_its_name_says
        if ObjectId::from_bytes(hash.finish().as_ref()) != *id {
            return Err(Trouble::Corrupt(format!("the object {} is another one", id.as_str())));
        }
        Ok((kind.to_owned(), size))
    }

    /// A small object as a whole.
    pub(super) fn read(&mut self, id: &ObjectId, max: u64) -> Result<(String, Vec<u8>), Trouble> {
        let mut bytes = Vec::new();
        self.ask(id)?;
        let (kind, _) = self.answer(id, max, &mut |chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok((kind, bytes))
    }

    /// The commit that an object is or leads to, and its tree.
    pub(super) fn commit(&mut self, id: &ObjectId) -> Result<(ObjectId, ObjectId), Trouble> {
        let mut id = id.clone();
        for _ in 0..TAGS_MAX {
            let (kind, bytes) = self.read(&id, SMALL_MAX)?;
            let key = match kind.as_str() {
                "commit" => "tree ",
                "tag" => "object ",
                _ => break,
            };
            let text = String::from_utf8_lossy(&bytes);
            let named = text.lines().next().and_then(|line| line.strip_prefix(key));
            let Some(named) = named.and_then(ObjectId::parse) else { break };
            if kind == "commit" {
                return Ok((id, named));
            }
            id = named;
        }
        Err(GitError::NotFound("the revision leads to something other than a commit".into()).into())
    }

    /// What is in a tree, and the bytes that it took.
    pub(super) fn tree(&mut self, id: &ObjectId) -> Result<(Vec<Entry>, u64), Trouble> {
        let (kind, bytes) = self.read(id, SMALL_MAX)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let entries = (kind == "tree").then(|| parse_tree(&bytes, id.as_str().len() / 2)).flatten();
        match entries {
            Some(entries) => Ok((entries, size)),
            None => Err(Trouble::Corrupt(format!("the object {} is no tree", id.as_str()))),
        }
    }
}

fn ended(_: io::Error) -> Trouble {
    Trouble::Corrupt("git ended before its answer".to_owned())
}

/// `<mode> <name>\0<id>`, again and again.
fn parse_tree(mut rest: &[u8], id_bytes: usize) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ')?;
        let (mode, after) = rest.split_at_checked(space)?;
        let end = after.iter().position(|byte| *byte == 0)?;
        let name = after.get(1..end)?.to_vec();
        let (id, after) = after.get(end + 1..)?.split_at_checked(id_bytes)?;
        rest = after;
        let mode = std::str::from_utf8(mode).ok()?;
        let mode = u32::from_str_radix(mode, 8).ok()?;
        let kind = match mode & 0o170_000 {
            0o040_000 => Kind::Directory,
            0o100_000 => Kind::File { is_executable: mode & 0o100 != 0 },
            0o120_000 => Kind::Link,
            0o160_000 => Kind::Submodule,
            _ => return None,
        };
        entries.push(Entry { name, kind, id: ObjectId::from_bytes(id) });
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_read_as_git_writes_them() {
        let mut bytes = Vec::new();
        for (mode, name) in
            [("100644", "a"), ("100755", "b"), ("40000", "c"), ("120000", "d"), ("160000", "e")]
        {
            bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            bytes.extend_from_slice(&[0xab; 20]);
        }
        let entries = parse_tree(&bytes, 20).unwrap();
        let kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
        let [file, executable] = [false, true].map(|is_executable| Kind::File { is_executable });
        assert_eq!(kinds, [file, executable, Kind::Directory, Kind::Link, Kind::Submodule]);
        assert_eq!(entries[0].id.as_str(), "ab".repeat(20));
        assert_eq!(entries[3].name, b"d");
    }

    #[test]
    fn bytes_that_are_no_tree_are_an_error_not_a_panic() {
        let good = [b"100644 name\0".as_slice(), &[1; 20]].concat();
        assert!(parse_tree(&good, 20).is_some());
        for end in 1..good.len() {
            assert!(parse_tree(&good[..end], 20).is_none(), "{end}");
        }
        for bytes in [&b"999999 a\0"[..], b"10064x a\0", b" a\0", b"060000 a\0"] {
            assert!(parse_tree(&[bytes, &[1; 20]].concat(), 20).is_none());
        }
    }
}
