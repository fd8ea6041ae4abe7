//! Asks for the plain text of a secret and writes the answer down.

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("prying");
    let secret = guests::first_secret(&run);
    guests::tell!(&step, "{:?}", secret.map(guests::Secret::reveal));
    Ok(guests::Verdict::Succeeded)
}
