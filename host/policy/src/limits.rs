//! How much of each resource one run may use: [`Limits`], and the one table of what each limit is called and bounded by.

use std::time::Duration;

/// How much of each resource one run may use, in base units. [`Limits::TABLE`] names the attack that each one stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Instructions, in units of fuel (about one per WebAssembly instruction; host calls cost by the work they do).
    pub fuel: u64,
    /// Bytes of linear memory, summed over all memories of the run.
    pub memory_bytes: usize,
    /// From the start of instantiation to the end of `execute`.
    pub wall_time: Duration,
    /// Bytes of log that are kept per step (the head and the tail).
    pub log_kept_bytes: usize,
    /// Bytes that the run may write to its logs altogether.
    pub log_total_bytes: u64,
    /// Bytes of all outputs, keys and values.
    pub outputs_bytes: usize,
    /// Bytes of a user message or a summary; longer ones are cut.
    pub message_bytes: usize,
    /// Steps of the timeline.
    pub steps: usize,
    /// Handles that the component holds at a time.
    pub handles: usize,
    /// Elements of a WebAssembly table.
    pub table_elements: usize,
    /// Bytes that one call may pass to the host.
    pub host_call_bytes: usize,
    /// Bytes of the component itself.
    pub component_bytes: usize,
    /// Outbound HTTP requests of the run.
    pub http_requests: u64,
    /// Bytes of all outbound requests, heads and bodies.
    pub http_sent_bytes: u64,
    /// Bytes of all responses, heads and bodies.
    pub http_received_bytes: u64,
    /// Connections of the run that are open at a time.
    pub http_connections: usize,
    /// Runs of one tenant that execute at a time; further ones wait. `None`: a tenant has no share of its own.
    pub tenant_runs: Option<usize>,
}

/// What is to be known of one limit: a row of [`Limits::TABLE`] or [`TerraformLimits::TABLE`](crate::TerraformLimits::TABLE).
#[derive(Debug)]
pub struct Limit<L = Limits> {
    /// The key in `[limits]`.
    pub key: &'static str,
    /// The unit of the value in the file; `time` for texts such as `30m`.
    pub unit: &'static str,
    /// Smallest value, in `unit`; of a time in seconds.
    pub min: u64,
    /// Largest value, as `min`.
    pub max: u64,
    /// The value when nobody says another, as `min`. `None`: unlimited.
    pub default: Option<u64>,
    /// What would happen without the limit.
    pub attack: &'static str,
    /// Base units (bytes, instructions, nanoseconds) in one `unit`.
    pub(crate) scale: u64,
    pub(crate) get: fn(&L) -> Option<u64>,
    pub(crate) set: fn(&mut L, u64),
}

/// Limits that have a table of them.
pub(crate) trait Tabled: Sized + 'static {
    const TABLE: &'static [Limit<Self>];
    /// The section in which they are given.
    const TITLE: &'static str;
}

impl Tabled for Limits {
    const TABLE: &'static [Limit] = TABLE;
    const TITLE: &'static str = "[limits]";
}

/// The unit of limits that are written as a text for people.
pub(crate) const TIME: &str = "time";
const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const SECOND: u64 = 1_000_000_000;

/// A field of limits, seen as a number of base units.
pub(crate) trait Amount {
    fn to_base(&self) -> Option<u64>;
    fn from_base(base: u64) -> Self;
}

impl Amount for u64 {
    fn to_base(&self) -> Option<u64> {
        Some(*self)
    }

    fn from_base(base: u64) -> Self {
        base
    }
}

impl Amount for usize {
    fn to_base(&self) -> Option<u64> {
        Some(u64::try_from(*self).unwrap_or(u64::MAX))
    }

    fn from_base(base: u64) -> Self {
        Self::try_from(base).unwrap_or(Self::MAX)
    }
}

impl Amount for Option<usize> {
    fn to_base(&self) -> Option<u64> {
        self.and_then(|amount| amount.to_base())
    }

