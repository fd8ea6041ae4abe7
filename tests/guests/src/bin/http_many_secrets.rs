//! Names one long secret very often in one body, so that few bytes become many.

use guests::http::{Part, Request, send};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("growing");
    if let Some(secret) = guests::first_secret(&run) {
        let request = Request {
            method: "POST".to_owned(),
            url: guests::text(&run, "url").unwrap_or_default().to_owned(),
            headers: Vec::new(),
            body: (0..10_000).map(|_| Part::Secret(secret)).collect(),
            timeout_milliseconds: None,
            max_response_bytes: None,
            interruptible: false,
            take_secret: None,
        };
        guests::tell!(&step, "{:?}", send(&request).map(|response| response.status));
    }
    Ok(guests::Verdict::Succeeded)
}
