//! The repository itself: what its documents promise about its shape, checked.
//!
//! Everything is read from disk, with the standard library only (policies by the crate that the host uses); one file per kind of promise. A check returns what it found as
//! `path:line: what is wrong`, all of it at once, and is itself tested on planted violations.

// Everything here is test code, the parts that tests share as well.
#[cfg(test)]
mod documents;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod layout;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod markdown;
#[cfg(test)]
mod places;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod rust;
#[cfg(test)]
mod toml;
#[cfg(test)]
mod words;

/// Fails the test with everything that was found.
#[cfg(test)]
#[track_caller]
fn expect_none(found: Vec<String>) {
    assert!(found.is_empty(), "{} found:\n{}\n", found.len(), found.join("\n"));
}
