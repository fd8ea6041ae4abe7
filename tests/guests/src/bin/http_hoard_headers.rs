//! Makes sets of headers, each as large as possible, and sends none.

use wasip2::http::types::Fields;

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("hoarding");
    let size = guests::number(&run, "size").unwrap_or(1 << 20);
    let value = vec![b'x'; usize::try_from(size).unwrap_or(0)];
    let hoard: Vec<_> = (0..10)
        .map(|_| {
            let fields = Fields::new();
            guests::tell!(&step, "{:?}", fields.append("x-hoard", &value));
            fields
        })
        .collect();
    guests::tell!(&step, "sets: {}", hoard.len());
    Ok(guests::Verdict::Succeeded)
}
