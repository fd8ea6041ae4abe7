//! Makes a directory in a directory in a directory: deeper than a path, a stack or a table of open files reaches.

use guests::files::{look, word, work};

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("nesting");
    let mut at = work();
    let mut depth = 0;
    let ended = loop {
        let inner = at.create_directory_at("d").and_then(|()| look(&at, "d"));
        match inner {
            Ok(inner) => at = inner,
            Err(error) => break error,
        }
        depth += 1;
    };
    guests::tell!(&step, "{depth} deep, then {}", ended.name());
    // A tree that is deep by renaming, so that it moves as a whole.
    guests::tell!(&step, "moved: {}", word(work().rename_at("d", &work(), "e")));
    Ok(guests::Verdict::Succeeded)
}
