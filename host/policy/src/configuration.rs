//! `[configuration]`: values for the component: [`ConfigurationRule`].

use toml::de::DeValue;

use crate::position::Position;
use crate::reader::{Complaint, Reader, Section, kind};

/// `[configuration]`. A ceiling grants the section; its values are not looked at, so they may be empty there.
#[derive(Clone, Debug)]
pub struct ConfigurationRule {
    /// Where it stands.
    pub position: Position,
    /// Why.
    pub reason: String,
    /// Keys and values, by key.
    pub values: Vec<(String, String)>,
}

pub(crate) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Option<ConfigurationRule> {
    let section = reader.section(root, "configuration", "[configuration]")?;
    reader.know(&section, &["reason", "values"]);
    let reason = reader.required_text(&section, "reason").unwrap_or_default();
    if section.value("values").is_none() {
        reader.missing(&section, "values");
    }
    let mut values = Vec::new();
    if let Some(table) = reader.section(&section, "values", "[configuration.values]") {
        for (key, span, value) in table.entries() {
            if key.is_empty() {
                reader.note(span, Complaint::new("a key of `values` must not be empty"));
                continue;
            }
            match value.get_ref() {
                DeValue::String(text) => values.push((key.to_owned(), text.to_string())),
                other => {
                    let message = format!("`values` must hold texts, not {}", kind(other));
                    let complaint = Complaint::new(message).with_hint("put it in quotes");
                    reader.note(value.span(), complaint);
                }
            }
        }
    }
    Some(ConfigurationRule { position: reader.position(&section), reason, values })
}
