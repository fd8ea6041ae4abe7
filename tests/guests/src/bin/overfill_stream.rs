//! Writes more to a file's stream at once than the stream permits: the host would have to keep it in memory.

use guests::files::{open, work};
use wasip2::filesystem::types::OpenFlags;

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("overfilling");
    let stream = open(&work(), "file", OpenFlags::CREATE).and_then(|file| file.append_via_stream());
    if let Ok(stream) = stream {
        guests::tell!(&step, "permitted: {:?}", stream.check_write().ok());
        let written = stream.write(&[1; 128 << 10]);
        guests::tell!(&step, "written: {}", written.is_ok());
    }
    Ok(guests::Verdict::Succeeded)
}
