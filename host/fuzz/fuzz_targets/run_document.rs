//! The document of a run: whatever the bytes are, they are read or refused.
#![no_main]

use blockhouse::meshstack::Claim;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(claim) = Claim::parse(bytes) else { return };
    if let Err(error) = claim.run() {
        // What is said about it goes into logs and messages.
        assert!(!error.to_string().is_empty());
    }
});
