//! `journal`: how much room it leaves, and how long it keeps what nobody wants.

use std::time::Duration;

use super::measure::{Span, Whole};
use super::reader::{Reader, Section};
use super::show::Show;

const KEYS: &[&str] = &["maxMib", "minFreeMib", "retention"];

/// Attack: a tenant's runs fill the disk, and what is claimed after that is lost. The default is several times what a run writes down at
/// its end, and more than native programs are stopped at.
const MIN_FREE: Whole = Whole { default: 64, min: 0, max: 1024 * 1024, unit: "MiB" };
/// Attack: orders whose final statuses are too much for meshStack fill the disk. 0 keeps none.
const MAX: Whole = Whole { default: 256, min: 0, max: 1024 * 1024, unit: "MiB" };
/// Time enough for an operator to come back from a holiday.
const RETENTION: Span = Span {
    default: Duration::from_secs(30 * 24 * 60 * 60),
    min: Duration::from_secs(60 * 60),
    max: Duration::from_secs(10 * 366 * 24 * 60 * 60),
};

/// What the journal leaves to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// MiB that must be free in the state directory: with fewer, no run is claimed. 0: whatever is free.
    pub min_free_mib: u64,
    /// MiB that runs may take which meshStack has rejected; the oldest go first.
    pub max_mib: u64,
    /// How long such runs are kept.
    pub retention: Duration,
}

impl Journal {
    pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Self {
        let section = reader.subsection(root, "journal", KEYS);
        let mut whole = |key: &str, bounds: Whole| {
            let value = reader.parse(&section.join(key), section.find(key), |t| bounds.parse(t));
            value.unwrap_or(bounds.default)
        };
        let (min_free_mib, max_mib) = (whole("minFreeMib", MIN_FREE), whole("maxMib", MAX));
        let retention = section.find("retention");
        let retention = reader.parse("journal.retention", retention, |t| RETENTION.parse(t));
        Self { min_free_mib, max_mib, retention: retention.unwrap_or(RETENTION.default) }
    }

    pub(super) fn show(&self, out: &mut Show<'_>) {
        out.section("journal", |out| {
            out.value("minFreeMib", &self.min_free_mib.to_string());
            out.value("maxMib", &self.max_mib.to_string());
            out.duration("retention", self.retention);
        });
    }
}
