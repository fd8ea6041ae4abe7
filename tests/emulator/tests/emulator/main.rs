//! The emulator over real HTTP, driven by a client that shares nothing with the host's.

// `cfg(test)` is true here anyway; it tells clippy that functions beside the tests may unwrap as well.
#[cfg(test)]
mod client;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod life;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod terraform_runs;
#[cfg(test)]
mod terraform_state;
#[cfg(test)]
mod violations;
