//! Writes more to stdout at once than the host has permitted.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let _ = wasip2::cli::stdout::get_stdout().write(&vec![b'x'; 100_000]);
    Ok(guests::Verdict::Succeeded)
}
