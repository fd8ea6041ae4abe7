//! What a component may use up by files: bytes, files, what is open, and the host's work.

use crate::place::{Place, READ_ONLY, READ_WRITE};
use std::fs;

/// Ways in which files grow.
const GROWING: &[&str] = &[
    "append",
    "append-at-once",
    "append-zeroes",
    "grow-and-shrink",
    "many-open",
    "queue-and-shrink",
    "rename-over",
    "set-size",
    "set-size-at-once",
    "splice",
    "unlink",
    "write",
    "write-at-the-end",
    "write-far-away",
    "write-stream",
    "write-stream-at-the-end",
    "write-stream-far-away",
    "zeroes",
];

pub(crate) mod grow_files {
    use super::*;
    use blockhouse_artifacts::GROW_FILES;

    #[tokio::test(flavor = "multi_thread")]
    async fn files_do_not_grow_beyond_the_quota() {
        let mut beyond = Vec::new();
        for way in GROWING {
            let place = Place::with(READ_WRITE).await;
            let ended = place.trial(GROW_FILES, way).run().await;
            let is_refused = ended.told.contains(&format!("{way}: quota"));
            let (bytes, _) = place.contents();
            if !is_refused || bytes > 1 << 20 {
                beyond.push((way, bytes, ended.told));
            }
        }
        assert!(beyond.is_empty(), "{beyond:#?}");
    }
}

pub(crate) mod make_files {
    use super::*;
    use blockhouse_artifacts::MAKE_FILES;

    #[tokio::test(flavor = "multi_thread")]
    async fn files_and_directories_are_limited_in_number() {
        for way in ["directories", "directories-and-back", "files", "files-and-back", "new-files"] {
            let place = Place::with(READ_WRITE).await;
            fs::write(place.work().join("kept"), "").unwrap();
            let ended = place.trial(MAKE_FILES, way).run().await.succeeded();
            assert!(ended.told.contains("20 made, then quota"), "{way}: {}", ended.told);
            assert!(place.contents().1 <= 21, "{way}");
        }
    }
}

pub(crate) mod nest_directories {
    use super::*;
    use blockhouse_artifacts::NEST_DIRECTORIES;

    /// Deeper than fits into a path.
    const DEPTH: usize = 2_200;

    #[tokio::test(flavor = "multi_thread")]
    async fn directories_of_any_depth_are_removed() {
        let policy = READ_WRITE.replace("= 20\n", &format!("= {DEPTH}\n"));
        let place = Place::with(&policy).await;
        let trial = place.trial(NEST_DIRECTORIES, "").with(|limits| limits.fuel = 10_000_000_000);
        let ended = trial.run().await.succeeded();
        assert!(ended.told.contains(&format!("{DEPTH} deep, then quota")), "{}", ended.told);
        assert!(ended.told.contains("moved: done"), "{}", ended.told);
        let (_state, runs) = place.ended().await;
        assert_eq!(fs::read_dir(runs).unwrap().count(), 0);
    }
}

pub(crate) mod leak_descriptors {
    use super::*;
    use blockhouse_artifacts::LEAK_DESCRIPTORS;

    async fn leaked(way: &str) -> String {
        let place = Place::with(READ_WRITE).await;
        place.trial(LEAK_DESCRIPTORS, way).run().await.succeeded().told
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn open_files_are_limited_in_number() {
        for way in ["directories", "files", "readers-of-closed-files"] {
            let told = leaked(way).await;
            // One more is open: the file that the streams are on.
            assert!(told.contains("31 leaked, then quota"), "{way}: {told}");
            assert!(told.contains("one closed: true"), "{way}: {told}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn streams_on_files_are_limited_in_number() {
        for way in ["appenders", "readers", "writers"] {
            let told = leaked(way).await;
            assert!(told.contains("32 leaked, then quota"), "{way}: {told}");
        }
    }
}

pub(crate) mod list_again_and_again {
    use super::*;
    use blockhouse_artifacts::LIST_AGAIN_AND_AGAIN;

    #[tokio::test(flavor = "multi_thread")]
    async fn listings_are_limited_in_sum() {
        let place = Place::with(READ_ONLY).await;
        for n in 0..10_000 {
            fs::write(place.work().join(n.to_string()), "").unwrap();
        }
        let trial = place.trial(LIST_AGAIN_AND_AGAIN, "");
        let ended = trial.with(|limits| limits.fuel = 10_000_000_000).run().await.succeeded();
        assert!(ended.told.contains("7 listings, then quota"), "{}", ended.told);
        assert!(ended.told.contains("an entry: true"), "{}", ended.told);
    }
}

pub(crate) mod overfill_stream {
    use super::*;
    use blockhouse_artifacts::OVERFILL_STREAM;

    #[tokio::test(flavor = "multi_thread")]
    async fn more_than_a_stream_permits_is_not_taken() {
        let place = Place::with(READ_WRITE).await;
        let ended = place.trial(OVERFILL_STREAM, "").run().await;
        assert!(ended.told.contains("permitted: Some(65536)"), "{}", ended.told);
        ended.crashed("component.misuse", "wrote 131072 bytes where 65536 were permitted");
        assert_eq!(place.contents(), (0, 1));
    }
}

pub(crate) mod work_on_files_for_ever {
    use super::*;
    use blockhouse_artifacts::WORK_ON_FILES_FOR_EVER;

    const FUEL: u64 = 20_000_000;

    /// The last round that was told of.
    fn rounds(told: &str) -> u64 {
        told.lines().last().and_then(|line| line.parse().ok()).unwrap_or(0)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn reading_and_writing_files_uses_up_the_fuel() {
        let mut cheap = Vec::new();
        // What one round costs at least: an operation, and the bytes of those that move any.
        for (way, cost) in [
            ("list", 20_000),
            ("look", 20_000),
            ("read", 85_000),
            ("read-stream", 85_000),
            ("rename", 40_000),
            ("skip", 85_000),
            ("stat", 20_000),
            ("stat-at", 20_000),
            ("write", 85_000),
            ("write-stream", 24_000),
        ] {
            let place = Place::with(READ_WRITE).await;
            let trial = place.trial(WORK_ON_FILES_FOR_EVER, way);
            let ended = trial.with(|limits| limits.fuel = FUEL).run().await;
            let rounds = rounds(&ended.told);
            if ended.code() != "limit.cpu" || rounds == 0 || rounds > FUEL / cost {
                cheap.push((way, ended.code(), rounds));
            }
        }
        assert!(cheap.is_empty(), "{cheap:?}");
    }
}
