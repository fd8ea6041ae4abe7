//! Never ends, and never calls the host.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    loop {
        std::hint::spin_loop();
    }
}
