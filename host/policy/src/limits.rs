//! How much of each resource one run may use.

use std::time::Duration;

/// How much of each resource one run may use. Each field names the attack that it stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Instructions, in units of fuel (about one per WebAssembly instruction; host calls cost by the work they do).
    /// Against endless loops.
    pub fuel: u64,
    /// Bytes of linear memory, summed over all memories of the run. Against exhausting the host's memory.
    pub memory_bytes: usize,
    /// From the start of instantiation to the end of `execute`. Against a component that waits for ever.
    pub wall_time: Duration,
    /// Bytes of log that are kept per step (the head and the tail). Against messages that meshStack refuses.
    pub log_kept_bytes: usize,
    /// Bytes that the run may write to its logs altogether. Against floods, which cost time even if they are dropped.
    pub log_total_bytes: u64,
    /// Bytes of all outputs, keys and values. Against filling meshStack's database.
    pub outputs_bytes: usize,
    /// Bytes of a user message or a summary; longer ones are cut.
    pub message_bytes: usize,
    /// Steps of the timeline. Against a timeline that nobody can read, and updates without bound.
    pub steps: usize,
    /// Handles that the component holds at a time. Against exhausting the host's tables.
    pub handles: usize,
    /// Elements of a WebAssembly table. Against memory that the memory limit does not see.
    pub table_elements: usize,
    /// Bytes that one call may pass to the host. Against a list that is copied into the host's memory at once.
    pub host_call_bytes: usize,
    /// Bytes of the component itself. Against a compilation that takes all memory.
    pub component_bytes: usize,
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

impl Default for Limits {
    /// Generous for a component that calls APIs and shapes text; see `host/docs/operating.md`.
    fn default() -> Self {
        Self {
            // 10 G instructions: one to four seconds of pure computing.
            fuel: 10_000_000_000,
            memory_bytes: 256 * MIB,
            wall_time: Duration::from_secs(30 * 60),
            log_kept_bytes: 256 * KIB,
            log_total_bytes: 64 << 20,
            outputs_bytes: MIB,
            message_bytes: 16 * KIB,
            steps: 100,
            handles: 4096,
            table_elements: 20_000,
            host_call_bytes: 8 * MIB,
            component_bytes: 32 * MIB,
        }
    }
}
