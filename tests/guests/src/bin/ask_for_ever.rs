//! Asks for the plain text of a secret without end, whatever the answer.

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let _step = guests::started("asking");
    loop {
        std::hint::black_box(guests::first_secret(&run).map(guests::Secret::reveal).is_some());
    }
}
