//! Patterns of routes: a text in which `*` stands for any number of characters.

use std::fmt;

/// A pattern. There is no way to mean a literal `*`: none of the matched identifiers can hold one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern; every text is one.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `text` fits. Upper and lower case differ. Takes at most |pattern| x |text| steps.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            // The first place is the best: it leaves most for the parts that follow.
            let Some(at) = rest.find(part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(last)
    }

    /// Whether every text that fits `other` fits this, too.
    ///
    /// Matching the other pattern as if it were a text is enough: our literal parts hold no `*`, so each `*` of the other
    /// is taken in by one of ours, and so is whatever it stands for.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).matches(text)
    }

    /// The definition, without any cleverness.
    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) if slow(rest, text) => true,
            (Some((b'*', _)), Some((_, left))) => slow(pattern, left),
            (Some((a, rest)), Some((b, left))) => a == b && slow(rest, left),
            _ => false,
        }
    }

    fn all(alphabet: &[char], length: usize) -> Vec<String> {
        let mut texts = vec![String::new()];
        let mut last = texts.clone();
        for _ in 0..length {
            last =
                last.iter().flat_map(|t| alphabet.iter().map(move |c| format!("{t}{c}"))).collect();
            texts.extend(last.clone());
        }
        texts
    }

    #[test]
    fn stars_stand_for_any_characters_and_the_rest_for_itself() {
        for (pattern, text) in
            [("*", ""), ("*", "x"), ("a*", "a"), ("a*c", "abc"), ("*b*", "abc"), ("a*b*c", "aXbYc")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a", "A"), ("a", "ab"), ("", "a"), ("a*a", "a"), ("*ab*b", "ab"), ("a?", "ab")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn matching_agrees_with_its_definition_on_all_short_inputs() {
        for pattern in all(&['a', 'b', '*'], 5) {
            for text in all(&['a', 'b'], 5) {
                assert_eq!(
                    matches(&pattern, &text),
                    slow(pattern.as_bytes(), text.as_bytes()),
                    "{pattern} {text}"
                );
            }
        }
    }

    #[test]
    fn covering_pattern_matches_all_that_the_covered_matches() {
        let (patterns, texts) = (all(&['a', 'b', '*'], 4), all(&['a', 'b'], 5));
        for wide in &patterns {
            for narrow in
                patterns.iter().filter(|n| Pattern::new(&**wide).covers(&Pattern::new(&***n)))
            {
                for text in texts.iter().filter(|text| matches(narrow, text)) {
                    assert!(matches(wide, text), "{wide} covers {narrow} but not {text}");
                }
            }
        }
    }
}
