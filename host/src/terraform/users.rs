//! A user of the system per tenant: [`Users`]. What one tenant's programs leave behind, another one's can neither read nor stop.
//!
//! Which tenant has which user is kept in a file: a tenant must find its own again after a restart, and nobody else's.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Bytes of the file; a tenant takes some tens of them. Against a file that is none of ours.
const FILE_MAX: u64 = 64 << 20;

/// Which users there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsersConfig {
    /// Where it is written down who has which: `<state>/users.json`.
    pub file: PathBuf,
    /// The first one's number.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Gives each tenant a user, the same one each time.
#[derive(Debug)]
pub struct Users {
    config: UsersConfig,
    given: Mutex<Given>,
}

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Given {
    /// Numbers by tenant.
    tenants: BTreeMap<String, u32>,
}

/// Why a tenant has no user.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// All are taken.
    #[error("all {count} users for tenants are taken; raise `terraform.users.count`")]
    Exhausted {
        /// How many there are.
        count: u32,
    },
    /// It can't be written down.
    #[error("failed to write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Users {
    /// Reads who has which. Blocks.
    ///
    /// # Errors
    /// If the file is there and can't be understood: guessing would mix tenants up.
    pub fn open(config: UsersConfig) -> io::Result<Self> {
        let given = match fs::metadata(&config.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Given::default(),
            Err(error) => return Err(error),
            Ok(metadata) if metadata.len() > FILE_MAX => {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            Ok(_) => serde_json::from_slice(&fs::read(&config.file)?)?,
        };
        Ok(Self { config, given: Mutex::new(given) })
    }

    /// The tenant's user, whose group has the same number. Blocks when it is a new one.
    ///
    /// # Errors
    /// [`UsersError`].
    pub fn of(&self, tenant: &str) -> Result<(u32, u32), UsersError> {
        let UsersConfig { file, first, count } = &self.config;
        let range = *first..first.saturating_add(*count);
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        // One that lies outside was given under another configuration, where it may be somebody else's now.
        if let Some(user) = given.tenants.get(tenant).filter(|user| range.contains(user)) {
            return Ok((*user, *user));
        }
        let taken: std::collections::BTreeSet<_> = given.tenants.values().copied().collect();
        let user = range.clone().find(|user| !taken.contains(user));
        let user = user.ok_or(UsersError::Exhausted { count: *count })?;
        given.tenants.insert(tenant.to_owned(), user);
        // SECURITY: terraform::users::nobody_is_given_a_user_that_is_not_written_down
        if let Err(source) = write(file, &given) {
            given.tenants.remove(tenant);
            return Err(UsersError::Write { path: file.clone(), source });
        }
        Ok((user, user))
    }
}

fn write(path: &Path, given: &Given) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(given)?)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    crate::os::sync_directory(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &Path, count: u32) -> UsersConfig {
        UsersConfig { file: folder.join("users.json"), first: 300_000, count }
    }

    #[test]
    fn a_tenant_has_the_same_user_after_a_restart_and_no_two_have_one() {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::open(config(folder.path(), 2)).unwrap();
        let (one, other) = (users.of("one").unwrap(), users.of("other").unwrap());
        assert_eq!((one, other), ((300_000, 300_000), (300_001, 300_001)));
        let error = users.of("third").unwrap_err().to_string();
        assert!(error.contains("terraform.users.count"), "{error}");
        let users = Users::open(config(folder.path(), 3)).unwrap();
        assert_eq!((users.of("other").unwrap(), users.of("third").unwrap().0), (other, 300_002));
    }

    #[test]
    fn a_user_of_another_range_is_not_used_again() {
        let folder = tempfile::tempdir().unwrap();
        Users::open(config(folder.path(), 2)).unwrap().of("one").unwrap();
        let moved = UsersConfig { first: 400_000, ..config(folder.path(), 2) };
        assert_eq!(Users::open(moved).unwrap().of("one").unwrap().0, 400_000);
    }

    #[test]
    fn nobody_is_given_a_user_that_is_not_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::open(config(&folder.path().join("missing"), 2)).unwrap();
        users.of("one").unwrap_err();
        users.of("one").unwrap_err();
    }

    #[test]
    fn a_file_that_is_none_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("users.json"), "{").unwrap();
        Users::open(config(folder.path(), 2)).unwrap_err();
    }
}
