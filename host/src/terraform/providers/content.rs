//! The content of one provider: [`copy`].

use crate::digest::Running;
use crate::os;
use cap_primitives::fs::{self as beneath, FollowSymlinks, open_dir_nofollow, read_base_dir};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::Path;

/// A provider is one program and some texts; the largest one has 800 MB.
const BYTES_MAX: u64 = 4 << 30;
const FILES_MAX: usize = 1024;
const DEPTH_MAX: usize = 8;

const CHUNK: usize = 128 << 10;

/// Copies a directory into a new one, durably and read-only, and returns what Terraform calls its `h1:` hash: the SHA-256 of the sorted
/// names of its files with their SHA-256. Only what was copied is hashed, so that nobody can change it in between.
///
/// # Errors
/// If there is anything in it but directories and plain files, if it's too large, or can't be read or written. The new directory may
/// exist in part then.
pub(super) fn copy(from: &File, to: &Path) -> io::Result<[u8; 32]> {
    let mut copying = Copying { files: BTreeMap::new(), left: BYTES_MAX };
    copying.directory(from, to, "", DEPTH_MAX)?;
    let mut lines = String::new();
    for (name, digest) in &copying.files {
        // To a string nothing fails.
        let _ = writeln!(lines, "{digest}  {name}");
    }
    let mut digest = Running::default();
    digest.update(lines.as_bytes());
    Ok(*digest.end().as_bytes())
}

struct Copying {
    /// Digests by name, in the order of the names' bytes.
    files: BTreeMap<String, String>,
    left: u64,
}

impl Copying {
    fn directory(&mut self, from: &File, to: &Path, prefix: &str, depth: usize) -> io::Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(|| refused("it has too many levels"))?;
        let made = os::create_private_directory(to)?;
        os::set_mode(&made, 0o755)?;
        for entry in read_base_dir(from)? {
            let name = entry?.file_name();
            let shown = name
                .to_str()
                .filter(|name| is_harmless(name))
                .ok_or_else(|| refused("it has a file with a strange name"))?;
            let (path, inner) = (to.join(&name), format!("{prefix}{shown}"));
            // SECURITY: terraform::providers::content::links_and_special_files_are_refused
            let kind = beneath::stat(from, name.as_ref(), FollowSymlinks::No)?.file_type();
            if kind.is_dir() {
                let directory = open_dir_nofollow(from, name.as_ref())?;
                self.directory(&directory, &path, &format!("{inner}/"), depth)?;
            } else if kind.is_file() {
                if self.files.len() >= FILES_MAX {
                    return Err(refused("it has too many files"));
                }
                let digest = self.file(from, &name, &path)?;
                self.files.insert(inner, digest);
            } else {
                return Err(refused("it has a link or something that is no file"));
            }
        }
        os::sync_directory(to)
    }

    fn file(&mut self, directory: &File, name: &OsStr, to: &Path) -> io::Result<String> {
        let mut from = os::open_file_in(directory, name)?;
        let metadata = from.metadata()?;
        let mut file = os::create_private_file(to)?;
        let mut digest = Running::default();
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.left =
                self.left.checked_sub(count as u64).ok_or_else(|| refused("it is too large"))?;
            let bytes = buffer.get(..count).unwrap_or_default();
            digest.update(bytes);
            file.write_all(bytes)?;
        }
        os::set_mode(&file, if os::is_executable(&metadata) { 0o555 } else { 0o444 })?;
        file.sync_all()?;
        let digest = digest.end();
        Ok(data_encoding::HEXLOWER.encode(digest.as_bytes()))
    }
}

/// A line break in a name would make one name look like two files.
fn is_harmless(name: &str) -> bool {
    !name.chars().any(char::is_control) && !name.contains(['/', '\\'])
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use tempfile::TempDir;

    fn place() -> TempDir {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("from/sub")).unwrap();
        fs::write(place.path().join("from/terraform-provider-thing_v1.1.0"), "#!/bin/sh\nexit 3\n")
            .unwrap();
        fs::write(place.path().join("from/README.md"), "text\n").unwrap();
        fs::write(place.path().join("from/sub/y"), "x\n").unwrap();
        let program = place.path().join("from/terraform-provider-thing_v1.1.0");
        fs::set_permissions(program, fs::Permissions::from_mode(0o700)).unwrap();
        place
    }

    fn copied(place: &TempDir) -> io::Result<[u8; 32]> {
        copy(&File::open(place.path().join("from")).unwrap(), &place.path().join("to"))
    }

    #[test]
    fn the_hash_is_that_of_terraform() {
        let place = place();
        let hash = copied(&place).unwrap();
        // Written by Terraform 1.11.4 into a lock file for this content.
        assert_eq!(
            data_encoding::BASE64.encode(&hash),
            "zGXejI5q0VH5rxfR0CkCvXJSlUMz2/CAtg1nW94A43w="
        );
        let mode = |name: &str| {
            fs::metadata(place.path().join("to").join(name)).unwrap().permissions().mode() & 0o7777
        };
        assert_eq!(mode("terraform-provider-thing_v1.1.0"), 0o555);
        assert_eq!((mode("README.md"), mode("sub/y"), mode("sub")), (0o444, 0o444, 0o755));
    }

    #[test]
    fn links_and_special_files_are_refused() {
        for make in [
            |path: &Path| symlink("/etc/passwd", path).unwrap(),
            |path: &Path| symlink("README.md", path).unwrap(),
            |path: &Path| symlink("sub", path).unwrap(),
            |path: &Path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
        ] {
            let place = place();
            make(&place.path().join("from/sub/odd"));
            assert_eq!(copied(&place).unwrap_err().kind(), ErrorKind::InvalidData);
        }
    }

    #[test]
    fn odd_names_depths_and_numbers_are_refused() {
        for name in ["a\nb", "a\\b", "a\u{7f}"] {
            let place = place();
            fs::write(place.path().join("from").join(name), "").unwrap();
            copied(&place).unwrap_err();
        }
        let deep = place();
        fs::create_dir_all(deep.path().join("from").join("d/".repeat(DEPTH_MAX))).unwrap();
        assert_eq!(copied(&deep).unwrap_err().to_string(), "it has too many levels");
        let many = place();
        for number in 0..FILES_MAX {
            fs::write(many.path().join(format!("from/{number}")), "").unwrap();
        }
        assert_eq!(copied(&many).unwrap_err().to_string(), "it has too many files");
    }
}
