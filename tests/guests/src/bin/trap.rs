//! Executes an instruction that is never valid.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let _step = guests::started("trapping");
    #[cfg(target_arch = "wasm32")]
    std::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    Ok(guests::Verdict::Succeeded)
}
