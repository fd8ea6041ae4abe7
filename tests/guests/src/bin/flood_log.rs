//! Writes to its log without end.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("flooding");
    guests::tell!(&step, "the beginning");
    loop {
        guests::tell!(&step, "{}", "all work and no play ".repeat(100));
    }
}
