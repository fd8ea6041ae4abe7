//! Lists a large directory again and again and reads none of the listings: all are in the host's memory.

use guests::files::work;

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("listing");
    let work = work();
    let mut listings = Vec::new();
    let ended = loop {
        match work.read_directory() {
            Ok(listing) => listings.push(listing),
            Err(error) => break error,
        }
    };
    guests::tell!(&step, "{} listings, then {}", listings.len(), ended.name());
    listings.clear();
    let entry = work.read_directory().and_then(|listing| listing.read_directory_entry());
    guests::tell!(&step, "an entry: {}", entry.is_ok_and(|entry| entry.is_some()));
    Ok(guests::Verdict::Succeeded)
}
