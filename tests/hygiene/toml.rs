//! A look at Cargo's manifests that is good enough to see tables, keys and what stands right of them on the same line.

/// A table with its keys.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// What stands between the brackets: `dependencies`, `[test]` for an element of an array; empty before the first.
    pub(crate) name: String,
    pub(crate) keys: Vec<Key>,
}

/// `name = value`; `name.more = value` is the name and ` more = value`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) value: String,
    /// From 1.
    pub(crate) line: usize,
}

impl Table {
    /// Every table of a file, in order.
    pub(crate) fn all(text: &str) -> Vec<Self> {
        let mut tables = vec![Self { name: String::new(), keys: Vec::new() }];
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                tables.push(Self { name: name.to_owned(), keys: Vec::new() });
            } else if let (Some((key, value)), Some(table)) =
                (line.split_once('='), tables.last_mut())
            {
                let key = key.trim();
                let (name, more) = key.split_once('.').unwrap_or((key, ""));
                let value = if more.is_empty() {
                    value.trim().to_owned()
                } else {
                    format!("{more} = {}", value.trim())
                };
                table.keys.push(Key { name: name.to_owned(), value, line: index + 1 });
            }
        }
        tables
    }

    /// Whether its keys are crates that a package depends on.
    fn is_dependencies(&self) -> bool {
        self.name.ends_with("dependencies") && !self.name.starts_with("workspace.")
    }

    /// The value of a key, without the quotes of a string.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let key = self.keys.iter().find(|key| key.name == name)?;
        Some(key.value.trim_matches('"'))
    }
}

/// The crates that a package depends on.
pub(crate) fn dependencies(tables: &[Table]) -> impl Iterator<Item = &Key> {
    tables.iter().filter(|table| table.is_dependencies()).flat_map(|table| &table.keys)
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn tables_and_keys_are_seen() {
        let tables = Table::all(
            "a = 1\n[dependencies]\n# b = 2\nc.workspace = true\nd = { x = \"1\" }\n[[test]]\nname = \"e\"\n",
        );
        let names = tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>();
        assert_eq!(names, ["", "dependencies", "[test]"]);
        let keys = tables[1]
            .keys
            .iter()
            .map(|key| (key.name.as_str(), key.value.as_str(), key.line))
            .collect::<Vec<_>>();
        assert_eq!(keys, [("c", "workspace = true", 4), ("d", "{ x = \"1\" }", 5)]);
        assert_eq!(tables[2].value("name"), Some("e"));
    }
}
