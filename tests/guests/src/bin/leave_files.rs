//! Leaves files behind and ends in different ways.

use guests::files::way;
use std::fs;

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("leaving");
    let made = fs::create_dir_all("/work/a/b").and_then(|()| fs::write("/work/a/b/c", "left"));
    guests::tell!(&step, "left: {}", made.is_ok());
    match way(&run).as_str() {
        "fail" => Err(guests::Failure { message: "as ordered".to_owned(), detail: None }),
        "loop" => loop {
            std::hint::spin_loop();
        },
        "trap" => std::process::abort(),
        "wait" => {
            wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX).block();
            Ok(guests::Verdict::Succeeded)
        }
        _ => Ok(guests::Verdict::Succeeded),
    }
}
