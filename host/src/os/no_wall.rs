//! [`Wall`] on systems without means to confine a program, or for which we have not written them down: it holds nothing, and says so.

use super::{Plan, WallError};
use std::io;
use std::process::Command;

const WHY: &str = "only Linux has it";

/// What confines a program: nothing.
#[derive(Debug)]
pub struct Wall;

impl Wall {
    /// Says whether it can be done: only if it need not be.
    ///
    /// # Errors
    /// [`WallError`] if it must.
    pub fn build(plan: Plan<'_>) -> Result<Self, WallError> {
        if plan.must_confine_files || plan.user.is_some() {
            return Err(WallError::Rules(io::Error::new(io::ErrorKind::Unsupported, WHY)));
        }
        Ok(Self)
    }

    /// Does nothing.
    pub fn enter(&mut self, _program: &mut Command) {}

    /// Nothing.
    pub fn failed_to(&mut self) -> Option<&'static str> {
        None
    }
}

/// Whether files can be confined.
///
/// # Errors
/// Always.
pub fn confines_files() -> Result<(), String> {
    Err(WHY.to_owned())
}

/// The version of Landlock: none.
#[must_use]
pub fn version() -> i32 {
    0
}

/// Whether programs are kept from sending signals to others.
#[must_use]
pub fn confines_signals() -> bool {
    false
}

/// Whether programs are kept from the sockets of services on this machine.
#[must_use]
pub fn confines_sockets() -> bool {
    false
}

/// Whether system calls can be filtered.
///
/// # Errors
/// Always.
pub fn filters_calls() -> Result<(), String> {
    Err(WHY.to_owned())
}

/// Whether programs can be kept from gaining privileges.
///
/// # Errors
/// Always.
pub fn drops_privileges() -> Result<(), String> {
    Err(WHY.to_owned())
}

/// Whether programs can be started as another user.
///
/// # Errors
/// Always.
pub fn changes_users() -> Result<(), String> {
    Err(WHY.to_owned())
}
