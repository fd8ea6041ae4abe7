//! Tries to get out of its directory, by all names and links that come to mind.

use guests::files::{look, open, word, work};
use wasip2::filesystem::types::{OpenFlags, PathFlags};

guests::attack!(execute);

const OUTSIDE: &[&str] = &[
    "..",
    "../",
    "../..",
    "../outside",
    "./../outside",
    "inside/../../outside",
    "inside/..//..//outside",
    "../work/../outside",
    "../../neighbour/work/secret",
    "/",
    "/work",
    "/work/../outside",
    "/etc/passwd",
    "/proc/self/environ",
    "//etc/passwd",
    "proc/self/environ",
    "link-to-file",
    "link-to-directory/outside",
    "link-to-directory/",
    "link-up/outside",
    "link-up/../outside",
    "link-to-link",
    "inside/link-far-up/etc/passwd",
    "..\\outside",
    "C:\\",
    "",
    "in\0side",
];

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("escaping");
    let work = work();
    let follow = PathFlags::SYMLINK_FOLLOW;
    for path in OUTSIDE {
        guests::tell!(&step, "look {path:?}: {}", word(look(&work, path)));
        guests::tell!(&step, "make {path:?}: {}", word(open(&work, path, OpenFlags::CREATE)));
        guests::tell!(&step, "stat {path:?}: {}", word(work.stat_at(follow, path)));
        guests::tell!(&step, "hash {path:?}: {}", word(work.metadata_hash_at(follow, path)));
        let taken = work.rename_at(path, &work, "taken");
        guests::tell!(&step, "move {path:?}: {}", word(taken));
        if taken.is_ok() {
            guests::tell!(&step, "back: {}", word(work.rename_at("taken", &work, path)));
        }
        guests::tell!(&step, "mkdir {path:?}: {}", word(work.create_directory_at(path)));
        let link = work.link_at(PathFlags::empty(), path, &work, "hard");
        guests::tell!(&step, "link {path:?}: {}", word(link));
        guests::tell!(&step, "symlink {path:?}: {}", word(work.symlink_at(path, "soft")));
        guests::tell!(&step, "read {path:?}: {}", std::fs::read(path).is_ok());
        guests::tell!(&step, "list {path:?}: {}", std::fs::read_dir(path).is_ok());
    }
    for path in OUTSIDE {
        drop(open(&work, "spare", OpenFlags::CREATE));
        guests::tell!(&step, "put {path:?}: {}", word(work.rename_at("spare", &work, path)));
    }
    // With what there is, the way up once more: from a directory that was opened.
    let inside = look(&work, "inside");
    guests::tell!(&step, "inside: {}", word(inside.as_ref().map_err(|code| *code)));
    if let Ok(inside) = inside {
        guests::tell!(&step, "look up: {}", word(look(&inside, "../../outside")));
        guests::tell!(&step, "move up: {}", word(inside.rename_at("file", &inside, "../../taken")));
    }
    guests::tell!(&step, "file: {}", word(look(&work, "inside/file")));
    Ok(guests::Verdict::Succeeded)
}
