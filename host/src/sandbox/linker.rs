//! What is linked to a component, interface by interface: a capability that isn't here does not exist for it. The same list, with
//! what each needs, is in `anatomy`.

use super::{RunState, bindings};
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};

/// A linker with all that every component gets.
pub(super) struct Linked(Linker<RunState>);

impl std::fmt::Debug for Linked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Linked")
    }
}

impl Linked {
    pub(super) fn linker(&self) -> &Linker<RunState> {
        &self.0
    }
}

pub(super) fn link(engine: &Engine) -> wasmtime::Result<Linked> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    // io, clocks, random numbers and standard streams.
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(l)?;
    super::poll::link(l)?;
    super::random::link(l)?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(l, RunState::random)?;
    // Toolchains import these even if the program does not use them. They are empty: no variable, no argument, and
    // no directory without a grant.
    cli::environment::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, RunState::cli)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, RunState::filesystem)?;
    // Ours: wasmtime's knows no quota.
    filesystem::types::add_to_linker::<_, HasSelf<_>>(l, |state| state)?;
    crate::capability::http::wasi::link(l)?;
    bindings::Implementation::add_to_linker::<_, HasSelf<_>>(l, |state| state)?;
    Ok(Linked(linker))
}
