//! The engines' configuration: what WebAssembly may be, and the pool of address space for all runs.
//!
//! Two engines with the same tunables: one compiles, in a process of its own, and the other one executes what the first one
//! made and has no compiler.

use super::compiler::Compiler;
use crate::os::{self, Platform};
use wasmtime::{
    Config as EngineConfig, Engine, InstanceAllocationStrategy, OperatorCost,
    PoolingAllocationConfig, Strategy, VariableOperatorCost, WasmBacktraceDetails,
};

/// The most bytes that one memory can have; a policy's limit is at most this.
pub const MEMORY_MAX: usize = 512 << 20;

/// Bytes of stack for WebAssembly frames. Against endless recursion; the Rust toolchain's own stacks live in linear memory.
pub(super) const WASM_STACK: usize = 512 << 10;

/// Bytes of the whole stack of a run. The difference is for host functions, whose overflow would abort the process.
const ASYNC_STACK: usize = 2 << 20;

/// Bytes of a run's stack whose memory is given back while it waits. All that has been called is within them, whatever it was, but for
/// frames of WebAssembly.
pub(crate) const RELEASED_STACK: usize = 256 << 10;

// A host function is called below at most all frames of WebAssembly, and has a part of the rest for itself.
const _: () = assert!(WASM_STACK + 4 * RELEASED_STACK <= ASYNC_STACK);

/// Address space per memory: all that 32 bits reach, so that bounds checks cost nothing.
const MEMORY_RESERVATION: u64 = 4 << 30;

/// Address space around each memory, for accesses with a constant offset.
const MEMORY_GUARD: u64 = 32 << 20;

/// What one component may consist of, and what the pool has for each run: equal, so that no run takes its neighbour's share.
/// Most components have one memory; one that is composed of two components has two.
const MEMORIES_PER_RUN: u32 = 2;
const INSTANCES_PER_RUN: u32 = 32;
const TABLES_PER_RUN: u32 = 16;

/// The largest concurrency: its memories take 80 of the 128 TiB that a process can address.
pub const RUNS_MAX: u32 = 10_000;

/// How many runs there may be at a time, and how their components are compiled.
#[derive(Debug)]
pub struct Config {
    /// At most [`RUNS_MAX`].
    pub max_runs: u32,
    /// Where native code comes from.
    pub compiler: Compiler,
}

/// Why the sandbox can't be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The pool does not fit.
    #[error(
        "failed to reserve {gib} GiB of address space for {runs} concurrent runs: {reason}\n\
         hint: lower `runs.concurrency`, lift the address space limit of the process (`ulimit -v`, `RLIMIT_AS`), or set \
         `vm.overcommit_memory` to 0 or 1; address space costs no memory"
    )]
    AddressSpace {
        /// GiB that were asked for.
        gib: u64,
        /// Concurrent runs that were asked for.
        runs: u32,
        /// What the system said; part of the message, so that the hint comes last.
        reason: String,
    },
    /// The engine that compiles can't be set up: a defect of ours.
    #[error("failed to set up the compiler")]
    Compiler(#[source] wasmtime::Error),
    /// The host's interfaces can't be linked: a defect of ours.
    #[error("failed to link the host's interfaces")]
    Link(#[source] wasmtime::Error),
    /// The system has no thread for us.
    #[error("failed to start the epoch thread")]
    Ticker(#[source] std::io::Error),
}

/// Makes the engine that executes and reserves its pool.
pub(super) fn serving(runs: u32) -> Result<Engine, StartError> {
    let mut config = tunables();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(runs)));
    // SECURITY: the_engine_that_executes_has_no_compiler
    config.enable_compiler(false);
    Engine::new(&config).map_err(|error| {
        let per_run = (MEMORY_RESERVATION + MEMORY_GUARD) * u64::from(MEMORIES_PER_RUN);
        StartError::AddressSpace {
            gib: (per_run * u64::from(runs)) >> 30,
            runs,
            reason: format!("{error:#}"),
        }
    })
}

/// Makes the engine that compiles. It has no pool, since it never instantiates anything.
pub(super) fn compiling() -> wasmtime::Result<Engine> {
    let mut config = tunables();
    // Winch had four advisories in 2026, one an escape, and does not support epochs.
    config.strategy(Strategy::Cranelift);
    Engine::new(&config)
}

/// What both engines must have in common, so that one takes the code of the other one.
fn tunables() -> EngineConfig {
    let mut config = EngineConfig::new();
    config
        .memory_reservation(MEMORY_RESERVATION)
        .memory_guard_size(MEMORY_GUARD)
        .guard_before_linear_memory(true)
        .memory_may_move(false)
        .memory_init_cow(true)
        .consume_fuel(true)
        .operator_cost(operator_cost())
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(ASYNC_STACK)
        // Stacks are reused by other tenants' runs.
        .async_stack_zeroing(true)
        // Without signals the Spectre mitigations are off, too.
        .signals_based_traps(true)
        .wasm_component_model(true)
        .concurrency_support(false)
        // On by default, and the source of several advisories; the toolchains that we support don't need them.
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_threads(false)
        .shared_memory(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_stack_switching(false)
        // Else an environment variable would make us parse the guest's debug information.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Registering unwind information takes quadratic time over many modules. Windows does not work without.
        .native_unwind_info(os::platform() == Platform::Windows);
    config
}

fn pool(runs: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(runs)
        // SECURITY: walls::a_run_with_all_its_memories_takes_none_from_its_neighbours
        .total_core_instances(runs.saturating_mul(INSTANCES_PER_RUN))
        .total_memories(runs.saturating_mul(MEMORIES_PER_RUN))
        .total_tables(runs.saturating_mul(TABLES_PER_RUN))
        .total_stacks(runs)
        .total_gc_heaps(1)
        .max_core_instances_per_component(INSTANCES_PER_RUN)
        .max_memories_per_component(MEMORIES_PER_RUN)
        .max_tables_per_component(TABLES_PER_RUN)
        .max_memories_per_module(1)
        .max_tables_per_module(4)
        .table_elements(20_000)
        .max_memory_size(MEMORY_MAX)
        .max_component_instance_size(2 << 20)
        .max_core_instance_size(2 << 20)
        .max_unused_warm_slots(16)
        // Nothing of one tenant's run stays resident for the next one.
        .linear_memory_keep_resident(0)
        .table_keep_resident(0);
    pool
}

/// Growing a memory costs by the page: the kernel has to zero it. By default it is free.
fn operator_cost() -> OperatorCost {
    OperatorCost {
        variable: VariableOperatorCost { memory_grow_per_page: 100, ..VariableOperatorCost::new() },
        ..OperatorCost::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::component::Component;

    #[test]
    fn the_engine_that_executes_has_no_compiler() {
        let engine = serving(1).unwrap();
        let component = b"\0asm\x0d\0\x01\0";
        assert!(compiling().unwrap().precompile_component(component).is_ok());
        let error = Component::from_binary(&engine, component).err().unwrap();
        assert!(format!("{error:#}").contains("not configured with a compiler"), "{error:#}");
    }
}
