//! Tries everything that changes something in a directory that may only be read.

use guests::files::{NOW, look, open, stream_word, word, work};
use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("changing");
    let work = work();
    let no_follow = PathFlags::empty();
    for (name, how) in [
        ("write", OpenFlags::empty()),
        ("create", OpenFlags::CREATE),
        ("create new", OpenFlags::CREATE | OpenFlags::EXCLUSIVE),
        ("truncate", OpenFlags::TRUNCATE),
    ] {
        guests::tell!(&step, "open, {name}: {}", word(open(&work, "kept", how)));
        guests::tell!(&step, "open other, {name}: {}", word(open(&work, "other", how)));
        let read = work.open_at(no_follow, "kept", how, DescriptorFlags::READ);
        guests::tell!(&step, "open to read, {name}: {}", word(read));
        let nothing = work.open_at(no_follow, "kept/", how, DescriptorFlags::empty());
        guests::tell!(&step, "open for nothing, {name}: {}", word(nothing));
    }
    if let Ok(file) = look(&work, "kept") {
        guests::tell!(&step, "set size: {}", word(file.set_size(0)));
        guests::tell!(&step, "write: {}", word(file.write(b"x", 0)));
        guests::tell!(&step, "write stream: {}", word(file.write_via_stream(0)));
        guests::tell!(&step, "append stream: {}", word(file.append_via_stream()));
        guests::tell!(&step, "set times: {}", word(file.set_times(NOW, NOW)));
        if let Ok(stream) = file.write_via_stream(0) {
            let written = stream.blocking_write_and_flush(b"x");
            guests::tell!(
                &step,
                "written: {}",
                written.map_or_else(|e| stream_word(&e), |()| "done")
            );
        }
    }
    let times = work.set_times_at(no_follow, "kept", NOW, NOW);
    guests::tell!(&step, "set times at: {}", word(times));
    guests::tell!(&step, "set times of work: {}", word(work.set_times(NOW, NOW)));
    guests::tell!(&step, "create directory: {}", word(work.create_directory_at("new")));
    guests::tell!(&step, "remove directory: {}", word(work.remove_directory_at("sub")));
    guests::tell!(&step, "unlink: {}", word(work.unlink_file_at("kept")));
    guests::tell!(&step, "rename: {}", word(work.rename_at("kept", &work, "moved")));
    guests::tell!(&step, "rename into: {}", word(work.rename_at("kept", &work, "sub/kept")));
    guests::tell!(&step, "link: {}", word(work.link_at(no_follow, "kept", &work, "hard")));
    guests::tell!(&step, "symlink: {}", word(work.symlink_at("kept", "soft")));
    let std = std::fs::write("/work/kept", "x").map_err(|error| error.kind());
    guests::tell!(&step, "std: {std:?}");
    guests::tell!(&step, "read: {:?}", std::fs::read_to_string("/work/kept").ok());
    Ok(guests::Verdict::Succeeded)
}
