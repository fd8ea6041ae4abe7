//! The archive of a release: [`extract`].

use crate::digest::{Digest, Running};
use crate::os;
use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::path::Path;
use zip::ZipArchive;
use zip::result::ZipError;

/// Entries of an archive: the program, a licence, a few texts.
const ENTRIES_MAX: usize = 16;

/// Bytes of a program; Terraform and OpenTofu have about 90 MB. More is a bomb.
pub(super) const PROGRAM_MAX: u64 = 512 << 20;

/// What comes with a program and is not installed.
const TEXTS: [&str; 3] = ["CHANGELOG", "LICENSE", "README"];

const CHUNK: usize = 128 << 10;

/// Why nothing is installed from an archive.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("it can't be read")]
    Archive(#[source] ZipError),
    #[error("it has {0} entries")]
    Entries(usize),
    #[error("it has two entries of the same name")]
    Twice,
    #[error("it has an entry {0:?}, which is not expected")]
    Unexpected(String),
    #[error("it has no `{0}`")]
    Missing(String),
    #[error("`{0}` in it has more than {PROGRAM_MAX} bytes")]
    TooLarge(String),
    #[error("the program can't be written")]
    Write(#[source] io::Error),
}

/// Writes the program of an archive to a new file, executable and durable, and returns its digest. Nothing else is written: an archive with
/// anything but the program and known texts, all of them plain files at the top, is refused as a whole.
///
/// # Errors
/// [`ArchiveError`]; the file may exist in part then.
pub(super) fn extract(archive: &Path, program: &str, to: &Path) -> Result<Digest, ArchiveError> {
    let file = File::open(archive).map_err(|error| ArchiveError::Archive(ZipError::Io(error)))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(ArchiveError::Archive)?;
    if archive.len() > ENTRIES_MAX {
        return Err(ArchiveError::Entries(archive.len()));
    }
    if archive.has_duplicate_names() {
        return Err(ArchiveError::Twice);
    }
    let mut found = None;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(ArchiveError::Archive)?;
        let name = entry.name().map_err(ArchiveError::Archive)?.into_owned();
        // SECURITY: terraform::store::archive::an_archive_with_anything_unexpected_is_refused
        if !is_plain(entry.unix_mode()) || !entry.is_file() || !is_expected(&name, program) {
            return Err(ArchiveError::Unexpected(name.chars().take(100).collect()));
        }
        if name == program {
            if entry.size() > PROGRAM_MAX {
                return Err(ArchiveError::TooLarge(name));
            }
            found = Some(index);
        }
    }
    let index = found.ok_or_else(|| ArchiveError::Missing(program.to_owned()))?;
    let mut entry = archive.by_index(index).map_err(ArchiveError::Archive)?;
    unpack(&mut entry, program, to, PROGRAM_MAX)
}

/// A regular file, or one whose kind its system did not note down.
fn is_plain(mode: Option<u32>) -> bool {
    mode.is_none_or(|mode| matches!(mode & 0o170_000, 0 | 0o100_000))
}

fn is_expected(name: &str, program: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_text = TEXTS.iter().any(|text| name.starts_with(text)) && name.chars().all(is_word);
    name == program || is_text
}

