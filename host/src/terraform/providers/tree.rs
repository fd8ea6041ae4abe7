//! The places of providers in a directory as Terraform lays them out: [`walk`].

use cap_primitives::ambient_authority;
use cap_primitives::fs::{
    self as beneath, FollowSymlinks, open_ambient_dir, open_dir_nofollow, read_base_dir,
};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::terraform::store::platform;

/// Entries of one level. A configuration has a few dozen providers, the mirror hundreds in each of its levels at most.
const ENTRIES_MAX: usize = 4096;

/// A provider in a version, for this machine. Its parts are safe in a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name {
    host: String,
    namespace: String,
    kind: String,
    pub(super) version: String,
}

impl Name {
    /// From an address and a version, as in a lock file; none if they could not be in a path.
    pub(super) fn of(address: &str, version: &str) -> Option<Self> {
        let mut parts = address.split('/');
        let (host, namespace, kind) = (parts.next()?, parts.next()?, parts.next()?);
        let is_good = parts.next().is_none()
            && is_host(host)
            && is_word(namespace)
            && is_word(kind)
            && is_version(version);
        let [host, namespace, kind, version] = [host, namespace, kind, version].map(str::to_owned);
        is_good.then_some(Self { host, namespace, kind, version })
    }

    /// As in a lock file.
    pub(super) fn address(&self) -> String {
        format!("{}/{}/{}", self.host, self.namespace, self.kind)
    }

    /// Where it is below a mirror or below `providers`.
    pub(super) fn path(&self) -> PathBuf {
        [&self.host, &self.namespace, &self.kind, &self.version, &target()].iter().collect()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.address(), self.version)
    }
}

/// This machine, as in `linux_amd64`.
fn target() -> String {
    let (system, processor) = platform();
    format!("{system}_{processor}")
}

/// What is at the place of a provider.
#[derive(Debug)]
pub(super) enum Found {
    /// A directory, opened without following a link.
    Directory(File),
    /// A link, and what it says.
    Link(PathBuf),
}

/// The providers for this machine below a directory. Links above them, other kinds of files, and names that Terraform would not make from ours are
/// passed over.
///
/// # Errors
/// If the directory or one below it can't be listed.
pub(super) fn walk(directory: &Path) -> io::Result<Vec<(Name, Found)>> {
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    let parent = open_ambient_dir(parent, ambient_authority());
    let root = match parent.and_then(|parent| open_dir_nofollow(&parent, name.as_ref())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let mut all = Vec::new();
    for (host, hosts) in below(&root, is_host)? {
        for (namespace, namespaces) in below(&hosts, is_word)? {
            for (kind, kinds) in below(&namespaces, is_word)? {
                for (version, versions) in below(&kinds, is_version)? {
                    let name = Name {
                        host: host.clone(),
                        namespace: namespace.clone(),
                        kind: kind.clone(),
                        version: version.clone(),
                    };
                    if let Some(found) = found(&versions)? {
                        all.push((name, found));
                    }
                }
            }
        }
    }
    Ok(all)
}

fn found(versions: &File) -> io::Result<Option<Found>> {
    let target = target();
    let kind = match beneath::stat(versions, target.as_ref(), FollowSymlinks::No) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata?.file_type(),
    };
    Ok(if kind.is_symlink() {
        // What it says is compared, never followed.
        Some(Found::Link(beneath::read_link_contents(versions, target.as_ref())?))
    } else if kind.is_dir() {
        Some(Found::Directory(open_dir_nofollow(versions, target.as_ref())?))
    } else {
        None
    })
}

/// The directories in one whose names are as they should be.
fn below(directory: &File, is_good: fn(&str) -> bool) -> io::Result<Vec<(String, File)>> {
    let mut all = Vec::new();
    for entry in read_base_dir(directory)?.take(ENTRIES_MAX) {
        let name = entry?.file_name();
        let Some(text) = name.to_str().filter(|text| is_good(text)) else { continue };
        // SECURITY: terraform::providers::tests::links_are_not_taken
        if beneath::stat(directory, name.as_ref(), FollowSymlinks::No)?.is_dir() {
            all.push((text.to_owned(), open_dir_nofollow(directory, name.as_ref())?));
        }
    }
    Ok(all)
}

fn is_word(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() <= 255
        && text.bytes().all(is_inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').unwrap_or((text, "443"));
    text.len() <= 255 && name.split('.').all(is_word) && port.parse::<u16>().is_ok()
}

fn is_version(text: &str) -> bool {
    semver::Version::parse(text).is_ok()
}
