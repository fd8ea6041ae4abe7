//! The server's time. Main type: [`Clock`].

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The clock on the wall, and what tests moved it by: clients sign with their own clocks, so this one must go along.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    moved: time::Duration,
}

impl Clock {
    pub(crate) fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + self.moved
    }

    pub(crate) fn forward(&mut self, by: Duration) {
        self.moved += by;
    }

    pub(crate) fn back(&mut self, by: Duration) {
        self.moved -= by;
    }
}

/// To the second, as these services write it.
pub(crate) fn text(at: OffsetDateTime) -> String {
    // Years beyond 9999 are all that can't be written.
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

/// As they write it, or as people do.
pub(crate) fn parse(text: &str) -> Option<OffsetDateTime> {
    let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    OffsetDateTime::parse(&whole, &Rfc3339).ok()
}
