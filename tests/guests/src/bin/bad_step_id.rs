//! Makes a step whose id would break out of a path or a page.

use guests::Step;

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    drop(Step::new("../<script>", "Step"));
    Ok(guests::Verdict::Succeeded)
}
