//! Asks whether it is to stop, and then goes on as if nobody had answered.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("working");
    while !guests::pause(u64::MAX) {}
    guests::tell!(&step, "heard and ignored");
    loop {
        std::hint::spin_loop();
    }
}
