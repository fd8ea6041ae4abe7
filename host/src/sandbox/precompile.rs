//! The other side of [`super::compiler`]: what `blockhouse compile` does, in a process of its own.
//!
//! It is given a digest and the component, and gives back native code. Everything that parses a component is here, where
//! time and memory are limited from outside.

use super::component::reason;
use super::engine;
use crate::digest::Digest;
use std::io::{self, Read};
use wasmtime::OutOfMemory;

/// The most bytes of input; the largest component that can be configured is smaller.
const INPUT_MAX: u64 = 1 << 30;

/// Why there is no code. The process that waits for it knows the first two by their exit codes.
#[derive(Debug, thiserror::Error)]
pub enum PrecompileError {
    /// Not a component, or one that uses WebAssembly features that are off.
    #[error("{reason}")]
    Invalid {
        /// What wasmtime says about it.
        reason: String,
    },
    /// The memory is used up.
    #[error("out of memory")]
    Memory,
    /// The component is not the one that was meant.
    #[error("the component was damaged on its way")]
    Damaged,
    /// The compiler can't be set up: a defect of ours.
    #[error("failed to set up the compiler")]
    Engine(#[source] wasmtime::Error),
    /// The component can't be read.
    #[error("failed to read the component")]
    Input(#[source] io::Error),
}

impl PrecompileError {
    /// `EX_DATAERR` of sysexits; the reason is all there is in the error stream.
    pub const INVALID: u8 = 65;
    /// `EX_OSERR` of sysexits.
    pub const MEMORY: u8 = 71;

    /// The exit code that tells this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Invalid { .. } => Self::INVALID,
            Self::Memory => Self::MEMORY,
            Self::Damaged | Self::Engine(_) | Self::Input(_) => 1,
        }
    }
}

/// Compiles a component to native code: 32 bytes of digest and the component in, code out.
///
/// # Errors
/// [`PrecompileError`].
pub fn precompile(input: impl Read) -> Result<Vec<u8>, PrecompileError> {
    let mut bytes = Vec::new();
    input.take(INPUT_MAX).read_to_end(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::OutOfMemory => PrecompileError::Memory,
        _ => PrecompileError::Input(error),
    })?;
    let (digest, component) = bytes.split_first_chunk().ok_or(PrecompileError::Damaged)?;
    if Digest::of(component).as_bytes() != digest {
        return Err(PrecompileError::Damaged);
    }
    let engine = engine::compiling().map_err(PrecompileError::Engine)?;
    engine.precompile_component(component).map_err(|error| match error.is::<OutOfMemory>() {
        true => PrecompileError::Memory,
        false => PrecompileError::Invalid { reason: reason(&error) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn precompiled(component: &[u8]) -> Result<Vec<u8>, PrecompileError> {
        precompile(&[Digest::of(component).as_bytes(), component].concat()[..])
    }

    #[test]
    fn a_component_that_was_damaged_on_its_way_is_not_compiled() {
        // The smallest one.
        let component = &b"\0asm\x0d\0\x01\0"[..];
        precompiled(component).unwrap();
        let mut input = [Digest::of(component).as_bytes(), component].concat();
        *input.last_mut().unwrap() ^= 1;
        for input in [&input[..], &input[..input.len() - 1], &input[..32], &input[..31], &[]] {
            let error = precompile(input).unwrap_err();
            assert!(matches!(error, PrecompileError::Damaged), "{error}");
        }
    }

    #[test]
    fn what_is_no_component_is_told_by_its_own_exit_code() {
        let error = precompiled(b"\0asm\x01\0\0\0").unwrap_err();
        assert_eq!(error.exit_code(), PrecompileError::INVALID, "{error}");
    }
}
