//! Sends one request after the other and does not care what becomes of them.

use guests::http::{Request, send};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("requesting");
    let request = Request {
        method: "GET".to_owned(),
        url: guests::text(&run, "url").unwrap_or_default().to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout_milliseconds: None,
        max_response_bytes: None,
        interruptible: false,
        take_secret: None,
    };
    for _ in 0..guests::number(&run, "times").unwrap_or(100) {
        guests::tell!(&step, "{}", send(&request).is_ok());
    }
    Ok(guests::Verdict::Succeeded)
}
