//! Prints without end.
#![expect(clippy::print_stdout, reason = "the attack")]

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let _step = guests::started("flooding");
    loop {
        println!("{}", "all work and no play ".repeat(100));
    }
}
