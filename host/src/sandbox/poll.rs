//! Waiting for several things costs fuel by the thing, and nobody waits for more of them than he may have.

use super::RunState;
use super::ending::HostError;
use crate::outcome::{LimitHit, LimitName};
use crate::tape::{Entry, Question};
use std::sync::Arc;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll;

/// What an entry of the list costs, like a byte that is copied. Lifting it, looking it up, asking it and returning its index take some
/// 100 ns, in which a guest executes about this many instructions.
const PER_ENTRY: usize = 200;

/// Puts these functions in the place of those of wasmtime, which charge nothing.
pub(super) fn link(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    poll::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl poll::Host for RunState {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        let (entries, allowed) = (pollables.len(), self.grants.limits().handles);
        // SECURITY: walls::a_list_to_poll_is_charged_by_its_length
        self.charge(entries.saturating_mul(PER_ENTRY));
        // wasmtime counts the handles that are lent for a call, but not those that the caller has only borrowed itself.
        if entries > allowed {
            let hit = LimitHit::of_size(LimitName::Handles, entries, allowed);
            return Err(HostError::Limit(hit).into());
        }
        if let Some(ready) = self.tape.polled().map_err(HostError::from)? {
            return Ok(ready);
        }
        let tape = Arc::clone(&self.tape);
        let ready = tape.wait(poll::Host::poll(&mut self.table, pollables)).await?;
        self.tape.note(Entry::Polled(ready.clone()));
        Ok(ready)
    }
}

impl poll::HostPollable for RunState {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        if let Some(is_ready) = self.tape.flag(Question::Ready).map_err(HostError::from)? {
            return Ok(is_ready);
        }
        let is_ready = poll::HostPollable::ready(&mut self.table, pollable).await?;
        self.tape.note(Entry::Flag(Question::Ready, is_ready));
        Ok(is_ready)
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        if self.tape.flag(Question::Ready).map_err(HostError::from)?.is_some() {
            return Ok(());
        }
        let tape = Arc::clone(&self.tape);
        tape.wait(poll::HostPollable::block(&mut self.table, pollable)).await?;
        self.tape.note(Entry::Flag(Question::Ready, true));
        Ok(())
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::drop(&mut self.table, pollable)
    }
}
