//! Fills the disk, in every way in which a file can grow.

use guests::files::{open, stream_word, way, word, work};
use wasip2::filesystem::types::{Descriptor, ErrorCode, OpenFlags};
use wasip2::io::streams::{OutputStream, StreamError};

guests::attack!(execute);

const CHUNK: usize = 4096;

/// More than any quota of a test, in chunks.
const ENOUGH: u64 = 2_000;

fn execute(run: guests::Run) -> guests::Ending {
    let way = way(&run);
    let step = guests::started(&way);
    let ended = match way.as_str() {
        "append" => files(|file, _| stream(&file.append_via_stream()?, blocks)),
        "append-at-once" => append_at_once(),
        "append-zeroes" => files(|file, _| stream(&file.append_via_stream()?, zeroes)),
        "grow-and-shrink" => grow_and_shrink(),
        "many-open" => many_open(),
        "queue-and-shrink" => queue_and_shrink(),
        "rename-over" => replaced(|work| work.rename_at("new", work, "old").map(drop)),
        "set-size" => files(|file, n| file.set_size((n + 1) * CHUNK as u64)),
        "set-size-at-once" => files(|file, _| file.set_size(1 << 40)),
        "splice" => splice(),
        "unlink" => replaced(|work| work.unlink_file_at("new")),
        "write" => files(|file, n| file.write(&[1; CHUNK], n * CHUNK as u64).map(drop)),
        "write-far-away" => files(|file, _| file.write(&[1], 1 << 40).map(drop)),
        "write-at-the-end" => files(|file, _| file.write(&[1], u64::MAX).map(drop)),
        "write-stream" => {
            files(|file, n| stream(&file.write_via_stream(n * CHUNK as u64)?, blocks))
        }
        "write-stream-far-away" => {
            files(|file, _| stream(&file.write_via_stream(1 << 40)?, blocks))
        }
        "write-stream-at-the-end" => {
            files(|file, _| stream(&file.write_via_stream(u64::MAX)?, blocks))
        }
        "zeroes" => files(|file, n| {
            stream(&file.write_via_stream(n * CHUNK as u64)?, |out| {
                out.blocking_write_zeroes_and_flush(CHUNK as u64)
            })
        }),
        _ => Ok(()),
    };
    guests::tell!(&step, "{way}: {}", word(ended));
    Ok(guests::Verdict::Succeeded)
}

fn create(path: &str) -> Result<Descriptor, ErrorCode> {
    open(&work(), path, OpenFlags::CREATE)
}

/// Does it again and again to one file, until the host says no.
fn files(grow: impl Fn(&Descriptor, u64) -> Result<(), ErrorCode>) -> Result<(), ErrorCode> {
    let file = create("file")?;
    (0..ENOUGH).try_for_each(|n| grow(&file, n))
}

fn stream(
    out: &OutputStream,
    write: impl Fn(&OutputStream) -> Result<(), StreamError>,
) -> Result<(), ErrorCode> {
    write(out).map_err(|error| code(&error))
}

fn code(error: &StreamError) -> ErrorCode {
    match stream_word(error) {
        "quota" => ErrorCode::Quota,
        _ => ErrorCode::Io,
    }
}

fn blocks(out: &OutputStream) -> Result<(), StreamError> {
    out.blocking_write_and_flush(&[1; CHUNK])
}

fn zeroes(out: &OutputStream) -> Result<(), StreamError> {
    out.check_write()?;
    out.write_zeroes(CHUNK as u64)?;
    out.blocking_flush()
}

/// As many bytes as a stream takes at a time, without waiting for them.
fn append_at_once() -> Result<(), ErrorCode> {
    let file = create("file")?;
    for _ in 0..ENOUGH {
        let out = file.append_via_stream()?;
        let ready = out.subscribe();
        ready.block();
        drop(ready);
        let permitted = out.check_write().map_err(|error| code(&error))?;
        let chunk = vec![1; usize::try_from(permitted).unwrap_or(CHUNK)];
        out.write(&chunk).map_err(|error| code(&error))?;
    }
    Ok(())
}

/// Books for one descriptor what another one shrinks, then appends.
fn grow_and_shrink() -> Result<(), ErrorCode> {
    let (one, other) = (create("file")?, create("file")?);
    for _ in 0..ENOUGH {
        one.write(&[1; CHUNK], 0)?;
        other.set_size(0)?;
        stream(&other.append_via_stream()?, blocks)?;
        one.write(&[1; CHUNK], CHUNK as u64)?;
        stream(&other.append_via_stream()?, blocks)?;
    }
    Ok(())
}

/// Many files a little each.
fn many_open() -> Result<(), ErrorCode> {
    let open: Result<Vec<_>, _> = (0..15).map(|n| create(&format!("file-{n}"))).collect();
    let open = open?;
    (0..ENOUGH).try_for_each(|n| {
        open.iter().try_for_each(|file| file.write(&[1; CHUNK], n * CHUNK as u64).map(drop))
    })
}

/// Writes that are still on their way when the file is shrunk, so that they grow it again.
fn queue_and_shrink() -> Result<(), ErrorCode> {
    let file = create("file")?;
    for _ in 0..ENOUGH {
        let streams: Result<Vec<_>, _> = (0..8).map(|_| file.append_via_stream()).collect();
        let streams = streams?;
        for out in &streams {
            out.check_write().map_err(|error| code(&error))?;
            out.write(&[1; CHUNK]).map_err(|error| code(&error))?;
        }
        file.set_size(0)?;
    }
    Ok(())
}

/// Files that are open and have lost their names.
fn replaced(lose: impl Fn(&Descriptor) -> Result<(), ErrorCode>) -> Result<(), ErrorCode> {
    let work = work();
    let mut open = Vec::new();
    for _ in 0..15 {
        let file = create("new")?;
        for n in 0..100 {
            file.write(&[1; CHUNK], n * CHUNK as u64)?;
        }
        lose(&work)?;
        open.push(file);
    }
    Ok(())
}

/// From one file into another by the host alone.
fn splice() -> Result<(), ErrorCode> {
    let (from, to) = (create("from")?, create("to")?);
    from.write(&[1; CHUNK], 0)?;
    for n in 0..ENOUGH {
        let (read, out) = (from.read_via_stream(0)?, to.append_via_stream()?);
        let spliced = if n % 2 == 0 {
            out.blocking_splice(&read, CHUNK as u64)
        } else {
            read.subscribe().block();
            out.splice(&read, CHUNK as u64)
        };
        spliced.map_err(|error| code(&error))?;
    }
    Ok(())
}
