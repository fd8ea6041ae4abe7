//! Native code that we made ourselves: [`NativeCode`]. There is no other way to one than through the functions of this file.
//!
//! It comes from a process that we started and that is this very program, or carries a code (a MAC) that only the holder of
//! our key can have made over all of its bytes. Loading it is the one unsafe thing that the sandbox does.

use super::precompile::PrecompileError;
use crate::digest::Digest;
use crate::process::{ProcessError, Program};
use aws_lc_rs::{constant_time, hmac};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;
use wasmtime::Engine;
use wasmtime::component::Component;

/// The most bytes of code. Against a component whose code is many times as long as itself.
const CODE_MAX: usize = 512 << 20;

/// Bytes of a tag: HMAC-SHA-256.
const TAG_BYTES: usize = 32;

/// The most bytes of code with its tag.
pub(super) const SEALED_MAX: usize = CODE_MAX + TAG_BYTES;

/// What a tag or a name is for: one can't stand for the other.
const ENTRY: &[u8] = b"entry\0";
const NAME: &[u8] = b"name\0";

/// Machine code that may be executed. The bytes never change: they are owned, and nothing hands them out for writing.
pub(super) struct NativeCode(Vec<u8>);

/// How to run the compiler.
#[derive(Clone, Copy, Debug)]
pub(super) struct Child<'a> {
    /// This program.
    pub(super) program: &'a Path,
    /// How much address space it gets.
    pub(super) memory_bytes: u64,
    /// From its start to its end.
    pub(super) timeout: Duration,
}

/// Proves that code was made by us, from one component and for one engine.
pub(super) struct Seal<'a> {
    key: &'a hmac::Key,
    /// A digest of all that the code depends on.
    origin: Digest,
}

impl NativeCode {
    /// Has a component compiled.
    pub(super) fn compile(
        child: Child<'_>,
        digest: Digest,
        component: &[u8],
    ) -> Result<Self, ProcessError> {
        let code = Program {
            path: child.program,
            arguments: arguments(&child),
            stdin: &[digest.as_bytes(), component],
            stdout_max: CODE_MAX,
            // SECURITY: walls::compiling_ends_with_its_time
            timeout: child.timeout,
        };
        Ok(Self(code.run()?))
    }

    /// Opens what [`NativeCode::sealed`] has made; `None` if we did not make it, or not under this seal.
    pub(super) fn open(seal: &Seal<'_>, mut contents: Vec<u8>) -> Option<Self> {
        let (tag, code) = contents.split_first_chunk::<TAG_BYTES>()?;
        // SECURITY: sandbox::cache::a_flipped_bit_anywhere_is_a_miss
        constant_time::verify_slices_are_equal(seal.tag(code).as_ref(), tag).ok()?;
        contents.drain(..TAG_BYTES);
        Some(Self(contents))
    }

    /// The tag and the code: the parts of what is to be kept, in this order.
    pub(super) fn sealed(&self, seal: &Seal<'_>) -> (hmac::Tag, &[u8]) {
        (seal.tag(&self.0), &self.0)
    }

    /// Makes it executable.
    ///
    /// # Errors
    /// If it was made for another engine, or does not fit into this one's pool.
    #[expect(unsafe_code, reason = "nobody but its maker can tell native code from an attack")]
    pub(super) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize` wants unmodified bytes that wasmtime has made. The field is private to this file and written
        // in two places. `compile`: a process of this program, which writes nothing but what `precompile_component`
        // returned, straight into our memory, and which ended well. `open`: bytes whose MAC under our key was just verified in
        // memory, and `sealed` makes that MAC over bytes of `compile` only.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}

fn arguments(child: &Child<'_>) -> Vec<OsString> {
    // Ends the process even if nobody is left to do so.
    let cpu = child.timeout.as_secs().saturating_add(2);
    [
        "compile".to_owned(),
        format!("--memory-bytes={}", child.memory_bytes),
        format!("--cpu-seconds={cpu}"),
    ]
    .map(OsString::from)
    .to_vec()
}

/// What became of the process that compiles, if it did not do its work.
#[derive(Debug)]
pub(super) enum Defeat {
    /// The component is none.
    Invalid {
        /// Why.
        reason: String,
    },
    /// It had too little memory.
    Memory,
    /// It had too little time.
    Time,
    /// None of these.
    Other(ProcessError),
}

impl From<ProcessError> for Defeat {
    fn from(error: ProcessError) -> Self {
        let code = |code| Some(i32::from(code));
        match error {
            ProcessError::Ended { status, stderr, .. }
                if status.code() == code(PrecompileError::INVALID) =>
            {
                Self::Invalid { reason: stderr }
            }
            // The standard library says so before it aborts the process.
            // SECURITY: walls::compiling_ends_with_its_memory
            ProcessError::Ended { status, ref stderr, .. }
                if status.code() == code(PrecompileError::MEMORY)
                    || stderr.contains("memory allocation of") =>
            {
                Self::Memory
            }
            ProcessError::Timeout { .. } => Self::Time,
            other => Self::Other(other),
        }
    }
}

impl<'a> Seal<'a> {
    /// Of code that was made from `component` by a compiler with these properties.
    pub(super) fn new(key: &'a hmac::Key, compiler: Digest, component: Digest) -> Self {
        let origin = [*compiler.as_bytes(), *component.as_bytes()].concat();
        Self { key, origin: Digest::of(&origin) }
    }

    /// What such code may be called: without the key, it tells neither the component nor anything else.
    pub(super) fn name(&self) -> String {
        data_encoding::HEXLOWER.encode(self.code(NAME, &[]).as_ref())
    }

    fn tag(&self, code: &[u8]) -> hmac::Tag {
        self.code(ENTRY, code)
    }

    fn code(&self, purpose: &[u8], bytes: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(self.key);
        context.update(purpose);
        context.update(self.origin.as_bytes());
        context.update(bytes);
        context.sign()
    }
}

#[cfg(test)]
impl NativeCode {
    /// Something to keep; it is never loaded.
    pub(super) fn fake(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
