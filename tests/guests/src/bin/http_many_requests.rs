//! Sends one request after the other and does not care what becomes of them.

use guests::http::send;
use guests::misuse::request;

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("requesting");
    let request = request("GET", guests::text(&run, "url").unwrap_or_default());
    for _ in 0..guests::number(&run, "times").unwrap_or(100) {
        guests::tell!(&step, "{}", send(&request).is_ok());
    }
    Ok(guests::Verdict::Succeeded)
}
