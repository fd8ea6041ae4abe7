//! `components`: what compiling a component may take, and how much of the result is kept.

use std::time::Duration;

use super::measure::{Span, Whole};
use super::reader::{Reader, Section};
use super::show::Show;

const KEYS: &[&str] = &["cacheMib", "compileMemoryMib", "compileTimeout"];

const CACHE: Whole = Whole { default: 1024, min: 0, max: 1024 * 1024, unit: "MiB" };
/// The smallest is what the program itself takes of it, and something to compile with.
const COMPILE_MEMORY: Whole = Whole { default: 2048, min: 256, max: 64 * 1024, unit: "MiB" };
const COMPILE_TIMEOUT: Span = Span {
    default: Duration::from_secs(60),
    min: Duration::from_secs(1),
    max: Duration::from_secs(60 * 60),
};

/// How components become code that can be executed, at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    /// Compiled components that are kept for the next start, in MiB; 0 keeps none. Attack: none, disks are finite.
    pub cache_mib: u64,
    /// Address space of the process that compiles one component, in MiB. Attack: a component that is made to break the
    /// compiler takes the machine's memory.
    pub compile_memory_mib: u64,
    /// How long compiling one component may take. Attack: the same, with time: the daemon would never start.
    pub compile_timeout: Duration,
}

impl Components {
    pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Self {
        let section = reader.subsection(root, "components", KEYS);
        let mut whole = |key: &str, bounds: Whole| {
            let value = reader.parse(&section.join(key), section.find(key), |t| bounds.parse(t));
            value.unwrap_or(bounds.default)
        };
        let cache_mib = whole("cacheMib", CACHE);
        let compile_memory_mib = whole("compileMemoryMib", COMPILE_MEMORY);
        let timeout = section.find("compileTimeout");
        let timeout =
            reader.parse("components.compileTimeout", timeout, |text| COMPILE_TIMEOUT.parse(text));
        let compile_timeout = timeout.unwrap_or(COMPILE_TIMEOUT.default);
        Self { cache_mib, compile_memory_mib, compile_timeout }
    }

    pub(super) fn show(&self, out: &mut Show<'_>) {
        out.section("components", |out| {
            out.value("cacheMib", &self.cache_mib.to_string());
            out.value("compileMemoryMib", &self.compile_memory_mib.to_string());
            out.duration("compileTimeout", self.compile_timeout);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_within_its_bounds() {
        for bounds in [CACHE, COMPILE_MEMORY] {
            assert_eq!(bounds.parse(&bounds.default.to_string()), Ok(bounds.default));
        }
        assert_eq!(COMPILE_TIMEOUT.parse("60s"), Ok(COMPILE_TIMEOUT.default));
    }
}