fn unpack(
    entry: &mut impl Read,
    program: &str,
    to: &Path,
    max: u64,
) -> Result<Digest, ArchiveError> {
    let mut file = os::create_private_file(to).map_err(ArchiveError::Write)?;
    let (mut digest, mut written) = (Running::default(), 0_u64);
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = match entry.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ArchiveError::Archive(ZipError::Io(error))),
        };
        // What the archive says about the size is a claim.
        written = written.saturating_add(count as u64);
        // SECURITY: terraform::store::archive::a_bomb_is_given_up
        if written > max {
            return Err(ArchiveError::TooLarge(program.to_owned()));
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        digest.update(bytes);
        file.write_all(bytes).map_err(ArchiveError::Write)?;
    }
    os::set_mode(&file, 0o555).and_then(|()| file.sync_all()).map_err(ArchiveError::Write)?;
    Ok(digest.end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    /// Extracts from an archive that `make` fills.
    fn extracted(
        make: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>),
    ) -> Result<Vec<u8>, ArchiveError> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        make(&mut writer);
        of_bytes(&writer.finish().unwrap().into_inner())
    }

    fn of_bytes(bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        let place = tempfile::tempdir().unwrap();
        let [archive, to] = ["archive.zip", "program"].map(|name| place.path().join(name));
        std::fs::write(&archive, bytes).unwrap();
        let digest = extract(&archive, "terraform", &to)?;
        let program = std::fs::read(to).unwrap();
        assert_eq!(digest, Digest::of(&program));
        Ok(program)
    }

    fn put(writer: &mut ZipWriter<Cursor<Vec<u8>>>, name: &str, mode: u32, content: &[u8]) {
        writer.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        writer.write_all(content).unwrap();
    }

    #[test]
    fn the_program_is_taken_and_texts_are_let_be() {
        let program = extracted(|writer| {
            put(writer, "LICENSE.txt", 0o644, b"free");
            put(writer, "terraform", 0o755, b"program");
            put(writer, "README.md", 0o644, b"read me");
        });
        assert_eq!(program.unwrap(), b"program");
    }

    #[test]
    fn an_archive_with_anything_unexpected_is_refused() {
        for name in [
            "evil",
            "bin/terraform",
            "../terraform",
            "/terraform",
            "LICENSE/../../x",
            "README\\x",
            "terraform ",
            "Terraform",
        ] {
            let error = extracted(|writer| {
                put(writer, "terraform", 0o755, b"program");
                put(writer, name, 0o755, b"x");
            });
            assert!(matches!(error, Err(ArchiveError::Unexpected(_))), "{name}: {error:?}");
        }
        let options = SimpleFileOptions::default();
        let link = |name: &'static str| {
            extracted(move |writer| writer.add_symlink(name, "/etc/passwd", options).unwrap())
        };
        for name in ["terraform", "LICENSE"] {
            assert!(matches!(link(name), Err(ArchiveError::Unexpected(_))), "{name}");
        }
        let directory = extracted(|writer| writer.add_directory("terraform", options).unwrap());
        assert!(matches!(directory, Err(ArchiveError::Unexpected(_))), "{directory:?}");
        assert!(matches!(extracted(|_| {}), Err(ArchiveError::Missing(_))));
    }

    #[test]
    fn two_entries_of_one_name_are_refused() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        put(&mut writer, "terraform", 0o755, b"one");
        put(&mut writer, "terrafosm", 0o755, b"two");
        let mut bytes = writer.finish().unwrap().into_inner();
        while let Some(at) = bytes.windows(9).position(|window| window == b"terrafosm") {
            bytes[at..at + 9].copy_from_slice(b"terraform");
        }
        assert!(matches!(of_bytes(&bytes), Err(ArchiveError::Twice)));
    }

    #[test]
    fn a_bomb_is_given_up() {
        let place = tempfile::tempdir().unwrap();
        let unpacked = |bytes: u64| {
            let mut zeros = io::repeat(0).take(bytes);
            let to = place.path().join(bytes.to_string());
            unpack(&mut zeros, "terraform", &to, 1_000_000)
        };
        assert!(unpacked(1_000_000).is_ok());
        let error = unpacked(u64::MAX);
        assert!(matches!(error, Err(ArchiveError::TooLarge(_))), "{error:?}");
    }

    #[test]
    fn many_entries_and_no_archive_at_all_are_refused() {
        let many = extracted(|writer| {
            for number in 0..=ENTRIES_MAX {
                put(writer, &format!("LICENSE.{number}"), 0o644, b"");
            }
        });
        assert!(matches!(many, Err(ArchiveError::Entries(_))));
        for bytes in [&b""[..], b"PK\x05\x06", &[b'x'; 1000]] {
            assert!(matches!(of_bytes(bytes), Err(ArchiveError::Archive(_))));
        }
    }
}
