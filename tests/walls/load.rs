//! What is no component that could run here is refused before it runs, with words that say why.

use crate::trial::{MIB, Trial, sandbox};
use blockhouse::sandbox::LoadError;

/// Why the component is refused.
fn refusal(bytes: &[u8]) -> LoadError {
    sandbox().load(bytes, MIB).unwrap_err()
}

/// A module per guest with one test: the component is refused, and the error says this.
macro_rules! refused {
    ($($guest:ident $constant:ident $variant:ident $words:literal)*) => {$(
        pub(crate) mod $guest {
            use super::{LoadError, refusal};
            use blockhouse_artifacts::$constant;

            #[test]
            fn is_refused() {
                let error = refusal($constant);
                assert!(matches!(error, LoadError::$variant { .. }), "{error:?}");
                assert!(error.to_string().contains($words), "{error}");
            }
        }
    )*};
}

refused! {
    import_sockets IMPORT_SOCKETS MissingImport "needs `wasi:sockets/tcp-create-socket@0.2.0`"
    import_too_much IMPORT_TOO_MUCH WrongWorld "set-environment"
    import_unknown IMPORT_UNKNOWN MissingImport "needs `example:nothing/here@1.0.0`"
    uses_async USES_ASYNC Invalid "async"
    uses_custom_page_sizes USES_CUSTOM_PAGE_SIZES Invalid "custom page sizes"
    uses_exceptions USES_EXCEPTIONS Invalid "exceptions"
    uses_function_references USES_FUNCTION_REFERENCES Invalid "function references"
    uses_gc USES_GC Invalid "gc"
    uses_memory64 USES_MEMORY64 Invalid "memory64"
    uses_multi_memory USES_MULTI_MEMORY Invalid "multiple memories"
    uses_relaxed_simd USES_RELAXED_SIMD Invalid "relaxed SIMD"
    uses_stack_switching USES_STACK_SWITCHING Invalid "stack switching"
    uses_threads USES_THREADS Invalid "threads"
    uses_wide_arithmetic USES_WIDE_ARITHMETIC Invalid "wide arithmetic"
    wrong_type WRONG_TYPE WrongWorld "execute"
    wrong_world WRONG_WORLD WrongWorld "execute"
}

mod bytes {
    use super::*;
    use blockhouse_artifacts::{IDLE, MANUAL};
    use wasmtime::Engine;

    #[test]
    fn what_is_no_component_at_all_is_refused() {
        for bytes in
            [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"(component)", b"#!/bin/sh\n", &[0; 1000]]
        {
            let error = refusal(bytes);
            assert!(matches!(error, LoadError::Invalid { .. }), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn a_component_beyond_the_limit_is_refused_before_it_is_read() {
        let error = sandbox().load(MANUAL, 1_000).unwrap_err();
        let words = format!("the component has {} bytes, 1000 are allowed", MANUAL.len());
        assert_eq!(error.to_string(), words);
    }

    #[test]
    fn precompiled_code_is_refused() {
        let engine = Engine::default();
        let component = engine.precompile_component(IDLE).unwrap();
        let module = engine.precompile_module(b"\0asm\x01\0\0\0").unwrap();
        for code in [component, module] {
            assert!(matches!(refusal(&code), LoadError::Precompiled));
            // Cut or damaged, it isn't executed either.
            for end in [4, 16, 64, code.len() / 2, code.len() - 1] {
                refusal(&code[..end]);
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_component_that_was_cut_off_anywhere_is_refused_or_whole() {
        // Each costs a process.
        let ends = (0..IDLE.len()).step_by(IDLE.len() / 100).map(|end| &IDLE[..end]);
        let last = (IDLE.len() - 20..IDLE.len()).map(|end| &IDLE[..end]);
        let manual = (0..MANUAL.len()).step_by(MANUAL.len() / 30).map(|end| &MANUAL[..end]);
        let ends = ends.chain(last).chain(manual);
        for bytes in ends {
            if sandbox().load(bytes, MIB).is_ok() {
                // Only the comments behind its last export are missing.
                assert!(bytes.len() > IDLE.len() / 2, "{} bytes", bytes.len());
                Trial::of(bytes).run().await.succeeded();
            }
        }
    }

    /// Whatever a damaged component does, it does it within the walls.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_damaged_component_is_refused_or_runs_within_the_walls() {
        let mut ran = 0;
        for (good, seeds) in [(IDLE, 0..150), (MANUAL, 0..20)] {
            for seed in seeds {
                let bytes = damaged(good, seed);
                if sandbox().load(&bytes, MIB).is_err() {
                    continue;
                }
                let ended = Trial::of(&bytes).with(|l| l.fuel = 10_000_000).run().await;
                assert_ne!(ended.code(), "host", "seed {seed}: {:?}", ended.outcome);
                ran += 1;
            }
        }
        assert!(
            ran > 0,
            "no damage was so small that the component ran: the test shows less than it could"
        );
    }

    /// The component with some bytes changed.
    fn damaged(good: &[u8], seed: u64) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = good.to_vec();
        for _ in 0..random.usize(1..4) {
            let place = random.usize(8..bytes.len());
            bytes[place] = random.u8(..);
        }
        bytes
    }
}
