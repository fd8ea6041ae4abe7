//! Where there is no call for more than one file: file by file.

use super::sync_directory;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

pub(super) fn sync_trees(roots: &[PathBuf]) -> io::Result<()> {
    let mut directories = roots.to_vec();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                sync(&entry)?;
            }
        }
        sync_directory(&directory)?;
    }
    Ok(())
}

fn sync(entry: &fs::DirEntry) -> io::Result<()> {
    // Windows wants leave to write for it.
    match File::options().write(true).open(entry.path()) {
        // What nobody may write to is what somebody else has put there as a whole.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        opened => opened?.sync_all(),
    }
}
