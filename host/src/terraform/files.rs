//! Files of a run, some of them in directories that hostile processes write to: written in one step, read without following links
//! and never more than expected.

use crate::os;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use tokio::task::spawn_blocking;

/// The longest name of a file.
const NAME_MAX: usize = 255;

/// Does something where blocking is allowed.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Writes a file, 0600, that is there as a whole or not at all, also after a power cut. What was of that name is replaced; a link
/// is replaced and not followed. `user`: whom it is given to.
pub(super) fn write(path: &Path, content: &[u8], user: Option<(u32, u32)>) -> io::Result<()> {
    write_by(path, user, |file| file.write_all(content))
}

/// Likewise, with what `fill` writes.
pub(super) fn write_by(
    path: &Path,
    user: Option<(u32, u32)>,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    place(path, directory_of(path)?, user, fill)
}

/// Likewise, of content that is secret: until it is whole it is in `staging`, a directory on the same file system, and if we die
/// meanwhile, what there is of it stays there.
pub(super) fn write_secret(
    path: &Path,
    staging: &Path,
    content: &[u8],
    user: Option<(u32, u32)>,
) -> io::Result<()> {
    // SECURITY: terraform::files::a_secret_is_never_in_part_beside_its_file
    place(path, staging, user, |file| file.write_all(content))
}

fn place(
    path: &Path,
    staging: &Path,
    user: Option<(u32, u32)>,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let directory = directory_of(path)?;
    // SECURITY: terraform::files::a_link_is_replaced_and_not_followed
    let mut file = tempfile::NamedTempFile::new_in(staging)?;
    fill(file.as_file_mut())?;
    if let Some(user) = user {
        os::give_to(file.as_file(), user)?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    os::sync_directory(directory)
}

fn directory_of(path: &Path) -> io::Result<&Path> {
    match (path.parent(), path.file_name()) {
        (Some(directory), Some(_)) => Ok(directory),
        _ => Err(io::ErrorKind::InvalidFilename.into()),
    }
}

/// Opens a file; `None` if there is none. Links and pipes are errors.
pub(super) fn open(path: &Path) -> io::Result<Option<File>> {
    match os::open_without_following(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Reads a file of at most `max` bytes; `None` if there is none. Links and pipes are errors.
pub(super) fn read(path: &Path, max: u64) -> io::Result<Option<Vec<u8>>> {
    open(path)?.map(|file| read_from(&file, max)).transpose()
}

/// The beginning of a file that may still grow.
pub(super) fn head(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    os::open_without_following(path)?.take(max).read_to_end(&mut content)?;
    Ok(content)
}

/// The first and the last `max` bytes of a file that may still grow; all of it if that is more.
pub(super) fn ends(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut file = os::open_without_following(path)?;
    let mut content = Vec::new();
    let length = file.metadata()?.len();
    (&file).take(max).read_to_end(&mut content)?;
    let last = length.saturating_sub(max).max(u64::try_from(content.len()).unwrap_or(u64::MAX));
    file.seek(SeekFrom::Start(last))?;
    file.take(max).read_to_end(&mut content)?;
    Ok(content)
}

/// Reads an open file of at most `max` bytes.
pub(super) fn read_from(file: &File, max: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    // SECURITY: terraform::files::more_than_expected_is_not_read
    file.take(max.saturating_add(1)).read_to_end(&mut content)?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > max {
        return Err(too_large(max));
    }
    Ok(content)
}

/// What has more than `max` bytes is not used.
pub(super) fn too_large(max: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {max} bytes"))
}

/// Removes all that is in a directory. Without recursion: what is in there was made by others, as deep as they liked.
pub(super) fn empty(directory: &Path) -> io::Result<()> {
    let mut waiting = vec![directory.to_owned()];
    let mut emptied = Vec::new();
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            // SECURITY: terraform::files::a_directory_is_emptied_and_links_are_not_followed
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        emptied.push(path);
    }
    // Those that were found last are the deepest; the first is the directory itself.
    emptied.iter().skip(1).rev().try_for_each(fs::remove_dir)
}

/// Gives a directory and all that is below it to another user. To be called before anybody but us works in it.
pub(super) fn give_tree(directory: &Path, user: (u32, u32)) -> io::Result<()> {
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            } else {
                os::give_to(&os::open_without_following(&entry.path())?, user)?;
            }
        }
        os::give_to(&File::open(&path)?, user)?;
    }
    Ok(())
}

