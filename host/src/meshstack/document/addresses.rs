//! The run's links as data for whoever executes it: bounded, and without those that may be secrets.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::DocumentError;
use crate::run::{Json, RunLink};

const PATH: &str = "_links";

/// Links of a run; meshStack has about ten.
const LINKS_MAX: usize = 100;

/// Bytes of a link's name, and of its address. Longer ones are of no use in a request.
const NAME_MAX: usize = 256;
const HREF_MAX: usize = 8 << 10;

/// What is no mere address: the plan's may be signed, and whoever has it has the plan with all secrets in it.
// SECURITY: meshstack::document::tests::the_address_of_a_plan_is_not_among_the_links
const LEFT_OUT: &[&str] = &["planArtifact"];

#[derive(Deserialize)]
struct Body {
    href: String,
}

/// Reads them in the order of their names. Those without an address are left out.
// SECURITY: meshstack::document::tests::links_are_bounded_in_number_and_size
pub(super) fn read(links: Option<&Json>) -> Result<Vec<RunLink>, DocumentError> {
    let Some(links) = links else { return Ok(Vec::new()) };
    let all: BTreeMap<String, Json> = serde_json::from_str(links.text()).unwrap_or_default();
    if all.len() > LINKS_MAX {
        let count = all.len();
        let message = format!("holds {count} links where {LINKS_MAX} are allowed");
        return Err(DocumentError::new(PATH, message));
    }
    let mut read = Vec::new();
    for (name, body) in all {
        let href = serde_json::from_str(body.text()).map(|Body { href }| href);
        let Some(href) = href.ok().filter(|_| !LEFT_OUT.contains(&name.as_str())) else { continue };
        // A name that is too long is no path that anybody could read.
        super::full::bounded(&name, NAME_MAX, || PATH.to_owned())?;
        super::full::bounded(&href, HREF_MAX, || format!("{PATH}.{name}.href"))?;
        read.push(RunLink { name, href });
    }
    Ok(read)
}
