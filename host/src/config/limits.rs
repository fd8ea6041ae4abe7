//! `limits`: what one run may use. The same keys under a route override them for the runs of that route.

use std::time::Duration;

use super::measure::{Span, Whole};
use super::reader::{Found, Reader, Section};
use super::show::Show;

/// Keys of the section.
pub(super) const KEYS: &[&str] = &[
    "componentMib",
    "fuel",
    "handles",
    "hostCallMib",
    "logKib",
    "logTotalMib",
    "memoryMib",
    "messageKib",
    "outputsKib",
    "steps",
    "tableElements",
    "wallTime",
];

const FUEL: Whole =
    Whole { default: 10_000, min: 1, max: 100_000_000, unit: "million instructions" };
const MEMORY: Whole = Whole { default: 256, min: 1, max: 512, unit: "MiB" };
const WALL_TIME: Span = Span {
    default: Duration::from_secs(30 * 60),
    min: Duration::from_secs(1),
    max: Duration::from_secs(7 * 24 * 60 * 60),
};
const LOG: Whole = Whole { default: 256, min: 1, max: 16 * 1024, unit: "KiB" };
const LOG_TOTAL: Whole = Whole { default: 64, min: 1, max: 4096, unit: "MiB" };
const OUTPUTS: Whole = Whole { default: 1024, min: 1, max: 16 * 1024, unit: "KiB" };
const MESSAGE: Whole = Whole { default: 16, min: 1, max: 1024, unit: "KiB" };
const STEPS: Whole = Whole { default: 100, min: 1, max: 10_000, unit: "steps" };
const HANDLES: Whole = Whole { default: 4096, min: 16, max: 1_000_000, unit: "handles" };
const TABLE_ELEMENTS: Whole = Whole { default: 20_000, min: 100, max: 20_000, unit: "elements" };
const HOST_CALL: Whole = Whole { default: 8, min: 1, max: 128, unit: "MiB" };
const COMPONENT: Whole = Whole { default: 32, min: 1, max: 512, unit: "MiB" };

/// What one run may use before it is stopped. Each field names its unit and the attack that it stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Instructions, in millions; host calls are charged, too. Attack: an endless loop burns a core.
    pub fuel_millions: u64,
    /// Memory of all instances of the run together, in MiB. Attack: a component that allocates for ever.
    pub memory_mib: u64,
    /// Time from instantiation to the end. Attack: a component that waits for ever holds its slot. `limits.wallTime` or
    /// `timeoutMins`.
    pub wall_time: Duration,
    /// Log kept per step (its beginning and its end), in KiB. Attack: each update sends the whole log again.
    pub log_kib: u64,
    /// All that a run may write to its logs before it is stopped, in MiB. Attack: a flood that only costs CPU.
    pub log_total_mib: u64,
    /// Keys and values of all outputs of a run, in KiB. Attack: outputs are kept until meshStack has accepted them.
    pub outputs_kib: u64,
    /// User message of one step, in KiB. Attack: as with logs; a message has no head and tail.
    pub message_kib: u64,
    /// Steps that a run may declare. Attack: every update repeats all steps.
    pub steps: u64,
    /// Resources that a run may hold at the same time. Attack: handles live in the host's memory, outside `memoryMib`.
    pub handles: u64,
    /// Elements of each table; the pool has room for no more than the default. Attack: tables live in the host's memory, outside `memoryMib`.
    pub table_elements: u64,
    /// Bytes that cross the boundary in one host call, in MiB. Attack: the host copies what a call passes.
    pub host_call_mib: u64,
    /// Size of the component file, in MiB. Attack: compiling takes time and memory in proportion.
    pub component_mib: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel_millions: FUEL.default,
            memory_mib: MEMORY.default,
            wall_time: WALL_TIME.default,
            log_kib: LOG.default,
            log_total_mib: LOG_TOTAL.default,
            outputs_kib: OUTPUTS.default,
            message_kib: MESSAGE.default,
            steps: STEPS.default,
            handles: HANDLES.default,
            table_elements: TABLE_ELEMENTS.default,
            host_call_mib: HOST_CALL.default,
            component_mib: COMPONENT.default,
        }
    }
}

impl Limits {
    /// Reads the global section and the older `timeoutMins`.
    pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Self {
        let section = reader.subsection(root, "limits", KEYS);
        let older = root.find("timeoutMins");
        let limits = Self::default().overridden(reader, &section, older.as_ref());
        let Some(older) = reader.either(older, section.find("wallTime")) else { return limits };
        if older.key != "timeoutMins" {
            return limits;
        }
        let minute = Duration::from_secs(60);
        let wall_time = reader
            .parse("limits.wallTime", Some(older), |text| WALL_TIME.parse_count(text, minute));
        Self { wall_time: wall_time.unwrap_or(limits.wall_time), ..limits }
    }

