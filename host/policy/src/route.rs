//! Which runs a route is for: [`RouteMatch`].

use crate::pattern::Pattern;

/// Which runs a route is for: every field that has patterns must match with one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMatch {
    /// On the type of the definition's implementation: `MANUAL`, `TERRAFORM` and so on.
    pub implementation_type: Vec<Pattern>,
    /// On the UUID of the definition, in lower case.
    pub definition: Vec<Pattern>,
    /// On the workspace that owns the definition.
    pub owner: Vec<Pattern>,
    /// On the workspace that ordered the block.
    pub tenant: Vec<Pattern>,
}

/// What a [`RouteMatch`] is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The implementation type.
    pub implementation_type: &'a str,
    /// The definition's UUID.
    pub definition: &'a str,
    /// The workspace that owns the definition.
    pub owner: &'a str,
    /// The workspace that ordered the block.
    pub tenant: &'a str,
}

impl RouteMatch {
    /// Whether a run is for this route.
    #[must_use]
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.mismatch(subject).is_none()
    }

    /// The first field by which a run is not for this route, as its place in [`fields`](Self::fields).
    #[must_use]
    pub fn mismatch(&self, subject: &Subject<'_>) -> Option<usize> {
        let definition = subject.definition.to_ascii_lowercase();
        let texts = [subject.implementation_type, &definition, subject.owner, subject.tenant];
        self.fields().into_iter().zip(texts).position(|(patterns, text)| {
            !patterns.is_empty() && !patterns.iter().any(|pattern| pattern.matches(text))
        })
    }

    /// Whether every run that `other` is for would be for this, too. Sound, not complete: it may say no in doubt.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.fields().into_iter().zip(other.fields()).all(|(wide, narrow)| {
            let covered = |n: &Pattern| wide.iter().any(|w| w.covers(n));
            wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(covered))
        })
    }

    /// The patterns in the order `implementation_type`, `definition`, `owner`, `tenant`.
    #[must_use]
    pub fn fields(&self) -> [&[Pattern]; 4] {
        [&self.implementation_type, &self.definition, &self.owner, &self.tenant]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(implementation: &[&str], tenant: &[&str]) -> RouteMatch {
        let patterns = |texts: &[&str]| texts.iter().map(|t| Pattern::new(*t)).collect();
        RouteMatch {
            implementation_type: patterns(implementation),
            tenant: patterns(tenant),
            ..RouteMatch::default()
        }
    }

    fn subject<'a>(implementation_type: &'a str, tenant: &'a str) -> Subject<'a> {
        Subject { implementation_type, definition: "B23C", owner: "platform", tenant }
    }

    #[test]
    fn all_given_fields_must_match_with_any_of_their_patterns() {
        let matches = matching(&["MANUAL", "TERRA*"], &["team-*"]);
        assert!(matches.matches(&subject("TERRAFORM", "team-a")));
        assert!(matches.matches(&subject("MANUAL", "team-")));
        assert!(!matches.matches(&subject("MANUAL", "other")));
        assert!(!matches.matches(&subject("manual", "team-a")));
    }

    #[test]
    fn definitions_are_compared_in_lower_case() {
        let matches =
            RouteMatch { definition: vec![Pattern::new("b23c")], ..RouteMatch::default() };
        assert!(matches.matches(&subject("MANUAL", "team-a")));
    }

    #[test]
    fn the_first_field_that_does_not_match_is_named_with_its_case() {
        let matches = matching(&["MANUAL"], &["team-a"]);
        assert_eq!(matches.mismatch(&subject("MANUAL", "team-a")), None);
        assert_eq!(matches.mismatch(&subject("MANUAL", "Team-A")), Some(3));
        assert_eq!(matches.mismatch(&subject("manual", "Team-A")), Some(0));
    }

    #[test]
    fn covering_needs_every_field() {
        let wide = matching(&["*"], &[]);
        assert!(wide.covers(&matching(&["MANUAL"], &["a"])));
        assert!(wide.covers(&matching(&["MANUAL", "X*"], &[])));
        assert!(!wide.covers(&matching(&[], &["a"])), "in doubt, no");
        assert!(!matching(&["MANUAL"], &["a"]).covers(&matching(&["MANUAL"], &[])));
        assert!(!matching(&["MANUAL"], &[]).covers(&matching(&["MANUAL", "OTHER"], &[])));
    }
}