/// Gives a directory and the files in it to another user.
pub(super) fn give_all(directory: &Path, user: (u32, u32)) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        os::give_to(&os::open_without_following(&entry?.path())?, user)?;
    }
    os::give_to(&File::open(directory)?, user)
}

/// Removes a file; one that isn't there is as good.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether a text is a plain name of a file on every system: no folders, no devices, no streams.
pub(super) fn is_plain_name(name: &str) -> bool {
    const DEVICES: [&str; 6] = ["AUX", "CON", "CONIN$", "CONOUT$", "NUL", "PRN"];
    const FORBIDDEN: [char; 9] = ['/', '\\', ':', '*', '?', '"', '<', '>', '|'];
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let is_port = stem.len() > 3
        && (stem.starts_with("COM") || stem.starts_with("LPT"))
        && stem.chars().count() == 4;
    // SECURITY: terraform::files::names_that_lead_elsewhere_are_refused
    !name.is_empty()
        && name.len() <= NAME_MAX
        && name != "."
        && name != ".."
        && !name.ends_with([' ', '.'])
        && !name.contains(FORBIDDEN)
        && !name.chars().any(char::is_control)
        && !DEVICES.contains(&stem.as_str())
        && !is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "x".repeat(256);
        for name in [
            "", ".", "..", "a/b", "/a", "a\\b", "c:", "a:b", "a\0", "a\nb", "nul", "CON.txt",
            "com1", "LPT9.x", "a.", "a ", &long,
        ] {
            assert!(!is_plain_name(name), "{name:?}");
        }
        for name in ["a", ".terraform.lock.hcl", "main.tf", "ä b.json", "common", "..a", "comma"] {
            assert!(is_plain_name(name), "{name:?}");
        }
    }

    #[test]
    fn more_than_expected_is_not_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        assert!(read(&path, 3).unwrap().is_none());
        write(&path, b"abc", None).unwrap();
        assert_eq!(read(&path, 3).unwrap().unwrap(), b"abc");
        assert_eq!(read(&path, 2).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_secret_is_never_in_part_beside_its_file() {
        let [place, staging] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let path = place.path().join("file");
        write_secret(&path, staging.path(), b"abc", None).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abc");
        assert_eq!(fs::read_dir(staging.path()).unwrap().count(), 0);
        // Nothing but the staging directory is written to before the file is whole.
        drop(staging);
        let staging = place.path().join("none");
        write_secret(&path, &staging, b"abcd", None).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"abc");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_is_emptied_and_links_are_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let theirs = tempfile::tempdir().unwrap();
        fs::write(theirs.path().join("file"), "theirs").unwrap();
        fs::create_dir_all(place.path().join("a/b/c")).unwrap();
        fs::create_dir_all(place.path().join("d/e")).unwrap();
        fs::write(place.path().join("a/b/file"), "").unwrap();
        std::os::unix::fs::symlink(theirs.path(), place.path().join("a/link")).unwrap();
        empty(place.path()).unwrap();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        assert_eq!(fs::read_dir(theirs.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_replaced_and_not_followed() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let place = tempfile::tempdir().unwrap();
        let (theirs, path) = (place.path().join("theirs"), place.path().join("file"));
        fs::write(&theirs, "theirs").unwrap();
        symlink(&theirs, &path).unwrap();
        read(&path, 100).unwrap_err();
        write(&path, b"ours", None).unwrap();
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
        assert_eq!(fs::read_to_string(&path).unwrap(), "ours");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
