//! Asks the host to make the bytes itself that are to be written: a terabyte of zeroes.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let _ = wasip2::cli::stdout::get_stdout().write_zeroes(1 << 40);
    Ok(guests::Verdict::Succeeded)
}
