//! What the attacks on files share.

use crate::{Run, Value};
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};
use wasip2::io::streams::StreamError;

/// The time that `set-times` is called with.
pub const NOW: NewTimestamp = NewTimestamp::Now;

/// The directory that the component was given. Traps if there is none.
#[must_use]
#[expect(clippy::expect_used, reason = "a trap is what a guest without a directory deserves")]
pub fn work() -> Descriptor {
    let (work, name) = get_directories().pop().expect("a directory is preopened");
    assert_eq!(name, "/work");
    work
}

/// Which of its ways the attack is to take: the run's first input.
#[must_use]
pub fn way(run: &Run) -> String {
    match run.block.inputs.first().map(|input| &input.value) {
        Some(Value::Text(way)) => way.clone(),
        _ => String::new(),
    }
}

/// Opens what is at the path, with the right to write if there is any.
///
/// # Errors
/// What the host says.
pub fn open(at: &Descriptor, path: &str, how: OpenFlags) -> Result<Descriptor, ErrorCode> {
    let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
    at.open_at(PathFlags::SYMLINK_FOLLOW, path, how, flags)
}

/// Opens what is at the path, to look at it.
///
/// # Errors
/// What the host says.
pub fn look(at: &Descriptor, path: &str) -> Result<Descriptor, ErrorCode> {
    at.open_at(PathFlags::SYMLINK_FOLLOW, path, OpenFlags::empty(), DescriptorFlags::READ)
}

/// `done`, or the name of the error.
pub fn word<T>(result: Result<T, ErrorCode>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(code) => code.name(),
    }
}

/// The error code behind the failure of a stream on a file.
#[must_use]
pub fn stream_word(error: &StreamError) -> &'static str {
    let StreamError::LastOperationFailed(error) = error else { return "closed" };
    wasip2::filesystem::types::filesystem_error_code(error).map_or("unknown", |code| code.name())
}
