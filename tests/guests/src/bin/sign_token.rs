//! Has tokens signed that it should not get, sends them where they don't belong, and does with them what is not done with tokens.

use guests::jwt::{Algorithm, sign};
use guests::misuse;

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("signing");
    let Some(key) = guests::first_secret(&run) else { return Ok(guests::Verdict::Succeeded) };
    for (_, claims) in guests::texts(&run).filter(|(key, _)| *key == "claims") {
        let token = match sign(key, Algorithm::Rs256, claims) {
            Ok(token) => token,
            Err(error) => {
                guests::tell!(&step, "sign: {error:?}");
                continue;
            }
        };
        guests::tell!(&step, "signed");
        for (_, url) in guests::texts(&run).filter(|(key, _)| *key == "url") {
            misuse::send_and_tell(&step, url, &token);
        }
        if guests::text(&run, "pass on").is_some() {
            misuse::pass_on(&step, &token);
        }
    }
    Ok(guests::Verdict::Succeeded)
}
