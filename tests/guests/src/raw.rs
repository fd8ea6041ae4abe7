//! Calls to the host as they really are: numbers. The bindings would never pass such ones.
#![expect(
    unsafe_code,
    reason = "the calling convention of the component model, without its checks"
)]

#[cfg(target_arch = "wasm32")]
mod imports {
    #[link(wasm_import_module = "blockhouse:block/progress@0.1.0")]
    unsafe extern "C" {
        #[link_name = "declare"]
        pub(super) fn declare(pointer: *const u8, count: usize);
        #[link_name = "[method]step.start"]
        pub(super) fn start(step: u32, result: *mut u8);
        #[link_name = "summarize"]
        pub(super) fn summarize(pointer: *const u8, length: usize);
    }

    #[link(wasm_import_module = "blockhouse:block/types@0.1.0")]
    unsafe extern "C" {
        #[link_name = "[method]secret.reveal"]
        pub(super) fn reveal(secret: u32, result: *mut u8);
    }
}

/// So that the guests also compile where they can't run.
#[cfg(not(target_arch = "wasm32"))]
mod imports {
    pub(super) unsafe fn declare(_: *const u8, _: usize) {}
    pub(super) unsafe fn start(_: u32, _: *mut u8) {}
    pub(super) unsafe fn summarize(_: *const u8, _: usize) {}
    pub(super) unsafe fn reveal(_: u32, _: *mut u8) {}
}

/// A place for results that nobody reads.
#[repr(align(8))]
struct Scratch([u8; 64]);

/// `declare` with a list of step declarations as it lies in memory: per declaration the address and length of the id, then
/// those of the display name.
pub fn declare(declarations: &[[usize; 4]]) {
    // SAFETY: the host reads untrusted memory; whatever it makes of it is the test.
    unsafe { imports::declare(declarations.as_ptr().cast(), declarations.len()) };
}

/// `step.start` on a handle that may not exist.
pub fn start(step: u32) {
    let mut result = Scratch([0; 64]);
    // SAFETY: the result has less than 64 bytes.
    unsafe { imports::start(step, result.0.as_mut_ptr()) };
}

/// `summarize` with a text that need not be UTF-8.
pub fn summarize(text: &[u8]) {
    // SAFETY: the host reads untrusted memory; whatever it makes of it is the test.
    unsafe { imports::summarize(text.as_ptr(), text.len()) };
}

/// `summarize` with a text that need not be in memory at all.
pub fn summarize_at(address: usize, length: usize) {
    // SAFETY: the host checks the address; that is the test.
    unsafe { imports::summarize(std::ptr::without_provenance(address), length) };
}

/// `secret.reveal` on a handle that may not exist.
pub fn reveal(secret: u32) {
    let mut result = Scratch([0; 64]);
    // SAFETY: the result has less than 64 bytes.
    unsafe { imports::reveal(secret, result.0.as_mut_ptr()) };
}

/// What is in the memory of a vector that nothing was written to yet.
#[must_use]
pub fn unwritten(memory: &Vec<u8>) -> &[u8] {
    // SAFETY: linear memory is always initialised: with zeros, or with what somebody wrote there before. That is the question.
    unsafe { std::slice::from_raw_parts(memory.as_ptr(), memory.capacity()) }
}
