//! Asks for more random bytes at once than the host has memory.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let bytes = wasip2::random::random::get_random_bytes(u64::MAX);
    std::hint::black_box(bytes);
    Ok(guests::Verdict::Succeeded)
}
