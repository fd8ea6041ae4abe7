//! `ports`: single ports and ranges: [`PortRange`].

use std::fmt;
use std::ops::RangeInclusive;

use toml::de::DeValue;

use crate::mistake::quoted;
use crate::reader::{Complaint, Distinct, Reader, Section};

/// One port, or the ports from a first to a last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Whether `port` is one of them.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// The ports.
    #[must_use]
    pub fn ports(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }

    /// Whether every port of this is in one of `others`.
    pub(crate) fn is_within(self, others: &[Self]) -> bool {
        let mut next = Some(self.first);
        while let Some(port) = next.filter(|port| *port <= self.last) {
            let Some(range) = others.iter().find(|range| range.contains(port)) else {
                return false;
            };
            next = range.last.checked_add(1);
        }
        true
    }
}

impl From<u16> for PortRange {
    fn from(port: u16) -> Self {
        Self { first: port, last: port }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

pub(crate) fn read(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<PortRange> {
    let Some(items) = reader.list(section, "ports") else { return Vec::new() };
    let mut distinct = Distinct::default();
    for item in items {
        let range = match item.get_ref() {
            DeValue::Integer(integer) => u16::from_str_radix(integer.as_str(), integer.radix())
                .ok()
                .filter(|port| *port > 0)
                .map(PortRange::from)
                .ok_or_else(|| Complaint::new("a port must be from 1 to 65535")),
            DeValue::String(text) => parse_range(text),
            other => {
                let kind = crate::reader::kind(other);
                Err(Complaint::new(format!("`ports` must hold numbers and ranges, not {kind}")))
            }
        };
        if let Some(range) = reader.check(item.span(), range) {
            distinct.add(reader, item.span(), "ports", range);
        }
    }
    distinct.values
}

fn parse_range(text: &str) -> Result<PortRange, Complaint> {
    let bad = || {
        Complaint::new(format!("{} is not a range of ports", quoted(text)))
            .with_hint("write `443` without quotes or `\"8000-8100\"`")
    };
    let port = |text: &str| {
        let is_plain = text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| is_plain && *port > 0)
    };
    let (first, last) = text.split_once('-').ok_or_else(bad)?;
    let (first, last) = port(first).zip(port(last)).ok_or_else(bad)?;
    if first > last {
        return Err(Complaint::new(format!("{} ends before it starts", quoted(text))));
    }
    Ok(PortRange { first, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u16, last: u16) -> PortRange {
        PortRange { first, last }
    }

    #[test]
    fn a_range_may_be_covered_by_several() {
        let others = [range(1, 80), range(81, 100), range(90, u16::MAX)];
        assert!(range(1, u16::MAX).is_within(&others));
        assert!(range(u16::MAX, u16::MAX).is_within(&others));
        assert!(!range(1, 101).is_within(&[range(1, 80), range(82, 200)]));
        assert!(!range(1, 1).is_within(&[]));
    }
}