    /// These limits with what `section` says instead. `wallTime` is left alone when `older` sets it.
    pub(super) fn overridden(
        self,
        reader: &mut Reader<'_>,
        section: &Section<'_>,
        older: Option<&Found<'_>>,
    ) -> Self {
        let mut whole = |key: &str, bounds: Whole, inherited: u64| {
            let value = reader.parse(&section.join(key), section.find(key), |t| bounds.parse(t));
            value.unwrap_or(inherited)
        };
        let fuel_millions = whole("fuel", FUEL, self.fuel_millions);
        let memory_mib = whole("memoryMib", MEMORY, self.memory_mib);
        let log_kib = whole("logKib", LOG, self.log_kib);
        let log_total_mib = whole("logTotalMib", LOG_TOTAL, self.log_total_mib);
        let outputs_kib = whole("outputsKib", OUTPUTS, self.outputs_kib);
        let message_kib = whole("messageKib", MESSAGE, self.message_kib);
        let steps = whole("steps", STEPS, self.steps);
        let handles = whole("handles", HANDLES, self.handles);
        let table_elements = whole("tableElements", TABLE_ELEMENTS, self.table_elements);
        let host_call_mib = whole("hostCallMib", HOST_CALL, self.host_call_mib);
        let component_mib = whole("componentMib", COMPONENT, self.component_mib);
        let wall_time = section.find("wallTime").filter(|_| older.is_none());
        let wall_time =
            reader.parse(&section.join("wallTime"), wall_time, |text| WALL_TIME.parse(text));
        Self {
            fuel_millions,
            memory_mib,
            wall_time: wall_time.unwrap_or(self.wall_time),
            log_kib,
            log_total_mib,
            outputs_kib,
            message_kib,
            steps,
            handles,
            table_elements,
            host_call_mib,
            component_mib,
        }
    }

    /// The same in the units of those who enforce them.
    #[must_use]
    pub fn enforceable(&self) -> blockhouse_policy::Limits {
        let size = |count: u64, unit: u64| {
            usize::try_from(count.saturating_mul(unit)).unwrap_or(usize::MAX)
        };
        const KIB: u64 = 1 << 10;
        const MIB: u64 = 1 << 20;
        blockhouse_policy::Limits {
            fuel: self.fuel_millions.saturating_mul(1_000_000),
            memory_bytes: size(self.memory_mib, MIB),
            wall_time: self.wall_time,
            log_kept_bytes: size(self.log_kib, KIB),
            log_total_bytes: self.log_total_mib.saturating_mul(MIB),
            outputs_bytes: size(self.outputs_kib, KIB),
            message_bytes: size(self.message_kib, KIB),
            steps: size(self.steps, 1),
            handles: size(self.handles, 1),
            table_elements: size(self.table_elements, 1),
            host_call_bytes: size(self.host_call_mib, MIB),
            component_bytes: size(self.component_mib, MIB),
        }
    }

    /// Shows the section; with `only_given`, just the keys that the configuration sets at this place.
    pub(super) fn show(&self, out: &mut Show<'_>, only_given: bool) {
        let wall_time = humantime::format_duration(self.wall_time).to_string();
        let values = [
            ("fuel", self.fuel_millions.to_string()),
            ("memoryMib", self.memory_mib.to_string()),
            ("wallTime", wall_time),
            ("logKib", self.log_kib.to_string()),
            ("logTotalMib", self.log_total_mib.to_string()),
            ("outputsKib", self.outputs_kib.to_string()),
            ("messageKib", self.message_kib.to_string()),
            ("steps", self.steps.to_string()),
            ("handles", self.handles.to_string()),
            ("tableElements", self.table_elements.to_string()),
            ("hostCallMib", self.host_call_mib.to_string()),
            ("componentMib", self.component_mib.to_string()),
        ];
        out.section("limits", |out| {
            for (key, value) in &values {
                if !only_given || out.is_given(key) {
                    out.value(key, value);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_policy() {
        assert_eq!(Limits::default().enforceable(), blockhouse_policy::Limits::default());
    }

    #[test]
    fn every_default_is_within_its_bounds() {
        for bounds in [
            FUEL,
            MEMORY,
            LOG,
            LOG_TOTAL,
            OUTPUTS,
            MESSAGE,
            STEPS,
            HANDLES,
            TABLE_ELEMENTS,
            HOST_CALL,
            COMPONENT,
        ] {
            assert_eq!(bounds.parse(&bounds.default.to_string()), Ok(bounds.default));
        }
    }
}
