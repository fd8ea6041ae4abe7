//! `[[run_document]]`: to whom the host gives the document of a run: [`RunDocumentRule`].

use crate::host_pattern::HostPattern;
use crate::position::Position;
use crate::reader::{Reader, Section};

const TITLE: &str = "[[run_document]]";

/// One `[[run_document]]`: requests to these hosts may hold the document of the run, which the component does not see.
#[derive(Clone, Debug)]
pub struct RunDocumentRule {
    /// Where it stands.
    pub position: Position,
    /// Why.
    pub reason: String,
    /// To which hosts.
    pub hosts: Vec<HostPattern>,
}

pub(crate) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<RunDocumentRule> {
    let sections = reader.sections(root, "run_document", TITLE);
    let rules = sections.iter().map(|section| {
        reader.know(section, &["hosts", "reason"]);
        RunDocumentRule {
            position: reader.position(section),
            reason: reader.required_text(section, "reason").unwrap_or_default(),
            hosts: reader.required(section, "hosts", HostPattern::parse),
        }
    });
    rules.collect()
}
