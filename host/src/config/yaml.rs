//! Reads YAML into a small tree in which every key and value knows its line and column.
//!
//! Main type: [`Node`]. Scalars stay text: the reader of a setting decides what it must be, so that `clientId: 0123` keeps
//! its zero and `version: 1.10` is not a number. Nothing here recurses over the input, and size and depth are bounded.
//! Aliases are refused: a configuration of this size needs none, and without them a file can't grow while it is read.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::mistake::shown;

/// Longest file that is read. Attack: none from outside; it stops a wrong path (a disk image, `/dev/zero`).
pub(super) const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Deepest nesting; ours needs five levels. Attack: `[[[[…` would make every later walk over the tree recurse deeply.
const MAX_DEPTH: usize = 32;
/// Most mistakes reported for the form of one file: a binary file would have thousands.
const MAX_FAULTS: usize = 20;

/// A position; line and column count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A value with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) mark: Mark,
    pub(super) value: Value,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// `key:` without a value, `~` or `null`.
    Null,
    Text(String),
}

/// A key of a map and its value. Keys are unique within their map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) mark: Mark,
    pub(super) node: Node,
}

/// What is wrong with the form of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) mark: Mark,
    pub(super) key: String,
    pub(super) message: String,
}

/// Reads one document. `Ok(None)` for an empty one.
pub(super) fn parse(text: &str) -> Result<Option<Node>, Vec<Fault>> {
    let mut tree = Tree::default();
    for event in Parser::new_from_str(text) {
        let stop = match event {
            Ok((event, span)) => tree.take(event, span),
            Err(error) => {
                let (line, column) = (error.marker().line().max(1), error.marker().col() + 1);
                tree.fault(
                    Mark { line, column },
                    "",
                    &format!("is not valid YAML: {}", error.info()),
                );
                true
            }
        };
        if stop || tree.faults.len() >= MAX_FAULTS {
            break;
        }
    }
    if tree.faults.is_empty() { Ok(tree.root) } else { Err(tree.faults) }
}

/// The tree while it grows: finished nodes go into the innermost open list or map.
#[derive(Debug, Default)]
struct Tree {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    faults: Vec<Fault>,
}

#[derive(Debug)]
enum Open {
    List {
        mark: Mark,
        items: Vec<Node>,
    },
    Map {
        mark: Mark,
        entries: Vec<Entry>,
        lines: HashMap<String, usize>,
        key: Option<(String, Mark)>,
    },
}

impl Tree {
    fn fault(&mut self, mark: Mark, key: &str, message: &str) {
        self.faults.push(Fault { mark, key: shown(key), message: message.to_owned() });
    }

