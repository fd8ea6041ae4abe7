//! State that could not be written where it belongs is kept here, sealed, until it could: [`Quarantine`].
//!
//! A state is as large as whoever wrote it liked, so it goes through in pieces (`sealed`) and is never in memory as a whole.

use super::files;
use super::sealed::{PIECE_BYTES, fill, seal};
use crate::os;
use crate::run::RunId;
use crate::unseal::PublicKey;
use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// Bytes of a state that are kept. Terraform itself has all of it in memory several times.
const STATE_MAX: u64 = 512 << 20;

/// Of the state's digest, in a name. Only states of one block are told apart by it.
const DIGEST_CHARACTERS: usize = 16;

/// States of a block that its runs have only come upon. A script can make another one in each run, so that the oldest goes.
const FOUND_MAX: usize = 5;

/// What sealed copies end with.
const SEALED: &str = ".tfstate.sealed";

/// What copies of a runner without a key end with.
const PLAIN: &str = ".tfstate";

/// The directory with the copies.
#[derive(Clone, Debug)]
pub(super) struct Quarantine {
    directory: PathBuf,
    key: Option<Arc<PublicKey>>,
}

impl Quarantine {
    pub(super) fn new(directory: PathBuf, key: Option<Arc<PublicKey>>) -> Self {
        Self { directory, key }
    }

    /// Keeps a copy of what a call could not write, durably; returns where. The same state of the same call has the same file. Blocks.
    pub(super) fn keep(
        &self,
        state: &File,
        block: &str,
        run: &str,
        call: &str,
    ) -> io::Result<PathBuf> {
        self.keep_as(state, &prefix(block, run, call))
    }

    /// Keeps a copy of a state that a run has come upon: it is not its own. Of each block the newest few are kept. Blocks.
    pub(super) fn keep_found(&self, state: &File, block: &str) -> io::Result<PathBuf> {
        let prefix = format!("{}.found.", plain(block));
        let path = self.keep_as(state, &prefix)?;
        let mut found = self.named(&prefix)?;
        let changed = |path: &PathBuf| {
            fs::metadata(path)
                .and_then(|metadata| metadata.modified())
                .unwrap_or(SystemTime::UNIX_EPOCH)
        };
        found.retain(|other| *other != path);
        found.sort_by_key(|path| std::cmp::Reverse(changed(path)));
        for old in found.iter().skip(FOUND_MAX - 1) {
            files::remove(old)?;
        }
        Ok(path)
    }

    /// The copies of what a call could not write. Blocks.
    pub(super) fn of(&self, block: &str, run: &str, call: &str) -> io::Result<Vec<PathBuf>> {
        self.named(&prefix(block, run, call))
    }

    fn keep_as(&self, mut state: &File, prefix: &str) -> io::Result<PathBuf> {
        drop(os::create_private_directory(&self.directory)?);
        state.rewind()?;
        let digest = digest_of(state)?;
        let suffix = if self.key.is_some() { SEALED } else { PLAIN };
        let path = self.directory.join(format!("{prefix}{digest}{suffix}"));
        // SECURITY: terraform::quarantine::tests::another_state_of_the_same_call_is_kept_beside_the_first
        if path.try_exists()? {
            return Ok(path);
        }
        state.rewind()?;
        let state = state.take(STATE_MAX);
        files::write_by(&path, None, |file| match &self.key {
            Some(key) => seal(state, file, key),
            None => {
                let mut state = state;
                io::copy(&mut state, file).map(drop)
            }
        })?;
        Ok(path)
    }

    fn named(&self, prefix: &str) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        let is_named = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        };
        Ok(paths.into_iter().filter(is_named).collect())
    }

    /// Where a copy is and what is to be done with it, for who reads about a state that could not be written.
    pub(super) fn sentence(&self, path: &Path) -> String {
        let (how, open) = match self.key {
            Some(_) => ("sealed to its key", "open it with `blockhouse state open` and "),
            None => ("not encrypted since it has no key", ""),
        };
        format!(
            "The runner keeps it in `{}`, {how}; its operator can {open}write it with `terraform state push`.",
            path.display()
        )
    }
}

/// The copies in a directory of what a run could not write, for people.
///
/// # Errors
/// If there is such a directory and it can't be read.
pub fn copies_of(directory: &Path, run: &RunId) -> io::Result<Vec<PathBuf>> {
    Ok(copies(directory)?.into_iter().filter(|(of, _)| of == run).map(|(_, path)| path).collect())
}

/// All copies in a directory of what runs could not write, with their runs.
///
/// # Errors
/// If there is such a directory and it can't be read.
pub fn copies(directory: &Path) -> io::Result<Vec<(RunId, PathBuf)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut copies = Vec::new();
    for entry in entries {
        let path = entry?.path();
        // See `prefix`. What was found, and not written by its run, has no run in its name.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let run = match &*name.split('.').collect::<Vec<_>>() {
            [_, run, _, _, "tfstate", ..] => RunId::parse(run).ok(),
            _ => None,
        };
        copies.extend(run.map(|run| (run, path.clone())));
    }
    copies.sort_unstable();
    Ok(copies)
}

fn prefix(block: &str, run: &str, call: &str) -> String {
    format!("{}.{run}.{call}.", plain(block))
}

/// The block's uuid comes from outside and becomes part of a name.
pub(super) fn plain(text: &str) -> String {
    let plain = text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-');
    plain.take(64).collect()
}

fn digest_of(mut state: &File) -> io::Result<String> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut piece = Zeroizing::new(vec![0; PIECE_BYTES]);
    let mut all = 0_u64;
    loop {
        let length = fill(&mut state, &mut piece)?;
        all = all.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        // SECURITY: terraform::quarantine::tests::more_than_a_state_may_have_is_not_kept
        if all > STATE_MAX {
            return Err(files::too_large(STATE_MAX));
        }
        context.update(piece.get(..length).unwrap_or_default());
        if length < PIECE_BYTES {
            break;
        }
    }
    let mut digest = HEXLOWER.encode(context.finish().as_ref());
    digest.truncate(DIGEST_CHARACTERS);
    Ok(digest)
}

#[cfg(test)]
mod tests;
