//! Paths in Rust code: `a::b`, and each one in `a::{b, c::d}`.

use super::{is_word, words};

/// A path that stands in the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Where it starts.
    pub(crate) offset: usize,
    /// Its parts; the last may be `*`.
    pub(crate) segments: Vec<String>,
}

impl Named {
    /// Whether these parts stand in it, one behind the other.
    pub(crate) fn has(&self, parts: &[&str]) -> bool {
        self.segments.windows(parts.len()).any(|window| window == parts)
    }

    /// The first part.
    pub(crate) fn first(&self) -> &str {
        self.segments.first().map_or("", String::as_str)
    }
}

pub(super) fn paths(code: &str) -> Vec<Named> {
    let mut paths = Vec::new();
    let mut end = 0;
    let mut before = "";
    for (offset, word) in words(code) {
        let is_import = std::mem::replace(&mut before, word) == "use";
        if offset < end || continues_another(&code[..offset]) {
            continue;
        }
        let mut found = Vec::new();
        end = offset + tree(&code[offset..], &[], &mut found);
        let counts = |segments: &Vec<String>| segments.len() > 1 || is_import;
        let named = found.into_iter().filter(counts).map(|segments| Named { offset, segments });
        paths.extend(named);
    }
    paths
}

/// Whether what comes next is a method, a field or a later part of a path.
fn continues_another(before: &str) -> bool {
    let before = before.trim_end();
    let is_path = before
        .strip_suffix("::")
        .is_some_and(|path| path.ends_with([']', '>']) || path.ends_with(is_word));
    is_path || before.ends_with('.') && !before.ends_with("..")
}

/// Reads one path or a group of them; returns its length.
fn tree(code: &str, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = 0;
    loop {
        at += blanks(&code[at..]);
        let rest = &code[at..];
        if rest.starts_with('{') {
            at += 1;
            loop {
                at += tree(&code[at..], &path, found);
                // Nothing between braces but paths, new names (`as x`) and commas.
                match code[at..].find([',', '}']) {
                    Some(end) if code[at + end..].starts_with('}') => return at + end + 1,
                    Some(end) => at += end + 1,
                    None => return code.len(),
                }
            }
        }
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let word = if rest.starts_with('*') { 1 } else { word };
        if word == 0 {
            break;
        }
        path.push(rest[..word].to_owned());
        at += word;
        let next = at + blanks(&code[at..]);
        match code[next..].strip_prefix("::") {
            Some(more)
                if more.trim_start().starts_with(|c| is_word(c) || matches!(c, '{' | '*')) =>
            {
                at = next + 2
            }
            _ => break,
        }
    }
    if path.len() > prefix.len() {
        found.push(path);
    }
    at
}

fn blanks(code: &str) -> usize {
    code.len() - code.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::paths;

    fn spread(code: &str) -> Vec<String> {
        paths(code).into_iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn imports_are_spread_out() {
        assert_eq!(
            spread("use crate::{a, b::{self, C as D, e::*},\n f as g}; use h; use i as j;"),
            ["crate::a", "crate::b::self", "crate::b::C", "crate::b::e::*", "crate::f", "h", "i"]
        );
    }

    #[test]
    fn paths_in_expressions_and_types_are_found() {
        assert_eq!(
            spread(
                "let x: a::B<c::D> = e::f::<g::H>(i.j::<K>(), l..m::N) + <o::P as Q>::r() + ::s::t;"
            ),
            ["a::B", "c::D", "e::f", "g::H", "m::N", "o::P", "s::t"]
        );
    }

    #[test]
    fn a_visibility_is_no_path() {
        assert_eq!(spread("pub(crate) fn f() { match x { A => { b::c() } } }"), ["b::c"]);
    }
}
