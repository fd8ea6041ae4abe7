//! Random numbers cost fuel by the byte: the host makes them.

use super::RunState;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::p2::bindings::random::{insecure, random};
use wasmtime_wasi::random::WasiRandomView;

/// Puts these functions in the place of those of wasmtime, which charge nothing.
pub(super) fn link(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    random::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    insecure::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl RunState {
    // SECURITY: walls::random_bytes_are_charged
    fn charged(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        self.charge(bytes.len());
        bytes
    }
}

impl random::Host for RunState {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        let bytes = random::Host::get_random_bytes(self.random(), len)?;
        Ok(self.charged(bytes))
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        random::Host::get_random_u64(self.random())
    }
}

impl insecure::Host for RunState {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        let bytes = insecure::Host::get_insecure_random_bytes(self.random(), len)?;
        Ok(self.charged(bytes))
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        insecure::Host::get_insecure_random_u64(self.random())
    }
}
