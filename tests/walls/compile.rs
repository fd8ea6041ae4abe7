//! Compiling is done by a process that can be stopped; what it made is kept, and nothing else is taken for it.

use crate::trial::{MIB, Trial, sandbox, tight};
use blockhouse::sandbox::{CacheConfig, Compiler, Config, LoadError, Sandbox};
use blockhouse_artifacts::{IDLE, MANUAL};
use secrecy::SecretBox;
use std::path::Path;
use std::time::{Duration, Instant};

fn sandbox_with(change: impl FnOnce(&mut Compiler)) -> Sandbox {
    let mut compiler = blockhouse_tests::compiler();
    change(&mut compiler);
    Sandbox::new(&Config { max_runs: 1, compiler }).unwrap()
}

/// Keeps code in this directory; `None` for a compiler that can't be started.
fn sandbox_of(directory: &Path, key: u8, is_able: bool) -> Sandbox {
    let key = SecretBox::new(Box::new([key; 32]));
    let cache = CacheConfig { directory: directory.to_owned(), max_bytes: 1 << 30, key };
    sandbox_with(|compiler| {
        compiler.cache = Some(cache);
        if !is_able {
            compiler.program = "/nowhere".into();
        }
    })
}

/// A number as WebAssembly writes it.
fn leb(number: usize) -> Vec<u8> {
    leb_until(number, 0x80)
}

/// The same where it may have a sign.
fn signed_leb(number: usize) -> Vec<u8> {
    leb_until(number, 0x40)
}

fn leb_until(mut number: usize, end: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= end {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(contents.len()), contents].concat()
}

/// A component that consists of these sections.
fn component(sections: &[u8]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0", sections].concat()
}

/// A module with one function of one parameter, without result, whose body is this and which declares so many locals more.
fn module(locals: usize, instructions: &[u8]) -> Vec<u8> {
    let body = [&[1][..], &leb(locals), &[0x7f], instructions, &[0x0b]].concat();
    let code = [&[1][..], &leb(body.len()), &body].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 1, 0x7f, 0]),
        section(3, &[1, 0]),
        section(10, &code),
    ]
    .concat()
}

/// A component that takes any compiler a long time and much memory: one function of four million instructions, each of which
/// needs the one before.
fn endless() -> Vec<u8> {
    // local.get 0, local.get 0, i32.mul, local.set 0
    let squares = [0x20, 0, 0x20, 0, 0x6c, 0x21, 0].repeat(1_000_000);
    // if the last one is not 0, unreachable: so that none is superfluous.
    let check = [0x20, 0, 0x04, 0x40, 0x00, 0x0b];
    component(&section(1, &module(0, &[&squares[..], &check].concat())))
}

fn refusal(sandbox: &Sandbox, bytes: &[u8]) -> LoadError {
    sandbox.load(bytes, 64 * MIB).unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn compiling_ends_with_its_time() {
    let allowed = Duration::from_millis(300);
    let sandbox = sandbox_with(|compiler| compiler.timeout = allowed);
    let (bytes, started) = (endless(), Instant::now());
    let error = refusal(&sandbox, &bytes);
    assert!(matches!(error, LoadError::CompileTime { .. }), "{error:?}");
    let words = "compiling the component took longer than 300ms and was stopped";
    assert_eq!(error.to_string(), words);
    assert!(started.elapsed() >= allowed);
    // The sandbox is as good as before.
    let sandbox: &'static Sandbox = Box::leak(Box::new(sandbox_with(|_| {})));
    Trial::in_sandbox(sandbox, IDLE).run().await.succeeded();
}

#[test]
#[cfg(target_os = "linux")]
fn compiling_ends_with_its_memory() {
    let sandbox = sandbox_with(|compiler| compiler.memory_bytes = 256 << 20);
    let error = refusal(&sandbox, &endless());
    assert!(matches!(error, LoadError::CompileMemory { .. }), "{error:?}");
    let words = "compiling the component ran out of its 256 MiB of memory";
    assert_eq!(error.to_string(), words);
    // This is the least that can be configured, and enough for what is honest.
    sandbox.load(MANUAL, MIB).unwrap();
}

#[test]
fn a_module_in_the_place_of_a_component_is_refused() {
    let error = refusal(sandbox(), &module(1, &[]));
    assert!(matches!(error, LoadError::Invalid { .. }), "{error:?}");
    assert!(error.to_string().starts_with("not a usable component: "), "{error}");
}

/// Parsing recurses: a stack that overflows ends the process that compiles and not this one.
#[test]
fn a_megabyte_of_nested_types_is_refused() {
    // A component type that declares a type: a component type that declares a type: …
    let nested = [&[1][..], &[0x41, 1, 1].repeat(MIB / 3)].concat();
    // A list of booleans, a list of those lists, …
    let count = MIB / 4;
    let lists = (1..count).flat_map(|index| [&[0x70][..], &signed_leb(index - 1)].concat());
    let lists = [&leb(count)[..], &[0x70, 0x7f], &lists.collect::<Vec<_>>()].concat();
    // A component in a component in …; its length has to be written at each level.
    let mut components = component(&[]);
    while components.len() < MIB / 64 {
        components = component(&section(4, &components));
    }
    for sections in [section(7, &nested), section(7, &lists), section(4, &components)] {
        let error = refusal(sandbox(), &component(&sections));
        let is_told = match &error {
            LoadError::Compile(error) => error.to_string().contains("overflowed its stack"),
            LoadError::Invalid { .. } | LoadError::WrongWorld { .. } => true,
            _ => false,
        };
        assert!(is_told, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_compiled_once_is_not_compiled_again() {
    let directory = tempfile::tempdir().unwrap();
    sandbox_of(directory.path(), 1, true).load(IDLE, MIB).unwrap();
    // The next start, with a compiler that would fail.
    let sandbox: &'static Sandbox = Box::leak(Box::new(sandbox_of(directory.path(), 1, false)));
    Trial::in_sandbox(sandbox, IDLE).run().await.succeeded();
    let error = refusal(sandbox, MANUAL);
    assert_eq!(error.to_string(), "failed to compile the component");
}

#[test]
fn code_that_another_key_has_made_is_not_executed() {
    let directory = tempfile::tempdir().unwrap();
    sandbox_of(directory.path(), 1, true).load(IDLE, MIB).unwrap();
    let error = refusal(&sandbox_of(directory.path(), 2, false), IDLE);
    assert!(matches!(error, LoadError::Compile(_)), "{error:?}");
}

#[test]
fn a_damaged_entry_is_compiled_anew() {
    let directory = tempfile::tempdir().unwrap();
    let sandbox = sandbox_of(directory.path(), 1, true);
    sandbox.load(IDLE, MIB).unwrap();
    let entries =
        || std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let path = entries().next().unwrap();
    let good = std::fs::read(&path).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    sandbox.load(IDLE, MIB).unwrap();
    assert_eq!(entries().collect::<Vec<_>>(), std::slice::from_ref(&path));
    assert!(std::fs::read(&path).unwrap() == good, "the damaged code is still there");
}

#[test]
fn what_the_pool_has_no_room_for_is_refused_and_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let sandbox = sandbox_of(directory.path(), 1, true);
    let error = sandbox.load(blockhouse_artifacts::HUGE_TABLE, tight().component_bytes);
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("not a usable component: ") && error.contains("limit"), "{error}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