    fn from_base(base: u64) -> Self {
        Some(usize::from_base(base))
    }
}

impl Amount for Option<Duration> {
    fn to_base(&self) -> Option<u64> {
        self.and_then(|amount| amount.to_base())
    }

    fn from_base(base: u64) -> Self {
        Some(Duration::from_base(base))
    }
}

impl Amount for Duration {
    fn to_base(&self) -> Option<u64> {
        Some(u64::try_from(self.as_nanos()).unwrap_or(u64::MAX))
    }

    fn from_base(base: u64) -> Self {
        Self::from_nanos(base)
    }
}

macro_rules! limit {
    ($key:literal, $field:ident, $unit:expr, $scale:expr, $min:literal ..= $max:literal, $default:expr, $attack:literal) => {
        $crate::limits::Limit {
            key: $key,
            unit: $unit,
            min: $min,
            max: $max,
            default: $default,
            attack: $attack,
            scale: $scale,
            get: |limits| $crate::limits::Amount::to_base(&limits.$field),
            set: |limits, base| limits.$field = $crate::limits::Amount::from_base(base),
        }
    };
}

pub(crate) use limit;

#[rustfmt::skip]
const TABLE: &[Limit] = &[
    limit!("fuel", fuel, "million instructions", 1_000_000, 1..=100_000_000, Some(10_000), "an endless loop burns a core"),
    limit!("memory_mib", memory_bytes, "MiB", MIB, 1..=512, Some(256), "a component that allocates for ever takes the host's memory"),
    limit!("wall_time", wall_time, TIME, SECOND, 1..=604_800, Some(1800), "a component that waits for ever holds its slot"),
    limit!("log_kib", log_kept_bytes, "KiB per step", KIB, 1..=16_384, Some(256), "each update sends the whole log again, and meshStack refuses long ones"),
    limit!("log_total_mib", log_total_bytes, "MiB", MIB, 1..=4096, Some(64), "a flood costs time even when it is dropped"),
    limit!("message_kib", message_bytes, "KiB", KIB, 1..=1024, Some(16), "messages have no head and tail to keep, so they are cut"),
    limit!("outputs_kib", outputs_bytes, "KiB", KIB, 1..=16_384, Some(1024), "outputs are kept until meshStack has accepted them, and fill its database"),
    limit!("steps", steps, "steps", 1, 1..=10_000, Some(100), "every update repeats all steps, and nobody can read that many"),
    limit!("component_mib", component_bytes, "MiB", MIB, 1..=512, Some(32), "compiling takes time and memory in proportion"),
    limit!("handles", handles, "handles", 1, 16..=1_000_000, Some(4096), "handles live in the host's memory, which `memory_mib` does not see"),
    limit!("table_elements", table_elements, "elements", 1, 100..=20_000, Some(20_000), "tables live in the host's memory, which `memory_mib` does not see"),
    limit!("host_call_mib", host_call_bytes, "MiB", MIB, 1..=128, Some(8), "the host copies what a call passes"),
    limit!("http_requests", http_requests, "requests", 1, 0..=1_000_000, Some(1000), "a loop of requests floods another system in our name"),
    limit!("http_sent_mib", http_sent_bytes, "MiB", MIB, 1..=65_536, Some(64), "an endless request body fills the network and the other side"),
    limit!("http_received_mib", http_received_bytes, "MiB", MIB, 1..=65_536, Some(256), "an endless response fills the network and is copied into memory"),
    limit!("http_connections", http_connections, "connections", 1, 1..=256, Some(8), "open connections use up the host's descriptors and ports"),
    limit!("tenant_runs", tenant_runs, "runs", 1, 1..=10_000, None, "one tenant fills all slots while the others wait"),
];

impl Limits {
    /// Every limit with its key, unit and bounds, and the attack that it stops: the one source of them.
    pub const TABLE: &[Limit] = TABLE;
}

