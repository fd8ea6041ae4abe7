//! Reads the values that the policy gives it, and asks for others.

use guests::configuration::{value, values};

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("reading");
    guests::tell!(&step, "all: {:?}", values());
    for key in ["region", "Region", "regio", "", "PATH"] {
        guests::tell!(&step, "{key:?}: {:?}", value(key));
    }
    Ok(guests::Verdict::Succeeded)
}
