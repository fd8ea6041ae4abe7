//! Shipped policies, at loopback and with one grant less: whether each is needed. Main type: [`ShippedPolicy`].

use anyhow::{Context as _, Result};
use blockhouse::embedded::POLICIES;
use blockhouse_policy::{Limit, Limits};
use std::path::Path;
use toml::{Table, Value};

/// Keys of rules whose items each grant something.
const LISTS: &[&str] = &["hosts", "in", "keys", "ports", "schemes", "verbs"];

/// By how much a limit may exceed what the worst run that shall go well takes: services grow, and some requests are sent again.
pub const HEADROOM: f64 = 3.0;

/// A shipped policy, in which only what tests need differs.
#[derive(Clone, Debug)]
pub struct ShippedPolicy(Table);

/// Something that a policy grants and can be without: where it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant(Vec<Place>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Item(usize),
    Key(String),
}

impl ShippedPolicy {
    /// The embedded policy of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: &str) -> Result<Self> {
        let policy = POLICIES.iter().find(|policy| policy.name == name);
        Ok(Self(policy.with_context(|| format!("no policy `{name}`"))?.text.parse()?))
    }

    /// Every `[[http]]` reaches these ports of `localhost` by this scheme. Names are left as they are: `*` stands for `localhost`,
    /// but not for `127.0.0.1`.
    #[must_use]
    pub fn at_localhost(self, scheme: &str, ports: &[u16]) -> Self {
        let ports = ports.iter().map(|port| Value::from(i64::from(*port))).collect();
        let private = ["127.0.0.0/8", "::1/128"].map(Value::from).to_vec();
        self.in_http("schemes", Value::Array(vec![scheme.into()]))
            .in_http("ports", Value::Array(ports))
            .in_http("private", Value::Array(private))
    }

    /// Every `[[http]]` trusts the certificate authority in this file.
    #[must_use]
    pub fn trusting(self, file: &Path) -> Self {
        self.in_http("ca_file", file.display().to_string().into())
    }

    /// With this value under `[configuration]`.
    #[must_use]
    pub fn configured(mut self, key: &str, value: &str) -> Self {
        let entry = self.0.entry("configuration").or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = entry {
            section.insert("reason".to_owned(), "Tests wait no longer.".into());
            let values = section.entry("values").or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(values) = values {
                values.insert(key.to_owned(), value.into());
            }
        }
        self
    }

    /// With another value of a limit.
    #[must_use]
    pub fn limited(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Some(Value::Table(limits)) = self.0.get_mut("limits") {
            limits.insert(key.to_owned(), value.into());
        }
        self
    }

    /// The file.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    /// Everything that could be left out: each section and each rule, each item of a rule's lists (if there are several), and
    /// each limit that is wider than the default. Narrower ones take something away, and `[configuration]` gives nothing.
    #[must_use]
    pub fn grants(&self) -> Vec<Grant> {
        let mut found = Vec::new();
        for (key, value) in &self.0 {
            match (key.as_str(), value) {
                ("configuration", _) => {}
                ("limits", Value::Table(limits)) => {
                    let wide = limits
                        .iter()
                        .filter(|(key, value)| key.as_str() != "reason" && is_wider(key, value));
                    found.extend(wide.map(|(limit, _)| Grant::at(&[key, limit])));
                }
                ("secrets", Value::Table(kinds)) => {
                    for (kind, rules) in kinds {
                        gather(Grant::at(&[key, kind]), rules, &mut found);
                    }
                }
                _ => gather(Grant::at(&[key]), value, &mut found),
            }
        }
        found
    }

    /// Without one of its [grants](Self::grants).
    #[must_use]
    pub fn without(&self, grant: &Grant) -> Self {
        let mut left = Value::Table(self.0.clone());
        remove(&mut left, &grant.0);
        match left {
            Value::Table(table) => Self(table),
            _ => self.clone(),
        }
    }

    /// The limits of the file that don't fit, and why. `needed` says what the worst run that shall go well takes of each, in the file's
    /// units, times in seconds. A limit fits if it is that or up to [`HEADROOM`] times that, or the least that can be set.
    #[must_use]
    pub fn ill_fitting(&self, needed: &[(&str, f64)]) -> Vec<String> {
        let limits = self.0.get("limits").and_then(Value::as_table).into_iter().flatten();
        let problem = |(key, value): (&String, &Value)| {
            let Some((_, needed)) = needed.iter().find(|(name, _)| name == key) else {
                return Some(format!("`{key}`: nobody says what is needed"));
            };
            let (Some(value), Some(limit)) = (number(value), limit(key)) else {
                return Some(format!("`{key}` is no limit that is known here"));
            };
            let allowed = value as f64;
            let fits = *needed <= allowed && (allowed <= HEADROOM * needed || value == limit.min);
            (!fits).then(|| format!("`{key}`: {value} is set, {needed:.1} are needed"))
        };
        limits.filter(|(key, _)| *key != "reason").filter_map(problem).collect()
    }

    fn in_http(mut self, key: &str, value: Value) -> Self {
        let rules = self.0.get_mut("http").and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten().filter_map(Value::as_table_mut) {
            rule.insert(key.to_owned(), value.clone());
        }
        self
    }
}

