//! Passes a secret on to native programs in every way there is: a file, a variable, the key of a repository.

use guests::sources::{Repository, checkout};
use guests::terraform::{Part, set_environment, write_file};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("passing");
    let Some(secret) = guests::first_secret(&run) else { return Ok(guests::Verdict::Succeeded) };
    let forms = [
        Part::Secret(secret),
        Part::SecretAsJson(secret),
        Part::SecretAsJsonText(secret),
        Part::SecretContent(secret),
        Part::SecretInJson(secret),
    ];
    for form in forms {
        guests::tell!(&step, "file: {:?}", write_file("file", &[form]));
    }
    guests::tell!(&step, "variable: {:?}", set_environment("NAME", &[Part::Secret(secret)]));
    let repository = Repository {
        url: "ssh://git.invalid/x".to_owned(),
        revision: None,
        path: None,
        private_key: Some(secret),
        known_host: None,
    };
    guests::tell!(&step, "key: {:?}", checkout(&repository));
    Ok(guests::Verdict::Succeeded)
}
