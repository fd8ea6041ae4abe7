//! Takes memory until there is no more.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1_u8; 1 << 20]);
    }
}
