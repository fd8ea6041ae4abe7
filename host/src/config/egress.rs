//! `egress`: how components' requests leave the machine. Where they may go is said by policies.

use super::http::Way;
use super::reader::{Reader, Section};
use super::show::Show;

/// Reads the section; without it, requests go out directly.
pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Way {
    let section = reader.subsection(root, "egress", &Way::KEYS);
    Way::read(reader, &section)
}

pub(super) fn show(way: &Way, out: &mut Show<'_>) {
    out.section("egress", |out| way.show(out));
}
