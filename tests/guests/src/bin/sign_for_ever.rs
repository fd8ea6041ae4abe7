//! Signs without end, whatever the answer.

use guests::jwt::{Algorithm, sign};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let _step = guests::started("signing");
    loop {
        let key = guests::first_secret(&run);
        std::hint::black_box(key.map(|key| sign(key, Algorithm::Rs256, "{}").is_ok()));
    }
}
