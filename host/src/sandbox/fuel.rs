//! Host calls cost fuel, so that a guest can't make the host work for nothing.

use super::RunState;
use super::ending::HostError;
use wasmtime::{CallHook, StoreContextMut, Trap};

/// What any call into the host costs. A call takes some hundred nanoseconds, in which a guest executes about this many
/// instructions.
const PER_CALL: u64 = 500;

/// Called by wasmtime on every change between guest and host; charges when the host has done its work.
pub(super) fn charge(
    mut store: StoreContextMut<'_, RunState>,
    hook: CallHook,
) -> wasmtime::Result<()> {
    if !matches!(hook, CallHook::ReturningFromHost) {
        return Ok(());
    }
    // What came from the tape was not what the component asked for: it must not get to do anything with it.
    // SECURITY: walls::replay::act_outside::a_component_that_does_something_else_than_before_is_stopped
    if let Some(failure) = store.data().tape.failure() {
        return Err(HostError::Tape(failure).into());
    }
    let Some(bytes) = store.data_mut().take_work() else { return Ok(()) };
    let left = store.get_fuel()?;
    let cost = PER_CALL.saturating_add(bytes);
    store.set_fuel(left.saturating_sub(cost))?;
    // SECURITY: walls::cheap_host_calls_use_up_the_fuel
    if cost > left { Err(Trap::OutOfFuel.into()) } else { Ok(()) }
}
