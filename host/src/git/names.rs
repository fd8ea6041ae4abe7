//! Names in a repository: which ones may become files.

use super::GitError;
use crate::excerpt::line;
use crate::os::{self, Platform};

/// Bytes of a name, as most file systems have it.
const NAME_MAX: usize = 255;

/// Bytes of a path within the directory.
pub(super) const PATH_MAX: usize = 1024;

/// Folders within folders.
pub(super) const DEPTH_MAX: usize = 64;

/// What becomes of a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// No text; it is left out.
    LeftOut,
    /// A file or a folder may have it.
    Plain(&'a str),
    /// Made to harm.
    Refused,
}

/// What becomes of the name of an entry of a tree.
pub(super) fn judge(name: &[u8]) -> Verdict<'_> {
    judge_on(name, os::platform() == Platform::Windows)
}

fn judge_on(name: &[u8], is_windows: bool) -> Verdict<'_> {
    // SECURITY: walls::sources::names_that_lead_elsewhere_are_refused
    if matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| b"/\\\0".contains(byte)) {
        return Verdict::Refused;
    }
    let Ok(text) = std::str::from_utf8(name) else { return Verdict::LeftOut };
    if is_git(text) || (is_windows && is_device_or_trick(text)) {
        return Verdict::Refused;
    }
    if text.chars().any(char::is_control) || text.len() > NAME_MAX {
        return Verdict::LeftOut;
    }
    Verdict::Plain(text)
}

/// `.git` as any file system spells it: case, what Windows drops from the end or adds, its short names, what macOS ignores.
fn is_git(name: &str) -> bool {
    let is_ignored = |c: char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let folded: String = name.chars().filter(|c| !is_ignored(*c)).collect();
    let folded = folded.to_ascii_lowercase();
    let stem = folded.split(':').next().unwrap_or_default();
    let stem = stem.trim_end_matches([' ', '.']);
    stem == ".git" || stem == "git~1"
}

/// Names that Windows takes for a device, a stream or another name.
fn is_device_or_trick(name: &str) -> bool {
    if name.ends_with([' ', '.']) || name.contains(['<', '>', ':', '"', '|', '?', '*']) {
        return true;
    }
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches(' ');
    let stem = stem.to_ascii_uppercase();
    let is_numbered = |rest: &str| {
        matches!(rest, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
    };
    matches!(stem.as_str(), "AUX" | "CON" | "CONIN$" | "CONOUT$" | "NUL" | "PRN")
        || stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")).is_some_and(is_numbered)
}

/// The folder that is asked for, by its parts. `./a/` and `/a` are `a`: there is nothing outside of the repository that they could mean.
pub(super) fn folder(path: Option<&str>) -> Result<Vec<String>, GitError> {
    let path = path.unwrap_or_default();
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    let parts: Vec<String> = parts.map(str::to_owned).collect();
    // SECURITY: walls::sources::paths_that_lead_out_are_refused
    let is_good = |part: &String| judge(part.as_bytes()) == Verdict::Plain(part);
    if path.len() > PATH_MAX || parts.len() > DEPTH_MAX || !parts.iter().all(is_good) {
        let shown = line(path, 80);
        return Err(GitError::Invalid(format!("the path `{shown}` is no folder of a repository")));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_file_system_takes_for_git_is_refused() {
        for name in [
            ".git",
            ".GIT",
            ".Git",
            ".git ",
            ".git.",
            ".git. .",
            "git~1",
            "GIT~1",
            ".git::$INDEX_ALLOCATION",
            ".git:x",
            ".g\u{200c}it",
            "\u{feff}.git",
            "..",
            ".",
            "",
            "a/b",
            "a\\b",
            "..\\x",
        ] {
            assert_eq!(judge_on(name.as_bytes(), false), Verdict::Refused, "{name:?}");
        }
        for name in
            [".gitignore", ".gitmodules", ".github", "git", "a.git", "...", "con", "a:b", "ü", " "]
        {
            assert_eq!(judge_on(name.as_bytes(), false), Verdict::Plain(name), "{name:?}");
        }
        for name in [&b"\xff"[..], b"a\nb", b"a\x1b", &[b'a'; 256]] {
            assert_eq!(judge_on(name, false), Verdict::LeftOut);
        }
    }

    #[test]
    fn devices_and_streams_are_refused_on_windows() {
        for name in
            ["con", "NUL.txt", "com1", "LPT9.x", "aux ", "a.", "a ", "a:b", "a?", "COM¹", "conin$"]
        {
            assert_eq!(judge_on(name.as_bytes(), true), Verdict::Refused, "{name:?}");
        }
        for name in ["console", "com", "com10", "nul_", "a.b"] {
            assert_eq!(judge_on(name.as_bytes(), true), Verdict::Plain(name), "{name:?}");
        }
    }

    #[test]
    fn folders_are_within_the_repository() {
        for (path, parts) in [
            (None, vec![]),
            (Some(""), vec![]),
            (Some("."), vec![]),
            (Some("/a/./b/"), vec!["a", "b"]),
            (Some("-x"), vec!["-x"]),
        ] {
            assert_eq!(folder(path).unwrap(), parts);
        }
        let deep = "a/".repeat(65);
        for path in ["..", "a/../b", "a\\b", "a\nb", ".git", "a/.GIT/hooks", &*deep] {
            assert!(matches!(folder(Some(path)), Err(GitError::Invalid(_))), "{path}");
        }
    }
}
