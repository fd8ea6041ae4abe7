//! Asks for its configuration without end: the host copies it each time.

use guests::configuration::{value, values};
use guests::files::way;

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("asking");
    let way = way(&run);
    for round in 1_u32.. {
        if way == "all" {
            std::hint::black_box(values());
        } else {
            std::hint::black_box(value("region"));
        }
        if round % 100 == 0 {
            guests::tell!(&step, "{round}");
        }
    }
    Ok(guests::Verdict::Succeeded)
}
