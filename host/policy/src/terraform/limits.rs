//! `[terraform.limits]`: how much the processes of one run may take: [`TerraformLimits`].

use crate::limits::{Limit, MIB, SECOND, TIME, Tabled, limit};
use std::time::Duration;

/// How much processes may take. Policy's value, lowered by the ceiling's, else the default.
/// [`TerraformLimits::TABLE`] names the attack that each one stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerraformLimits {
    /// Bytes of memory of all processes of an operation together.
    pub memory_bytes: u64,
    /// Processes and threads of an operation.
    pub processes: u64,
    /// Time on a core of all processes of an operation together. `None`: only the times below count.
    pub cpu_time: Option<Duration>,
    /// Bytes of the run's directory.
    pub disk_bytes: u64,
    /// Bytes that the processes of one operation print.
    pub output_bytes: u64,
    /// For fetching the sources.
    pub sources_time: Duration,
    /// For one try of `init`.
    pub init_time: Duration,
    /// For a command about workspaces, and for `output`.
    pub workspace_time: Duration,
    /// For `plan`.
    pub plan_time: Duration,
    /// For `apply` and `destroy`, until they are interrupted.
    pub apply_time: Duration,
    /// For a script.
    pub script_time: Duration,
}

#[rustfmt::skip]
const TABLE: &[Limit<TerraformLimits>] = &[
    limit!("memory_mib", memory_bytes, "MiB", MIB, 64..=1_048_576, Some(2048), "a provider that allocates for ever takes the machine's memory, and the kernel kills what it likes"),
    limit!("processes", processes, "processes and threads", 1, 16..=1_000_000, Some(1024), "a fork bomb leaves no process to anybody"),
    limit!("cpu_time", cpu_time, TIME, SECOND, 1..=604_800, None, "a script that computes for ever burns a core until its time is over"),
    limit!("disk_mib", disk_bytes, "MiB", MIB, 16..=1_048_576, Some(10_240), "downloads fill the disk, so that nobody's state can be saved"),
    limit!("output_mib", output_bytes, "MiB", MIB, 1..=16_384, Some(64), "a flood of lines fills the disk"),
    limit!("sources_time", sources_time, TIME, SECOND, 1..=86_400, Some(900), "a server that sends a byte a minute holds a slot"),
    limit!("init_time", init_time, TIME, SECOND, 1..=86_400, Some(600), "a registry that never answers holds a slot"),
    limit!("workspace_time", workspace_time, TIME, SECOND, 1..=86_400, Some(300), "a backend that never answers holds a slot"),
    limit!("plan_time", plan_time, TIME, SECOND, 1..=604_800, Some(1800), "a data source that never ends holds a slot and the state's lock"),
    limit!("apply_time", apply_time, TIME, SECOND, 1..=604_800, Some(7200), "a resource that is never ready holds a slot and the state's lock"),
    limit!("script_time", script_time, TIME, SECOND, 1..=86_400, Some(1800), "a script that waits for ever holds a slot"),
];

impl TerraformLimits {
    /// Every limit with its key, unit and bounds, and the attack that it stops: the one source of them.
    pub const TABLE: &[Limit<Self>] = TABLE;
}

impl Tabled for TerraformLimits {
    const TABLE: &'static [Limit<Self>] = TABLE;
    const TITLE: &'static str = "[terraform.limits]";
}

impl Default for TerraformLimits {
    /// Generous for a configuration of some hundred resources.
    fn default() -> Self {
        let mut limits = Self {
            memory_bytes: 0,
            processes: 0,
            cpu_time: None,
            disk_bytes: 0,
            output_bytes: 0,
            sources_time: Duration::ZERO,
            init_time: Duration::ZERO,
            workspace_time: Duration::ZERO,
            plan_time: Duration::ZERO,
            apply_time: Duration::ZERO,
            script_time: Duration::ZERO,
        };
        for limit in TABLE {
            if let Some(default) = limit.default {
                limit.set(&mut limits, default.saturating_mul(limit.scale));
            }
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_in_the_table_and_every_default_within_its_bounds() {
        let limits = TerraformLimits::default();
        for limit in TerraformLimits::TABLE {
            assert!(limit.default.is_none_or(|d| (limit.min..=limit.max).contains(&d)));
            let default = limit.default.map(|default| default * limit.scale);
            assert_eq!(limit.base(&limits), default, "{}", limit.key);
        }
        let shown = format!("{limits:?}");
        assert!(!shown.contains(": 0,") && !shown.contains(": 0ns"), "{shown}");
        assert_eq!(shown.matches(": ").count(), TerraformLimits::TABLE.len());
        assert_eq!(limits.memory_bytes, 2 << 30);
    }
}
