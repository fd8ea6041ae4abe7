//! Clocks and random numbers as components get them: such that a run that is resumed sees the same ones again. See [`Tape`].

use crate::tape::Tape;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// What clocks say their resolution is. That of the machine would be another one after a move to another machine.
const RESOLUTION: Duration = Duration::from_nanos(1);

/// The random numbers of the interfaces, all from the run's seed.
const SECURE: u64 = 0;
const INSECURE: u64 = 1;
const INSECURE_SEED: u64 = 2;

struct Clock(Arc<Tape>);

/// Gives the context this run's clocks and random numbers.
pub(super) fn give(wasi: &mut WasiCtxBuilder, tape: &Arc<Tape>) {
    let numbers = |stream| {
        // SECURITY: walls::random_numbers_of_two_runs_have_nothing_in_common
        let mut numbers = ChaCha20Rng::from_seed(tape.seed());
        numbers.set_stream(stream);
        numbers
    };
    let mut first = numbers(INSECURE_SEED);
    let insecure_seed = u128::from(first.next_u64()) << 64 | u128::from(first.next_u64());
    wasi.wall_clock(Clock(Arc::clone(tape)))
        .monotonic_clock(Clock(Arc::clone(tape)))
        .secure_random(numbers(SECURE))
        .insecure_random(numbers(INSECURE))
        .insecure_random_seed(insecure_seed);
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    fn now(&self) -> Duration {
        let since = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // A clock that is before 1970 shows its beginning.
        self.0.wall(|| since().unwrap_or_default())
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        nanoseconds(RESOLUTION)
    }

    fn now(&self) -> u64 {
        nanoseconds(self.0.monotonic())
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
