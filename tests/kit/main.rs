//! What the suites share, tested by itself: a gate that lets everybody through would make other tests pass.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

#[cfg(target_os = "linux")]
mod kill_matrix;
mod leaks;
mod policy_trimming;
#[cfg(target_os = "linux")]
mod provider;
#[cfg(target_os = "linux")]
mod surroundings;
mod terraform;
