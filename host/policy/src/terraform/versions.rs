//! `versions`: which versions of the programs.

use crate::mistake::quoted;
use crate::reader::{Complaint, Reader, Section};
use semver::{Comparator, Op, VersionReq};

/// Major, minor and patch.
type Triple = (u64, u64, u64);

pub(super) fn read(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Vec<VersionReq>> {
    section.value("versions")?;
    let texts = reader.parsed(section, "versions", |text| parse(text).map(|_| text.to_owned()));
    Some(texts.iter().filter_map(|text| VersionReq::parse(text).ok()).collect())
}

fn parse(text: &str) -> Result<VersionReq, Complaint> {
    let hint = "write `>=1.5, <2`, `~1.5` or `=1.5.5`";
    let wrong = |why: &str| Complaint::new(format!("{} {why}", quoted(text))).with_hint(hint);
    let is_bare = |part: &str| part.trim().starts_with(|c: char| c.is_ascii_digit());
    if text.split(',').any(|part| is_bare(part) && !part.contains('*')) {
        // Cargo takes `1.5` for `^1.5`, Terraform for `= 1.5`.
        return Err(wrong("doesn't say how versions are compared"));
    }
    // Of letters, only those behind a number mean something: `x` is a wildcard to cargo.
    let is_odd = |part: &str| part.trim().starts_with(|c: char| c.is_ascii_alphabetic());
    if text.split(',').any(is_odd) {
        return Err(wrong("is not a requirement of versions"));
    }
    VersionReq::parse(text).map_err(|_| wrong("is not a requirement of versions"))
}

/// Whether every version that fits `narrow` fits one of `wide`. In doubt, no; what comes before a release is taken for the release.
pub(super) fn is_within(narrow: &VersionReq, wide: &[VersionReq]) -> bool {
    let (mut from, end) = span(narrow);
    let spans: Vec<_> = wide.iter().map(span).collect();
    loop {
        if end.is_some_and(|end| from >= end) {
            return true;
        }
        // The span that holds `from` and reaches farthest.
        let holding =
            spans.iter().filter(|(start, end)| *start <= from && end.is_none_or(|end| from < end));
        let reached = holding.map(|(_, end)| end.unwrap_or((u64::MAX, u64::MAX, u64::MAX))).max();
        match reached {
            Some(reached) if reached > from => from = reached,
            Some(_) => return true,
            None => return from == (u64::MAX, u64::MAX, u64::MAX),
        }
    }
}

/// From where, and up to where but without it.
fn span(requirement: &VersionReq) -> (Triple, Option<Triple>) {
    let mut all = ((0, 0, 0), None);
    for comparator in &requirement.comparators {
        let (start, end) = of_comparator(comparator);
        all.0 = all.0.max(start);
        all.1 = match (all.1, end) {
            (Some(one), Some(other)) => Some(std::cmp::min::<Triple>(one, other)),
            (one, other) => one.or(other),
        };
    }
    all
}

fn of_comparator(comparator: &Comparator) -> (Triple, Option<Triple>) {
    let Comparator { op, major, minor, patch, .. } = comparator;
    let base = (*major, minor.unwrap_or(0), patch.unwrap_or(0));
    let next_major = (major.saturating_add(1), 0, 0);
    let next_minor = minor.map_or(next_major, |minor| (*major, minor.saturating_add(1), 0));
    let next = match (minor, patch) {
        (Some(minor), Some(patch)) => (*major, *minor, patch.saturating_add(1)),
        _ => next_minor,
    };
    match op {
        Op::Exact | Op::Wildcard => (base, Some(next)),
        Op::Greater => (next, None),
        Op::GreaterEq => (base, None),
        Op::Less => ((0, 0, 0), Some(base)),
        Op::LessEq => ((0, 0, 0), Some(next)),
        Op::Tilde => (base, Some(next_minor)),
        Op::Caret if *major > 0 || minor.is_none() => (base, Some(next_major)),
        Op::Caret if *minor > Some(0) || patch.is_none() => (base, Some(next_minor)),
        Op::Caret => (base, Some(next)),
        // Unknown: nothing is known to be within it.
        _ => (base, Some(base)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use semver::Version;

    #[test]
    fn requirements_say_how_they_compare() {
        for text in
            ["1.5", "1.5.5", "v1.5", ">=1.5, 2", "~> 1.5", "latest", ">=", "=1.5.5 || =1.6", "x"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in [">=1.5, <2", "=1.5.5", "~1.5", "^1.6", "1.*", "*", ">1, <=1.9.3", "=1.6.0-rc1"]
        {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_requirement_within_others_allows_no_version_that_they_do_not() {
        let all: Vec<_> = [
            "*",
            ">=1.5, <2",
            "~1.5",
            "=1.5.5",
            "<1.6",
            ">1.5",
            "<=1.5.5",
            ">1.5.5",
            "^0.3",
            "^0.0.3",
            "1.5.*",
            "=1",
            "^1.6",
        ]
        .iter()
        .map(|text| parse(text).expect(text))
        .collect();
        let versions: Vec<_> = (0..3)
            .flat_map(|major| (0..8).map(move |minor| (major, minor)))
            .flat_map(|(major, minor)| (0..8).map(move |patch| Version::new(major, minor, patch)))
            .collect();
        let mut within = 0;
        for narrow in &all {
            for one in &all {
                for other in &all {
                    let wide = [one.clone(), other.clone()];
                    let allowed = |v: &&Version| wide.iter().any(|wide| wide.matches(v));
                    let is_within = is_within(narrow, &wide);
                    let mut fitting = versions.iter().filter(|version| narrow.matches(version));
                    assert_eq!(
                        is_within,
                        fitting.all(|v| allowed(&v)),
                        "{narrow} in {one} or {other}"
                    );
                    within += usize::from(is_within);
                }
            }
        }
        assert!(within > 300, "{within}");
    }
}
