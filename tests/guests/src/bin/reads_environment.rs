//! Looks around: what of the host can be seen? And do the harmless parts of WASI work?

use std::{env, fs, time};

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("looking");
    guests::tell!(&step, "variables: {}", env::vars_os().count());
    guests::tell!(&step, "arguments: {}", env::args_os().count());
    guests::tell!(&step, "preopens: {}", wasip2::filesystem::preopens::get_directories().len());
    guests::tell!(&step, "current directory: {}", env::current_dir().is_ok_and(|d| d.is_dir()));
    for path in ["/", ".", "/etc/passwd", "../../etc/passwd"] {
        guests::tell!(&step, "{path}: {}", fs::metadata(path).is_ok());
    }
    guests::tell!(&step, "write: {}", fs::write("/tmp/x", "x").is_ok());
    guests::tell!(&step, "stdin: {:?}", std::io::stdin().lines().next().is_some());
    guests::tell!(&step, "terminal: {}", std::io::IsTerminal::is_terminal(&std::io::stdout()));

    let year_2020 = time::UNIX_EPOCH + time::Duration::from_secs(1_577_836_800);
    guests::tell!(&step, "clock works: {}", time::SystemTime::now() > year_2020);
    let random = wasip2::random::random::get_random_bytes(16);
    guests::tell!(&step, "random works: {}", random.iter().any(|byte| *byte != 0));
    Ok(guests::Verdict::Succeeded)
}
