//! Passes a list whose thousand texts all lie at the same place: small for the guest, large for a host that copies each.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let name = "x".repeat(64 << 10);
    let one = [name.as_ptr().addr(), 4, name.as_ptr().addr(), name.len()];
    guests::raw::declare(&[one; 1_000]);
    Ok(guests::Verdict::Succeeded)
}