    /// Takes one event; true when reading can't go on.
    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        let mark = Mark { line: span.start.line().max(1), column: span.start.col() + 1 };
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.fault(mark, "", "must be a single YAML document");
                    return true;
                }
            }
            Event::Alias(_) => {
                self.fault(mark, "", "uses a YAML alias (`*name`); write the value out instead");
                return true;
            }
            Event::Scalar(text, style, _, tag) => {
                let is_text =
                    tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                let is_null = style == ScalarStyle::Plain
                    && !is_text
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if is_null { Value::Null } else { Value::Text(text.into_owned()) };
                self.finish(Node { mark, value });
            }
            Event::SequenceStart(..) => {
                return self.enter(Open::List { mark, items: vec![] }, mark);
            }
            Event::MappingStart(..) => {
                return self.enter(
                    Open::Map { mark, entries: vec![], lines: HashMap::new(), key: None },
                    mark,
                );
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { mark, items }) => {
                    self.finish(Node { mark, value: Value::List(items) });
                }
                Some(Open::Map { mark, entries, .. }) => {
                    self.finish(Node { mark, value: Value::Map(entries) });
                }
                None => {}
            },
            Event::DocumentEnd | Event::Nothing | Event::StreamEnd | Event::StreamStart => {}
        }
        false
    }

    fn enter(&mut self, open: Open, mark: Mark) -> bool {
        let too_deep = self.open.len() >= MAX_DEPTH;
        if too_deep {
            self.fault(mark, "", &format!("is nested deeper than {MAX_DEPTH} levels"));
        } else {
            self.open.push(open);
        }
        too_deep
    }

    fn finish(&mut self, node: Node) {
        let duplicate = match self.open.last_mut() {
            None => {
                self.root = Some(node);
                None
            }
            Some(Open::List { items, .. }) => {
                items.push(node);
                None
            }
            Some(Open::Map { entries, lines, key, .. }) => match key.take() {
                None => {
                    let Node { mark, value } = node;
                    let Value::Text(text) = value else {
                        return self.fault(mark, "", "keys must be plain text");
                    };
                    *key = Some((text, mark));
                    None
                }
                Some((name, mark)) => match lines.get(&name) {
                    Some(first) => Some((mark, name, *first)),
                    None => {
                        lines.insert(name.clone(), mark.line);
                        entries.push(Entry { key: name, mark, node });
                        None
                    }
                },
            },
        };
        if let Some((mark, name, line)) = duplicate {
            self.fault(mark, &name, &format!("is given twice, first on line {line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    fn first_fault(input: &str) -> (usize, usize, String) {
        let fault = parse(input).unwrap_err().remove(0);
        (fault.mark.line, fault.mark.column, fault.message)
    }

    #[test]
    fn every_key_and_value_knows_its_position() {
        let node = parse("a: x\nb:\n  - y\n  - {c: z}\n").unwrap().unwrap();
        let Value::Map(entries) = node.value else { panic!() };
        assert_eq!(entries[0].mark, Mark { line: 1, column: 1 });
        assert_eq!(entries[0].node, Node { mark: Mark { line: 1, column: 4 }, value: text("x") });
        let Value::List(items) = &entries[1].node.value else { panic!() };
        assert_eq!(items[0].mark, Mark { line: 3, column: 5 });
        let Value::Map(inner) = &items[1].value else { panic!() };
        assert_eq!(inner[0].mark, Mark { line: 4, column: 6 });
    }

    #[test]
    fn scalars_stay_text_and_nothing_is_null() {
        for (input, value) in [
            ("0123", text("0123")),
            ("1.10", text("1.10")),
            ("off", text("off")),
            ("'null'", text("null")),
            ("!!str null", text("null")),
            ("''", text("")),
            ("|\n  one\n  two\n", text("one\ntwo\n")),
            ("~", Value::Null),
            ("null", Value::Null),
            ("", Value::Null),
        ] {
            let node = parse(&format!("a: {input}")).unwrap().unwrap();
            let Value::Map(entries) = node.value else { panic!() };
            assert_eq!(entries[0].node.value, value, "{input}");
        }
    }

    #[test]
    fn empty_documents_are_no_node() {
        for input in ["", "\n\n", "# nothing\n"] {
            assert_eq!(parse(input).unwrap(), None, "{input:?}");
        }
    }

    #[test]
    fn line_ends_and_byte_order_marks_of_windows_are_fine() {
        let node = parse("\u{feff}a: x\r\nb: y\r\n").unwrap().unwrap();
        let Value::Map(entries) = node.value else { panic!() };
        assert_eq!((&entries[0].key[..], &entries[0].node.value), ("a", &text("x")));
        assert_eq!(entries[1].mark, Mark { line: 2, column: 1 });
    }

    #[test]
    fn all_duplicates_are_reported_with_their_first_line() {
        let faults = parse("a: 1\nb: 2\na: 3\nc:\n  d: 1\n  d: 2\n").unwrap_err();
        let shown: Vec<_> = faults.iter().map(|f| (f.mark.line, &*f.key, &*f.message)).collect();
        assert_eq!(
            shown,
            [
                (3, "a", "is given twice, first on line 1"),
                (6, "d", "is given twice, first on line 5")
            ]
        );
    }

    #[test]
    fn billion_laughs_are_refused_at_the_first_alias() {
        let mut bomb = String::from("a0: &a0 [x, x]\n");
        for level in 1..30 {
            bomb.push_str(&format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1));
        }
        let (line, column, message) = first_fault(&bomb);
        assert_eq!((line, column), (2, 10));
        assert!(message.contains("alias"), "{message}");
        assert!(first_fault("a: &a [*a]").2.contains("alias"));
    }

    #[test]
    fn deep_nesting_is_refused_whatever_its_form() {
        let block: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        for input in [
            "[".repeat(MAX_FILE_BYTES),
            "{a: ".repeat(MAX_FILE_BYTES / 4),
            "- ".repeat(MAX_FILE_BYTES / 2),
            "? ".repeat(MAX_FILE_BYTES / 2),
            block,
        ] {
            let message = first_fault(&input).2;
            let deep = message.contains("nested deeper") || message.contains("not valid YAML");
            assert!(deep, "{}: {message}", &input[..10]);
        }
    }

    #[test]
    fn second_document_and_odd_keys_are_mistakes() {
        assert!(first_fault("a: 1\n---\nb: 2\n").2.contains("single YAML document"));
        assert_eq!(first_fault("[a]: 1").2, "keys must be plain text");
        assert_eq!(first_fault("~: 1").2, "keys must be plain text");
        assert!(first_fault("a: b: c").2.contains("not valid YAML"));
    }

    #[test]
    fn damaged_input_is_an_error_not_a_panic() {
        let seed = "api: {url: 'http://x', k: [1, \"\\u263A\"]}\np: |\n  a\n  b\n? q\n: - *x\n  - &y !!str z # c\n%TAG ! x\n";
        let bytes = seed.as_bytes();
        let odd = b"[]{}:,-?&*!|>'\"%@`#\\ \n\t\r~\xc3";
        for position in 0..bytes.len() {
            for replacement in odd {
                let mut changed = bytes.to_vec();
                changed[position] = *replacement;
                let _ = parse(&String::from_utf8_lossy(&changed));
                changed.truncate(position + 1);
                let _ = parse(&String::from_utf8_lossy(&changed));
            }
        }
    }

    #[test]
    fn map_of_a_whole_file_is_read_in_linear_time() {
        // Quadratic in its 100 000 keys, this would take minutes.
        let text: String = (0..100_000).map(|key| format!("k{key}:\n")).collect();
        assert!(text.len() < MAX_FILE_BYTES);
        let Value::Map(entries) = parse(&text).unwrap().unwrap().value else { panic!() };
        assert_eq!(entries.len(), 100_000);
    }
}
