//! `.terraform.lock.hcl`: [`read`].
//!
//! Terraform writes it in one way: a block per provider, an attribute per line, a hash per line. Only that is understood here, line by line and
//! without recursion, since the file may be a stranger's; what is written in any other way is not found, and its providers are not taken.

use crate::os;
use std::collections::{HashMap, HashSet};
use std::io::{self, Read as _};
use std::path::Path;

/// Each provider has about 2 KB; nobody uses hundreds of them.
const MAX_BYTES: u64 = 1 << 20;

/// What is locked for a provider.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Locked {
    pub(super) version: String,
    /// SHA-256 of directories, from `h1:`. The others are of archives, which are gone by the time we look.
    pub(super) directories: HashSet<[u8; 32]>,
}

/// What is locked, by `host/namespace/type`.
///
/// # Errors
/// If there is no plain file, or it's too large.
pub(super) fn read(path: &Path) -> io::Result<HashMap<String, Locked>> {
    // In a directory that is full of a stranger's files: no link is followed, no pipe waited for.
    let file = os::open_without_following(path)?;
    let mut text = String::new();
    file.take(MAX_BYTES.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large for a lock file"));
    }
    Ok(parse(&text))
}

fn parse(text: &str) -> HashMap<String, Locked> {
    let mut found = HashMap::new();
    let mut block: Option<(String, Locked)> = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) =
            line.strip_prefix("provider ").and_then(|rest| rest.strip_suffix('{'))
        {
            block = quoted(address).map(|address| (address.to_owned(), Locked::default()));
        } else if line == "}" {
            found.extend(block.take());
        } else if let Some((_, locked)) = &mut block {
            attribute(line, locked);
        }
    }
    found
}

fn attribute(line: &str, locked: &mut Locked) {
    if let Some((name, value)) = line.split_once('=')
        && name.trim_end() == "version"
    {
        locked.version = quoted(value).unwrap_or_default().to_owned();
    } else if let Some(hash) =
        quoted(line.trim_end_matches(',')).and_then(|text| text.strip_prefix("h1:"))
    {
        let hash = data_encoding::BASE64.decode(hash.as_bytes()).ok();
        locked.directories.extend(hash.and_then(|hash| <[u8; 32]>::try_from(hash).ok()));
    }
}

/// What stands between two quotes; nothing with escapes.
fn quoted(text: &str) -> Option<&str> {
    let text = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains(['"', '\\', '$', '%'])).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = r#"# This file is maintained automatically by "terraform init".
# Manual edits may be lost in future updates.

provider "registry.terraform.io/acme/thing" {
  version     = "1.1.0"
  constraints = "1.1.0, != \"2\""
  hashes = [
    "h1:zGXejI5q0VH5rxfR0CkCvXJSlUMz2/CAtg1nW94A43w=",
    "zh:0000000000000000000000000000000000000000000000000000000000000000",
  ]
}

provider "registry.terraform.io/acme/other" {
  version = "2.0.0-beta1"
}
"#;

    #[test]
    fn what_terraform_writes_is_understood() {
        let found = parse(WRITTEN);
        assert_eq!(found.len(), 2);
        let thing = &found["registry.terraform.io/acme/thing"];
        assert_eq!((thing.version.as_str(), thing.directories.len()), ("1.1.0", 1));
        let first = thing.directories.iter().next().unwrap();
        assert!(data_encoding::BASE64.encode(first).starts_with("zGXejI5q"));
        assert_eq!(found["registry.terraform.io/acme/other"].version, "2.0.0-beta1");
    }

    #[test]
    fn anything_else_is_not_found_and_does_no_harm() {
        let deep = "{".repeat(1 << 20);
        for text in [
            "",
            "provider",
            "provider {",
            "provider \"a",
            "}",
            "hashes = [",
            &deep,
            "provider \"a${b}\" {\n}",
            "h1:",
        ] {
            assert!(parse(text).is_empty(), "{:.40}", text);
        }
        let short = parse("provider \"a/b/c\" {\nversion = \"1\"\n\"h1:AAAA\",\n}");
        assert!(short["a/b/c"].directories.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_and_a_large_file_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| place.path().join(name));
        std::fs::write(&file, WRITTEN).unwrap();
        assert_eq!(read(&file).unwrap().len(), 2);
        std::os::unix::fs::symlink(&file, &link).unwrap();
        read(&link).unwrap_err();
        std::fs::write(&file, " ".repeat((1 << 20) + 1)).unwrap();
        read(&file).unwrap_err();
    }
}
