//! Leaves marks in its memory and looks for those of an earlier run.

use std::sync::atomic::{AtomicU32, Ordering};

guests::attack!(execute);

static RUNS: AtomicU32 = AtomicU32::new(0);

/// Larger than what the allocator has lying about, so that fresh pages of linear memory are used.
const PAGES: usize = 1 << 20;

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("leaving");
    let earlier = RUNS.fetch_add(1, Ordering::Relaxed);
    let mut memory = Vec::<u8>::with_capacity(PAGES);
    let found = guests::raw::unwritten(&memory).iter().filter(|byte| **byte == b'M').count();
    memory.resize(PAGES, b'M');
    std::hint::black_box(&memory);
    guests::tell!(&step, "earlier runs: {earlier}, marks found: {found}");
    Ok(guests::Verdict::Succeeded)
}
