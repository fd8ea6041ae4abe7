//! Panics with a message.
#![expect(clippy::panic, reason = "the attack")]

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let _step = guests::started("panicking");
    panic!("the author did not think of this")
}
