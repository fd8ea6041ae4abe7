//! Names a secret so often in one file that the file would be larger than the host's memory.

use guests::terraform::{Part, write_file};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("multiplying");
    if let Some(secret) = guests::first_secret(&run) {
        let parts: Vec<_> = (0..150).map(|_| Part::Secret(secret)).collect();
        guests::tell!(&step, "{:?}", write_file("file", &parts));
    }
    Ok(guests::Verdict::Succeeded)
}