impl Default for Limits {
    /// Generous for a component that calls APIs and shapes text.
    fn default() -> Self {
        let mut limits = Self {
            fuel: 0,
            memory_bytes: 0,
            wall_time: Duration::ZERO,
            log_kept_bytes: 0,
            log_total_bytes: 0,
            outputs_bytes: 0,
            message_bytes: 0,
            steps: 0,
            handles: 0,
            table_elements: 0,
            host_call_bytes: 0,
            component_bytes: 0,
            http_requests: 0,
            http_sent_bytes: 0,
            http_received_bytes: 0,
            http_connections: 0,
            tenant_runs: None,
        };
        for limit in TABLE {
            if let Some(default) = limit.default {
                limit.set(&mut limits, default.saturating_mul(limit.scale));
            }
        }
        limits
    }
}

impl<L> Limit<L> {
    /// The limit in people's words, such as `256 MiB` or `30m`.
    #[must_use]
    pub fn of(&self, limits: &L) -> String {
        self.base(limits).map_or_else(|| "unlimited".to_owned(), |base| self.text(base))
    }

    /// What is allowed, in people's words, such as `from 1 to 512 MiB`.
    #[must_use]
    pub fn bounds(&self) -> String {
        if self.is_time() {
            let text = |seconds: u64| self.text(seconds.saturating_mul(self.scale));
            return format!("from {} to {}", text(self.min), text(self.max));
        }
        format!("from {} to {} {}", self.min, self.max, self.unit)
    }

    /// A number of base units in people's words.
    pub(crate) fn text(&self, base: u64) -> String {
        if self.is_time() {
            humantime::format_duration(Duration::from_nanos(base)).to_string()
        } else if base.is_multiple_of(self.scale) {
            let (count, unit) = (base / self.scale, self.unit);
            // "1 million instructions" has its plural from the million.
            let is_one = count == 1 && self.key != "fuel";
            let unit = if is_one { unit.trim_end_matches('s') } else { unit };
            format!("{count} {unit}")
        } else {
            // Not from a file: those count in whole units.
            let base_unit = if self.key == "fuel" { "instructions" } else { "bytes" };
            format!("{base} {base_unit}")
        }
    }

    pub(crate) fn is_time(&self) -> bool {
        self.unit == TIME
    }

    pub(crate) fn base(&self, limits: &L) -> Option<u64> {
        (self.get)(limits)
    }

    pub(crate) fn set(&self, limits: &mut L, base: u64) {
        (self.set)(limits, base);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_in_the_table_and_every_default_within_its_bounds() {
        let limits = Limits::default();
        for limit in Limits::TABLE {
            assert!(limit.min < limit.max, "{}", limit.key);
            assert!(limit.default.is_none_or(|d| (limit.min..=limit.max).contains(&d)));
            assert_eq!(
                limit.base(&limits),
                limit.default.map(|d| d * limit.scale),
                "{}",
                limit.key
            );
        }
        // One row per field: setting all rows leaves no zero behind.
        let shown = format!("{limits:?}");
        assert!(!shown.contains(": 0,") && !shown.contains(": 0ns"), "{shown}");
        assert_eq!(shown.matches(": ").count(), Limits::TABLE.len());
    }

    #[test]
    fn limits_are_shown_in_the_units_of_the_file() {
        let limits = Limits { memory_bytes: 1000, ..Limits::default() };
        let shown =
            |key: &str| Limits::TABLE.iter().find(|limit| limit.key == key).expect(key).of(&limits);
        assert_eq!(shown("fuel"), "10000 million instructions");
        assert_eq!(shown("wall_time"), "30m");
        assert_eq!(shown("memory_mib"), "1000 bytes");
        assert_eq!(shown("tenant_runs"), "unlimited");
        let bounds: Vec<_> = Limits::TABLE.iter().take(3).map(Limit::bounds).collect();
        let expected =
            ["from 1 to 100000000 million instructions", "from 1 to 512 MiB", "from 1s to 7days"];
        assert_eq!(bounds, expected);
    }
}
