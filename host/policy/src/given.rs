//! `[limits]`: which limits a file gives: [`GivenLimits`].

use std::time::Duration;

use crate::limits::{Limit, Limits};
use crate::position::Position;
use crate::reader::{Complaint, Reader, Section};

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// `[limits]`: only what the file says.
#[derive(Clone, Debug)]
pub struct GivenLimits {
    position: Position,
    reason: String,
    limits: Vec<GivenLimit>,
}

/// One limit that a file gives.
#[derive(Clone, Debug)]
pub struct GivenLimit {
    limit: &'static Limit,
    base: u64,
    position: Position,
}

impl GivenLimits {
    /// Where the section stands.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The limits, in the order of [`Limits::TABLE`].
    #[must_use]
    pub fn limits(&self) -> &[GivenLimit] {
        &self.limits
    }
}

impl GivenLimit {
    /// Which limit.
    #[must_use]
    pub fn limit(&self) -> &'static Limit {
        self.limit
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The value in people's words.
    #[must_use]
    pub fn value(&self) -> String {
        self.limit.text(self.base)
    }

    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Sets the limit, whatever it was.
    pub(crate) fn apply(&self, limits: &mut Limits) {
        self.limit.set(limits, self.base);
    }

    /// Lowers the limit if it is higher.
    pub(crate) fn bound(&self, limits: &mut Limits) {
        let base = self.limit.base(limits).map_or(self.base, |base| base.min(self.base));
        self.limit.set(limits, base);
    }
}

pub(crate) fn read(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    has_http: bool,
) -> Option<GivenLimits> {
    let section = reader.section(root, "limits", "[limits]")?;
    let known: Vec<_> =
        Limits::TABLE.iter().map(|limit| limit.key).chain(std::iter::once("reason")).collect();
    reader.know(&section, &known);
    let reason = reader.required_text(&section, "reason").unwrap_or_default();
    if section.value("reason").is_some() && section.entries().nth(1).is_none() {
        reader.note(section.span(), Complaint::new("[limits] limits nothing"));
    }
    let mut limits = Vec::new();
    for limit in Limits::TABLE {
        let base = if limit.is_time() {
            read_time(reader, &section, limit)
        } else {
            let number = reader.whole(&section, limit.key, limit.min, limit.max, limit.unit);
            number.map(|number| number.saturating_mul(limit.scale))
        };
        let (Some(base), Some(value)) = (base, section.value(limit.key)) else { continue };
        if limit.key == "http_requests" && base == 0 && has_http {
            let message = "`http_requests = 0` leaves nothing of what [[http]] grants";
            reader.note(value.span(), Complaint::new(message));
        }
        limits.push(GivenLimit { limit, base, position: reader.position_of(&value.span()) });
    }
    Some(GivenLimits { position: reader.position(&section), reason, limits })
}

fn read_time(reader: &mut Reader<'_>, section: &Section<'_>, limit: &Limit) -> Option<u64> {
    let text = reader.text(section, limit.key)?;
    let key = limit.key;
    let bounds = Duration::from_secs(limit.min)..=Duration::from_secs(limit.max);
    let result = match humantime::parse_duration(text.get_ref()) {
        Err(_) => Err(Complaint::new(format!("`{key}` is not a time"))
            .with_hint("write a text such as `30m` or `1h 30m`")),
        Ok(time) if bounds.contains(&time) => {
            Ok(time.as_secs().saturating_mul(SECOND).saturating_add(time.subsec_nanos().into()))
        }
        Ok(_) => Err(Complaint::new(format!("`{key}` must be {}", limit.bounds()))),
    };
    reader.check(text.span(), result)
}
