//! Opens files, directories and streams and never closes one: each is a descriptor of the process or a thread.

use guests::files::{look, open, way, work};
use wasip2::filesystem::types::{Descriptor, ErrorCode, OpenFlags};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let way = way(&run);
    let step = guests::started(&way);
    let work = work();
    let file = open(&work, "file", OpenFlags::CREATE);
    let mut leaked = 0;
    let ended = loop {
        if let Err(error) = leak(&way, &work, &file) {
            break error;
        }
        leaked += 1;
    };
    guests::tell!(&step, "{leaked} leaked, then {}", ended.name());
    drop(file);
    // What is given back can be used again.
    let opened = open(&work, "file", OpenFlags::empty());
    guests::tell!(&step, "one closed: {}", opened.is_ok());
    Ok(guests::Verdict::Succeeded)
}

fn leak(
    way: &str,
    work: &Descriptor,
    file: &Result<Descriptor, ErrorCode>,
) -> Result<(), ErrorCode> {
    let file = file.as_ref().map_err(|code| *code)?;
    match way {
        "appenders" => std::mem::forget(file.append_via_stream()?),
        "directories" => std::mem::forget(look(work, ".")?),
        "files" => std::mem::forget(look(work, "file")?),
        "readers" => std::mem::forget(file.read_via_stream(0)?),
        // The stream keeps the file open.
        "readers-of-closed-files" => {
            std::mem::forget(look(work, "file")?.read_via_stream(0)?);
        }
        _ => std::mem::forget(file.write_via_stream(0)?),
    }
    Ok(())
}
