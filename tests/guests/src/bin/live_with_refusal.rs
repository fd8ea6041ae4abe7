//! Takes memory until it is refused, gives it back and goes on. Not hostile: a cache would do this.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("caching");
    let mut cache: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut page = Vec::new();
        if page.try_reserve_exact(1 << 20).is_err() {
            break;
        }
        cache.push(page);
    }
    drop(cache);
    guests::tell!(&step, "refused");
    Ok(guests::Verdict::Succeeded)
}
