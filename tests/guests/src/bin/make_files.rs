//! Makes as many files and directories as it can, with the longest names.

use guests::files::{open, way, work};
use wasip2::filesystem::types::{Descriptor, ErrorCode, OpenFlags};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let way = way(&run);
    let step = guests::started(&way);
    let work = work();
    // What was never made costs nothing.
    for path in ["no/such/directory", ".", "kept/inside"] {
        for how in [OpenFlags::CREATE, OpenFlags::CREATE | OpenFlags::EXCLUSIVE] {
            (0..30).for_each(|_| drop(open(&work, path, how)));
        }
        (0..30).for_each(|_| {
            let _ = work.create_directory_at(path);
        });
    }
    let mut made = 0;
    let ended = loop {
        let name = format!("{made:0>255}");
        let result = match way.as_str() {
            "directories" => work.create_directory_at(&name),
            "files" => open(&work, &name, OpenFlags::CREATE).map(drop),
            "new-files" => open(&work, &name, OpenFlags::CREATE | OpenFlags::EXCLUSIVE).map(drop),
            "files-and-back" => file_and_back(&work, &name),
            _ => work.create_directory_at(&name).and_then(|()| work.remove_directory_at(&name)),
        };
        if let Err(error) = result {
            break error;
        }
        made += 1;
    };
    guests::tell!(&step, "{made} made, then {}", ended.name());
    Ok(guests::Verdict::Succeeded)
}

fn file_and_back(work: &Descriptor, name: &str) -> Result<(), ErrorCode> {
    drop(open(work, name, OpenFlags::CREATE)?);
    work.unlink_file_at(name)
}