impl Grant {
    fn at(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Place::Key((*key).to_owned())).collect())
    }

    fn below(&self, place: Place) -> Self {
        Self(self.0.iter().cloned().chain([place]).collect())
    }
}

/// Such as `secrets.use[1].keys[0]`.
impl std::fmt::Display for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, place) in self.0.iter().enumerate() {
            match place {
                Place::Item(item) => write!(f, "[{item}]")?,
                Place::Key(key) if index == 0 => f.write_str(key)?,
                Place::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// A section, or each rule of a list of them, and what is in them.
fn gather(at: Grant, value: &Value, found: &mut Vec<Grant>) {
    match value {
        Value::Array(rules) => {
            for (index, rule) in rules.iter().enumerate() {
                gather(at.below(Place::Item(index)), rule, found);
            }
        }
        Value::Table(rule) => {
            for (key, value) in rule.iter().filter(|(key, _)| LISTS.contains(&key.as_str())) {
                let items = value.as_array().map_or(0, Vec::len);
                let list = at.below(Place::Key(key.clone()));
                let items = (0..items).filter(|_| items > 1);
                found.extend(items.map(|item| list.below(Place::Item(item))));
            }
            found.push(at);
        }
        // The description.
        _ => {}
    }
}

fn remove(value: &mut Value, path: &[Place]) {
    match (value, path) {
        (Value::Array(items), [Place::Item(index)]) if *index < items.len() => {
            items.remove(*index);
        }
        (Value::Array(items), [Place::Item(index), rest @ ..]) => {
            if let Some(item) = items.get_mut(*index) {
                remove(item, rest);
            }
        }
        (Value::Table(table), [Place::Key(key)]) => {
            table.remove(key);
        }
        (Value::Table(table), [Place::Key(key), rest @ ..]) => {
            let Some(inner) = table.get_mut(key) else { return };
            remove(inner, rest);
            // A list without rules, or a section without lists, would be a mistake in the file.
            let is_empty = match inner {
                Value::Array(items) => items.is_empty(),
                Value::Table(table) => table.is_empty(),
                _ => false,
            };
            if is_empty {
                table.remove(key);
            }
        }
        _ => {}
    }
}

fn is_wider(key: &str, value: &Value) -> bool {
    let default = limit(key).and_then(|limit| limit.default);
    // What this does not know shall be looked at, too.
    default.zip(number(value)).is_none_or(|(default, number)| number > default)
}

fn limit(key: &str) -> Option<&'static Limit> {
    Limits::TABLE.iter().find(|limit| limit.key == key)
}

/// In the file's units, times in seconds.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::String(time) => humantime::parse_duration(time).ok().map(|time| time.as_secs()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_fits_what_is_needed() {
        let policy = "[limits]\nreason = 'x'\nfuel = 300\nwall_time = '2m'\nhttp_connections = 1\n";
        let policy = ShippedPolicy(policy.parse().unwrap());
        let ill = |fuel: f64, time: f64| {
            let needed = [("fuel", fuel), ("wall_time", time), ("http_connections", 0.1)];
            policy.ill_fitting(&needed)
        };
        assert_eq!(ill(100.0, 120.0), [""; 0]);
        assert_eq!(ill(99.0, 121.0).len(), 2, "too wide, and too narrow");
        assert_eq!(policy.ill_fitting(&[]).len(), 3);
    }
}
