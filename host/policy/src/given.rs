//! `[limits]` and `[terraform.limits]`: which limits a file gives: [`GivenLimits`].

use std::time::Duration;

use crate::limits::{Limit, Limits, SECOND, Tabled};
use crate::position::Position;
use crate::reader::{Complaint, Reader, Section};

/// `[limits]` or `[terraform.limits]`: only what the file says.
#[derive(Clone, Debug)]
pub struct GivenLimits<L: 'static = Limits> {
    position: Position,
    reason: String,
    limits: Vec<GivenLimit<L>>,
}

/// One limit that a file gives.
#[derive(Clone, Debug)]
pub struct GivenLimit<L: 'static = Limits> {
    limit: &'static Limit<L>,
    base: u64,
    position: Position,
}

impl<L> GivenLimits<L> {
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

    /// The limits, in the order of their table.
    #[must_use]
    pub fn limits(&self) -> &[GivenLimit<L>] {
        &self.limits
    }
}

impl<L> GivenLimit<L> {
    /// Which limit.
    #[must_use]
    pub fn limit(&self) -> &'static Limit<L> {
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
    pub(crate) fn apply(&self, limits: &mut L) {
        self.limit.set(limits, self.base);
    }

    /// Lowers the limit if it is higher.
    pub(crate) fn bound(&self, limits: &mut L) {
        let base = self.limit.base(limits).map_or(self.base, |base| base.min(self.base));
        self.limit.set(limits, base);
    }
}

/// What `own` gives or else `defaults`, within what `ceiling` gives.
pub(crate) fn within<L>(
    mut defaults: L,
    own: Option<&GivenLimits<L>>,
    ceiling: Option<&GivenLimits<L>>,
) -> L {
    for given in own.iter().flat_map(|given| given.limits()) {
        given.apply(&mut defaults);
    }
    // SECURITY: grants::a_ceiling_lowers_limits_and_never_raises_them
    for given in ceiling.iter().flat_map(|given| given.limits()) {
        given.bound(&mut defaults);
    }
    defaults
}

/// The section `limits` of `parent`.
pub(crate) fn read<L: Tabled>(
    reader: &mut Reader<'_>,
    parent: &Section<'_>,
    has_http: bool,
) -> Option<GivenLimits<L>> {
    let section = reader.section(parent, "limits", L::TITLE)?;
    let known: Vec<_> =
        L::TABLE.iter().map(|limit| limit.key).chain(std::iter::once("reason")).collect();
    reader.know(&section, &known);
    let reason = reader.required_text(&section, "reason").unwrap_or_default();
    if section.value("reason").is_some() && section.entries().nth(1).is_none() {
        reader.note(section.span(), Complaint::new(format!("{} limits nothing", L::TITLE)));
    }
    let mut limits = Vec::new();
    for limit in L::TABLE {
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

fn read_time<L>(reader: &mut Reader<'_>, section: &Section<'_>, limit: &Limit<L>) -> Option<u64> {
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
