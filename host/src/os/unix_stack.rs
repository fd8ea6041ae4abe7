//! Memory of stacks.

use std::hint::black_box;

/// Bytes below the caller's frames that are left alone: for this function's own, and what the system's call takes.
const NEAR: usize = 4 << 10;

/// Gives the memory of `bytes` of this stack back to the system, from a little below its current end on: what was called there has returned,
/// and what will be called finds fresh memory. There must be twice as much left of the stack. Failing costs memory, and nothing else.
#[inline(never)]
#[expect(unsafe_code, reason = "nobody else can say that a stack does not use its memory")]
pub fn release_stack(bytes: usize) {
    let end = 0_u8;
    let page = rustix::param::page_size();
    let here = std::ptr::from_ref(black_box(&end)).addr();
    let high = here.saturating_sub(NEAR) / page * page;
    let low = high.saturating_sub(bytes) / page * page;
    if low == 0 {
        return;
    }
    // SAFETY: stacks grow downwards here, so that all from `low` to `high` is below the frames in use, and by the caller's word it is part
    // of this stack. Nobody refers to what is there. A signal's frame is put there after this call at the earliest.
    let _ = unsafe {
        libc::madvise(std::ptr::without_provenance_mut(low), high - low, libc::MADV_DONTNEED)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages of this stack that are in memory, of so many bytes below here.
    #[expect(unsafe_code, reason = "as above")]
    fn resident(bytes: usize) -> usize {
        let end = 0_u8;
        let page = rustix::param::page_size();
        let high = (std::ptr::from_ref(black_box(&end)).addr() - NEAR) / page * page;
        let mut pages = vec![0_u8; bytes / page];
        let low = std::ptr::without_provenance_mut(high - bytes);
        // SAFETY: the vector has a byte for each page, and nothing is done with the pages.
        assert_eq!(unsafe { libc::mincore(low, bytes, pages.as_mut_ptr().cast()) }, 0);
        pages.iter().filter(|page| **page & 1 == 1).count()
    }

    fn deep(levels: usize) -> usize {
        let frame = black_box([1_u8; 16 << 10]);
        if levels == 0 { usize::from(frame[0]) } else { deep(levels - 1) + usize::from(frame[1]) }
    }

    #[test]
    fn what_was_called_before_takes_no_memory_and_what_is_called_later_has_it() {
        // On a thread of its own, whose stack is long enough in every build.
        let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(|| {
            assert_eq!(deep(20), 21);
            assert!(resident(256 << 10) > 40, "{}", resident(256 << 10));
            release_stack(256 << 10);
            // Others take their time.
            assert!(
                !cfg!(target_os = "linux") || resident(256 << 10) < 8,
                "{}",
                resident(256 << 10)
            );
            assert_eq!(deep(20), 21);
        });
        thread.unwrap().join().unwrap();
    }
}
