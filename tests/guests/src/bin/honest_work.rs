//! Not hostile: computes, takes memory and reports for long enough to be interrupted for its neighbours' sake.

use std::hint::black_box;

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("working");
    let mut kept = Vec::new();
    for round in 0..200_u32 {
        let sum: u32 = (0..20_000_u32).map(black_box).fold(0, u32::wrapping_add);
        kept.push(vec![1_u8; 10_000]);
        guests::tell!(&step, "round {round}: {}", black_box(sum));
    }
    black_box(kept);
    Ok(guests::Verdict::Succeeded)
}
