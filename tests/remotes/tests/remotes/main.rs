//! The fakes over real HTTP, driven by clients that share nothing with the host's.

// `cfg(test)` is true here anyway; it tells clippy that functions beside the tests may unwrap as well.
#[cfg(test)]
mod azure_launches;
#[cfg(test)]
mod azure_runs;
#[cfg(test)]
mod client;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod github_access;
#[cfg(test)]
mod github_dispatches;
#[cfg(test)]
mod github_runs;
#[cfg(test)]
mod gitlab_triggers;
#[cfg(test)]
mod traffic;
