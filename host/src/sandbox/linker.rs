//! What is linked to a component, interface by interface: a capability that isn't here does not exist for it.

use super::{RunState, bindings};
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};

/// The names of all that is linked, without versions.
const INTERFACES: &[&str] = &[
    "blockhouse:block/progress",
    "blockhouse:block/types",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// A linker with all that every component gets.
pub(super) struct Linked(Linker<RunState>);

impl std::fmt::Debug for Linked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Linked").field(&INTERFACES).finish()
    }
}

impl Linked {
    pub(super) fn linker(&self) -> &Linker<RunState> {
        &self.0
    }

    /// Whether an import, such as `wasi:io/poll@0.2.6`, can be satisfied.
    pub(super) fn offers(import: &str) -> bool {
        let name = import.split_once('@').map_or(import, |(name, _version)| name);
        INTERFACES.contains(&name)
    }
}

pub(super) fn link(engine: &Engine) -> wasmtime::Result<Linked> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    // io, clocks, random numbers and standard streams.
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(l)?;
    super::random::link(l)?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(l, RunState::random)?;
    // Toolchains import these even if the program does not use them. They are empty: no variable, no argument, no directory.
    cli::environment::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, RunState::filesystem)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(l, RunState::filesystem)?;
    bindings::Implementation::add_to_linker::<_, HasSelf<_>>(l, |state| state)?;
    Ok(Linked(linker))
}
