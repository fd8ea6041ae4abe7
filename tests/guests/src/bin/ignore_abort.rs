//! Computes without end and never asks whether it is to stop.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let _step = guests::started("computing");
    loop {
        std::hint::spin_loop();
    }
}
