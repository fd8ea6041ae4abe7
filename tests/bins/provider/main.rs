//! A provider that real Terraform runs: `blockhousetest`, over the plugin protocol 6 as go-plugin speaks it (a handshake line on
//! stdout, then gRPC over TLS on a Unix socket).
//!
//! It has one resource, `blockhousetest_note`, that is kept nowhere but in the state; all attributes are texts:
//!
//! | attribute | of | what it does |
//! |---|---|---|
//! | `text` | resource | nothing; required |
//! | `gate` | resource, provider | applying or configuring waits until whoever listens there (`127.0.0.1:1234`) answers: see `Gate` of the kit |
//! | `write` | resource, provider | applying or configuring writes a file there; that it could not is an error with the reason |
//!
//! Stopping the provider (one interrupt of Terraform) does not end a wait at a gate, as it does not end a request to a cloud. Whoever listens
//! at the gate is told of it by a visitor of its own, `stop`, who does not wait.

#[cfg(unix)]
mod plugin;
#[cfg(unix)]
mod wire;

#[cfg(unix)]
fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(plugin::serve())?;
    // A wait at a gate is not waited for.
    runtime.shutdown_background();
    Ok(())
}

#[cfg(not(unix))]
fn main() {}
