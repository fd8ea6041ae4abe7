//! A look at Rust code that is good enough for rules about words and paths: what is code, what is a comment, what is a test.
//!
//! Not a parser. The code is what is left when comments and the contents of literals are blanked, at the same offsets.

mod blank;
mod path;

pub(crate) use path::Named;

use crate::repository::{File, files};
use std::ops::Range;
use std::sync::LazyLock;

/// Every file of Rust in the repository, taken apart once.
pub(crate) fn sources() -> impl Iterator<Item = (&'static File, &'static Rust)> {
    static SOURCES: LazyLock<Vec<(&File, Rust)>> = LazyLock::new(|| {
        let files = files().iter().filter(|file| file.path.ends_with(".rs"));
        files.map(|file| (file, Rust::new(&file.text))).collect()
    });
    SOURCES.iter().map(|(file, rust)| (*file, rust))
}

/// A file of Rust, taken apart.
#[derive(Debug)]
pub(crate) struct Rust {
    /// Same length and lines as the file.
    pub(crate) code: String,
    /// Line comments, doc comments included, by line (from 1).
    pub(crate) comments: Vec<(usize, String)>,
    /// Parts of the code that exist only in tests.
    tests: Vec<Range<usize>>,
}

impl Rust {
    pub(crate) fn new(text: &str) -> Self {
        let (code, comments) = blank::blank(text);
        let tests = test_ranges(&code);
        Self { code, comments, tests }
    }

    /// Whether this offset is inside an item under `#[cfg(test)]`.
    pub(crate) fn is_test(&self, offset: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&offset))
    }

    /// The line of an offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }

    /// Every place where this stands in the code.
    pub(crate) fn find<'a>(&'a self, what: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(what).map(|(offset, _)| offset)
    }

    /// Every path in the code, imports spread out.
    pub(crate) fn paths(&self) -> Vec<Named> {
        path::paths(&self.code)
    }

    /// Every identifier and keyword.
    pub(crate) fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        words(&self.code)
    }

    /// Attributes from `#` to `]`.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (usize, &str)> {
        self.find("#").filter_map(|offset| {
            let rest = &self.code[offset..];
            let open = rest.find('[').filter(|open| matches!(&rest[1..*open], "" | "!"))?;
            Some((offset, &rest[..open + closing(&rest[open..])?]))
        })
    }

    /// The modules that are declared without a body, with whether only tests have them.
    pub(crate) fn declared_modules(&self) -> impl Iterator<Item = (&str, bool)> {
        self.module_names()
            .filter(|(_, _, body)| !body)
            .map(|(offset, name, _)| (name, self.is_test(offset)))
    }

    /// Offset and name of each module, and whether its body is here.
    pub(crate) fn module_names(&self) -> impl Iterator<Item = (usize, &str, bool)> {
        let mut words = self.words().peekable();
        std::iter::from_fn(move || {
            loop {
                let (offset, word) = words.next()?;
                let Some(&(at, name)) = words.peek() else { continue };
                let next = self.code[at + name.len()..].trim_start().chars().next();
                if word == "mod" && matches!(next, Some('{' | ';')) {
                    return Some((offset, name, next == Some('{')));
                }
            }
        })
    }

    /// The modules and the name of each function with a `#[test]` attribute (or one that ends in `::test`).
    pub(crate) fn tests(&self) -> Vec<Vec<String>> {
        let mut tests = Vec::new();
        let mut inside: Vec<(String, usize)> = Vec::new();
        let (mut depth, mut is_test, mut at) = (0, false, 0);
        while let Some(next) = self.code[at..].chars().next() {
            let rest = &self.code[at..];
            let word = rest.split(|c| !is_word(c)).next().unwrap_or_default();
            let following = || words(&rest[word.len()..]).next().map_or("", |(_, name)| name);
            match next {
                '#' if rest.starts_with("#[") => {
                    let name = rest[2..].split(|c| !is_word(c) && c != ':').next();
                    is_test |= name.is_some_and(|name| name.rsplit(':').next() == Some("test"));
                    at += closing(rest).unwrap_or(1);
                    continue;
                }
                '{' => depth += 1,
                '}' => {
                    depth -= 1;
                    inside.retain(|(_, module_depth)| *module_depth <= depth);
                }
                _ if word == "mod" => inside.push((following().to_owned(), depth + 1)),
                _ if word == "fn" && std::mem::take(&mut is_test) => {
                    let modules = inside.iter().map(|(name, _)| name.clone());
                    tests.push(modules.chain([following().to_owned()]).collect());
                }
                // A module without a body ends here.
                ';' => inside.retain(|(_, module_depth)| *module_depth <= depth),
                _ => {}
            }
            at += word.len().max(next.len_utf8());
        }
        tests
    }
}

/// What `#[cfg(test)]` covers: an item up to the end of its first block, or up to its semicolon.
fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let ranges = code.match_indices("#[cfg(test)]").map(|(start, attribute)| {
        let item = start + attribute.len();
        let end = match code[item..].find([';', '{']) {
            Some(end) if code[item + end..].starts_with('{') => {
                item + end + closing(&code[item + end..]).unwrap_or(code.len() - item - end)
            }
            Some(end) => item + end,
            None => code.len(),
        };
        start..end
    });
    ranges.collect()
}

/// The offset behind the bracket that closes the first one.
fn closing(code: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (offset, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(offset + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Every identifier and keyword with its offset.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(is_word)?;
        let end = code[start..].find(|c| !is_word(c)).map_or(code.len(), |end| start + end);
        at = end;
        Some((start, &code[start..end]))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::Rust;

    #[test]
    fn what_only_tests_have_is_told_apart() {
        let rust =
            Rust::new("use a::b;\n#[cfg(test)]\nmod tests {\n  fn f() { c::d() }\n}\nmod e;");
        let places =
            ["a::b", "c::d", "mod e"].map(|what| rust.is_test(rust.find(what).next().unwrap()));
        assert_eq!(places, [false, true, false]);
        assert_eq!(rust.declared_modules().collect::<Vec<_>>(), [("e", false)]);
    }

    #[test]
    fn tests_are_found_with_their_modules() {
        let rust = Rust::new(
            "mod a; mod b { mod c { #[test]\n#[expect(x)]\nfn one() {} fn no() {} }\n\
             #[tokio::test(flavor = \"current_thread\")] async fn two() { { } } } #[test] fn three() {}",
        );
        assert_eq!(rust.tests(), [vec!["b", "c", "one"], vec!["b", "two"], vec!["three"]]);
    }

    #[test]
    fn attributes_reach_to_their_bracket() {
        let rust = Rust::new("#![expect(a, reason = \"]\")] #[b([c])] fn d() {}");
        let attributes = rust.attributes().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(attributes, ["#![expect(a, reason = \" \")]", "#[b([c])]"]);
    }
}
