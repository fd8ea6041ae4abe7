//! From a component to code that is ready to run: out of the cache, or by a process that does nothing but compile.
//!
//! wasmtime promises nothing about the time and memory that a hostile component makes its compiler use, so that it is
//! limited and killed from outside.

use super::cache::{Cache, CacheConfig};
use super::component::{LoadError, REASON_MAX, reason};
use super::engine::{self, StartError};
use super::native_code::{Child, Defeat, NativeCode};
use crate::digest::Digest;
use crate::excerpt::clip;
use std::hash::{Hash as _, Hasher};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use wasmtime::Engine;
use wasmtime::component::Component as Compiled;

/// Where native code comes from.
#[derive(Debug)]
pub struct Compiler {
    /// A program that has the command `compile` of `blockhouse`, in this very version: this program.
    pub program: PathBuf,
    /// Bytes of address space that compiling one component may take.
    pub memory_bytes: u64,
    /// How long compiling one component may take.
    pub timeout: Duration,
    /// Where code is kept, if anywhere.
    pub cache: Option<CacheConfig>,
}

/// A compiler that is ready.
#[derive(Debug)]
pub(super) struct Compilation {
    program: PathBuf,
    memory_bytes: u64,
    timeout: Duration,
    cache: Option<Cache>,
}

impl Compilation {
    pub(super) fn new(compiler: &Compiler) -> Result<Self, StartError> {
        let cache = match &compiler.cache {
            Some(config) => Some(Cache::open(config, properties().map_err(StartError::Compiler)?)),
            None => None,
        };
        Ok(Self {
            program: compiler.program.clone(),
            memory_bytes: compiler.memory_bytes,
            timeout: compiler.timeout,
            cache,
        })
    }

    /// The component as code that `engine` executes. Whatever is wrong with the cache, it is only slower.
    pub(super) fn compile(
        &self,
        engine: &Engine,
        digest: Digest,
        component: &[u8],
    ) -> Result<Compiled, LoadError> {
        if let Some(cache) = &self.cache
            && let Some(code) = cache.find(digest)
        {
            match code.load(engine) {
                Ok(compiled) => return Ok(compiled),
                Err(error) => cache.forget(digest, &format!("{error:#}")),
            }
        }
        let started = Instant::now();
        let child = Child {
            program: &self.program,
            memory_bytes: self.memory_bytes,
            timeout: self.timeout,
        };
        let code = NativeCode::compile(child, digest, component);
        let code = code.map_err(|error| self.refused(error.into()))?;
        // What the pool has no room for is found out here.
        let compiled =
            code.load(engine).map_err(|error| LoadError::Invalid { reason: reason(&error) })?;
        tracing::debug!(component = %digest, time = ?started.elapsed(), "component compiled");
        if let Some(cache) = &self.cache {
            cache.keep(digest, &code);
        }
        Ok(compiled)
    }

    fn refused(&self, defeat: Defeat) -> LoadError {
        match defeat {
            Defeat::Invalid { reason } => {
                LoadError::Invalid { reason: clip(reason.trim_end(), REASON_MAX) }
            }
            Defeat::Memory => LoadError::CompileMemory { mib: self.memory_bytes >> 20 },
            Defeat::Other(error) => LoadError::Compile(error),
            Defeat::Time => LoadError::CompileTime { allowed: self.timeout },
        }
    }
}

/// A digest of all that the compiler's output depends on beside the component: its version, settings, and this processor.
///
/// It is that of an engine that compiles; the one that executes has another one. Its patch version counts as well, since what
/// was compiled with a defect of the compiler must not outlive its correction.
fn properties() -> wasmtime::Result<Digest> {
    let engine = engine::compiling()?;
    let mut collected = Collected(env!("CARGO_PKG_VERSION").into());
    engine.precompile_compatibility_hash().hash(&mut collected);
    Ok(Digest::of(&collected.0))
}

/// Keeps what others would hash to 64 bits.
struct Collected(Vec<u8>);

impl Hasher for Collected {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretBox;

    #[test]
    fn an_entry_of_the_cache_that_can_not_be_loaded_is_removed_and_compiled_anew() {
        let directory = tempfile::tempdir().unwrap();
        let cache = CacheConfig {
            directory: directory.path().to_owned(),
            max_bytes: 1 << 20,
            key: SecretBox::new(Box::new([1; 32])),
        };
        let compiler = Compiler {
            program: "/nowhere".into(),
            memory_bytes: 1 << 30,
            timeout: Duration::from_secs(60),
            cache: Some(cache),
        };
        let compilation = Compilation::new(&compiler).unwrap();
        let digest = Digest::of(b"a");
        let cache = compilation.cache.as_ref().unwrap();
        cache.keep(digest, &NativeCode::fake(b"code for another engine"));
        assert!(cache.find(digest).is_some());
        let engine = engine::serving(1).unwrap();
        // It is told that compiling anew fails, and not that the entry was no good.
        let error = compilation.compile(&engine, digest, b"a").err().unwrap();
        assert!(matches!(error, LoadError::Compile(_)), "{error:?}");
        assert!(cache.find(digest).is_none());
    }

    #[test]
    fn the_compilers_properties_are_the_same_each_time() {
        assert_eq!(properties().unwrap(), properties().unwrap());
    }

    #[test]
    fn the_compilers_properties_name_the_exact_version_of_wasmtime() {
        let mut collected = Collected(Vec::new());
        engine::compiling().unwrap().precompile_compatibility_hash().hash(&mut collected);
        let lock = include_str!("../../../Cargo.lock");
        let version = lock.split("name = \"wasmtime\"\nversion = \"").nth(1).unwrap();
        let version = version.split('"').next().unwrap().as_bytes();
        assert!(version.len() >= 5, "{version:?}");
        assert!(collected.0.windows(version.len()).any(|found| found == version));
    }
}
