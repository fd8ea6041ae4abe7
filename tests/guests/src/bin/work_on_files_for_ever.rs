//! Lets the host work on files without end, and takes nothing that would be limited.

use guests::files::{look, open, way, word, work};
use wasip2::filesystem::types::{Descriptor, ErrorCode, OpenFlags, PathFlags};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let way = way(&run);
    let step = guests::started("working");
    let work = work();
    let ended = (|| {
        let file = open(&work, "file", OpenFlags::CREATE)?;
        file.write(&[1; 64 << 10], 0)?;
        for round in 1_u32.. {
            if round % 100 == 0 {
                guests::tell!(&step, "{round}");
            }
            once(&way, &work, &file)?;
        }
        Ok::<_, ErrorCode>(())
    })();
    guests::tell!(&step, "{}", word(ended));
    Ok(guests::Verdict::Succeeded)
}

fn once(way: &str, work: &Descriptor, file: &Descriptor) -> Result<(), ErrorCode> {
    match way {
        "list" => drop(work.read_directory()?),
        "look" => drop(look(work, "file")?),
        "read" => drop(file.read(u64::MAX, 0)?),
        "read-stream" => drop(file.read_via_stream(0)?.blocking_read(u64::MAX)),
        "rename" => work.rename_at("file", work, "file")?,
        "skip" => drop(file.read_via_stream(0)?.blocking_skip(u64::MAX)),
        "stat" => drop(file.stat()?),
        "stat-at" => drop(work.stat_at(PathFlags::empty(), "file")?),
        "write" => drop(file.write(&[1; 64 << 10], 0)?),
        _ => drop(file.write_via_stream(0)?.blocking_write_and_flush(&[1; 4096])),
    }
    Ok(())
}
