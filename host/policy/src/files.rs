//! `[files]`: the run's own directory: [`FilesGrant`].

use crate::mistake::quoted;
use crate::position::Position;
use crate::reader::{Complaint, Reader, Section};

const MIB: u64 = 1 << 20;
/// Largest `quota_mib`: a terabyte, which nobody means.
const MAX_QUOTA_MIB: u64 = 1 << 20;
/// Largest `quota_files`. Attack: each file takes a node of the file system, which may have few.
const MAX_QUOTA_FILES: u64 = 10_000_000;

/// What a component may do in `/work`. The later, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FilesAccess {
    /// Read.
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

/// The files of the run's own directory, and how much of them. Quotas are 0 with [`FilesAccess::ReadOnly`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilesGrant {
    /// Read or write.
    pub access: FilesAccess,
    /// Bytes of all files together. Against filling the disk.
    pub quota_bytes: u64,
    /// Files and directories. Against using up the file system's nodes.
    pub quota_files: u64,
}

/// `[files]`.
#[derive(Clone, Debug)]
pub struct FilesRule {
    /// Where it stands.
    pub position: Position,
    /// Why.
    pub reason: String,
    /// What.
    pub grant: FilesGrant,
}

impl FilesAccess {
    /// As in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        }
    }
}

impl FilesGrant {
    /// What both grant.
    pub(crate) fn min(self, other: Self) -> Self {
        Self {
            access: self.access.min(other.access),
            quota_bytes: self.quota_bytes.min(other.quota_bytes),
            quota_files: self.quota_files.min(other.quota_files),
        }
    }
}

pub(crate) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Option<FilesRule> {
    let section = reader.section(root, "files", "[files]")?;
    reader.know(&section, &["quota_files", "quota_mib", "reason", "work"]);
    let reason = reader.required_text(&section, "reason").unwrap_or_default();
    if section.value("work").is_none() {
        reader.missing(&section, "work");
    }
    let access = reader.text(&section, "work").and_then(|text| {
        let access = match *text.get_ref() {
            "read-only" => Ok(FilesAccess::ReadOnly),
            "read-write" => Ok(FilesAccess::ReadWrite),
            other => {
                let message = format!("{} is not `read-only` or `read-write`", quoted(other));
                Err(Complaint::new(message))
            }
        };
        reader.check(text.span(), access)
    });
    let mut quota = |key: &str, max: u64, unit: &str| {
        match (section.value(key), access) {
            (None, Some(FilesAccess::ReadWrite)) => {
                let message = format!("[files] must say `{key}` with `work = \"read-write\"`");
                reader.note(section.span(), Complaint::new(message));
            }
            (Some(value), Some(FilesAccess::ReadOnly)) => {
                let message = format!("`{key}` does nothing with `work = \"read-only\"`");
                reader.note(value.span(), Complaint::new(message));
                return 0;
            }
            _ => {}
        }
        reader.whole(&section, key, 1, max, unit).unwrap_or(0)
    };
    let quota_bytes = quota("quota_mib", MAX_QUOTA_MIB, "MiB").saturating_mul(MIB);
    let quota_files = quota("quota_files", MAX_QUOTA_FILES, "files");
    let access = access.unwrap_or(FilesAccess::ReadOnly);
    let grant = FilesGrant { access, quota_bytes, quota_files };
    Some(FilesRule { position: reader.position(&section), reason, grant })
}
