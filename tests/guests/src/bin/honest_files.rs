//! Does with files what programs do, by the standard library.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("working");
    match work() {
        Ok(found) => guests::tell!(&step, "{found}"),
        Err(error) => guests::tell!(&step, "failed: {error}"),
    }
    Ok(guests::Verdict::Succeeded)
}

fn work() -> std::io::Result<String> {
    fs::create_dir_all("/work/notes/today")?;
    fs::write("/work/notes/today/ä b.txt", "one\n")?;
    let mut file = OpenOptions::new().append(true).open("/work/notes/today/ä b.txt")?;
    file.write_all(b"two\n")?;
    file.sync_all()?;
    drop(file);
    fs::rename("/work/notes/today/ä b.txt", "/work/notes/c.txt")?;
    fs::copy("/work/notes/c.txt", "/work/notes/d.txt")?;
    let mut file = OpenOptions::new().read(true).write(true).open("/work/notes/d.txt")?;
    file.seek(SeekFrom::Start(4))?;
    file.write_all(b"TWO")?;
    file.set_len(8)?;
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let lines = BufReader::new(File::open("/work/notes/c.txt")?).lines().count();
    let mut names: Vec<_> = fs::read_dir("/work/notes")?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()?;
    names.sort();
    fs::remove_dir("/work/notes/today")?;
    fs::remove_file("/work/notes/c.txt")?;
    let length = fs::metadata("/work/notes/d.txt")?.len();
    Ok(format!("{text:?}, {lines} lines, {names:?}, {length} bytes"))
}
