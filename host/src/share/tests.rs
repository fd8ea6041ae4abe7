use super::*;
use crate::outcome::AbortReason;
use crate::shutdown::Abort;
use crate::slots;
use crate::timeline::Timeline;
use blockhouse_policy::Limits;
use std::pin::Pin;

fn progress() -> (Progress, Abort) {
    let abort = Abort::default();
    (Progress::new(Timeline::new(&Limits::default()), abort.clone()), abort)
}

fn shown(progress: &Progress) -> Option<String> {
    progress.timeline().changes_since(0).summary
}

fn need(tenant: &str) -> Need {
    Need { tenant: Arc::from(tenant), tenant_runs: Some(1), block: None, memory: 10 << 20 }
}

/// Slots of which a run of `a` has one.
async fn occupied() -> (Slots, Slot) {
    let slots = Slots::new(slots::Config { slots: 2, memory: 15 << 20, waiting: 9 });
    let mut first = slots.slot().await;
    let _ = first.place(need("a"), |_| {}).await;
    (slots, first)
}

/// Lets it wait, which it must.
async fn begin(waiting: Pin<&mut impl Future>) {
    tokio::select! {
        biased;
        _ = waiting => panic!("there is no place"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn a_run_that_need_not_wait_says_nothing_about_it() {
    let slots = Slots::new(slots::Config { slots: 1, memory: 1, waiting: 1 });
    let (progress, _) = progress();
    let mut slot = slots.slot().await;
    assert!(wait(need("a"), &mut slot, &slots, &progress).await.is_ok());
    assert_eq!((shown(&progress), progress.timeline().revision()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_says_why_and_then_for_how_long_it_did() {
    let (slots, first) = occupied().await;
    for (tenant, expected) in [
        ("a", "Waiting: 1 of 1 runs of workspace `a` are executing."),
        ("b", "Waiting for memory: this run may use 10 MiB, which other runs occupy."),
    ] {
        let (progress, _) = progress();
        let mut slot = slots.slot().await;
        let waiting = wait(need(tenant), &mut slot, &slots, &progress);
        assert!(tokio::time::timeout(Duration::from_secs(5), waiting).await.is_err());
        assert_eq!(shown(&progress), None, "it has given up waiting");
        let mut slot = slots.slot().await;
        let mut waiting = std::pin::pin!(wait(need(tenant), &mut slot, &slots, &progress));
        assert!(tokio::time::timeout(Duration::from_secs(90), waiting.as_mut()).await.is_err());
        assert_eq!(shown(&progress).as_deref(), Some(expected));
    }
    let (progress, _) = progress();
    let mut slot = slots.slot().await;
    let mut waiting = std::pin::pin!(wait(need("a"), &mut slot, &slots, &progress));
    assert!(tokio::time::timeout(Duration::from_secs(90), waiting.as_mut()).await.is_err());
    drop(first);
    assert!(waiting.await.is_ok());
    assert_eq!(shown(&progress).as_deref(), Some("Started after 1m 30s of waiting."));
}

#[tokio::test]
async fn a_run_that_is_aborted_while_it_waits_does_not_say_any_more_that_it_waits() {
    let (slots, first) = occupied().await;
    let (progress, abort) = progress();
    let mut slot = slots.slot().await;
    let mut waiting = Box::pin(wait(need("a"), &mut slot, &slots, &progress));
    begin(waiting.as_mut()).await;
    assert!(shown(&progress).is_some());
    abort.abort(AbortReason::ByUser);
    let outcome = waiting.await.map(drop).unwrap_err();
    assert_eq!(outcome, Outcome::Aborted(AbortReason::ByUser));
    assert_eq!((shown(&progress), slots.waiting()), (None, 0));
    progress.change(|timeline| timeline.finish(&outcome, None));
    assert!(shown(&progress).unwrap().contains("aborted"));
    // What it would have had is not kept for it.
    drop(first);
    let mut next = slots.slot().await;
    let (progress, _) = self::progress();
    assert!(wait(need("a"), &mut next, &slots, &progress).await.is_ok());
}

#[tokio::test]
async fn a_run_that_is_aborted_when_its_turn_comes_does_not_start() {
    let (slots, first) = occupied().await;
    let (progress, abort) = progress();
    let mut slot = slots.slot().await;
    let mut waiting = Box::pin(wait(need("a"), &mut slot, &slots, &progress));
    begin(waiting.as_mut()).await;
    drop(first);
    abort.abort(AbortReason::ByUser);
    assert_eq!(waiting.await.map(drop), Err(Outcome::Aborted(AbortReason::ByUser)));
    assert_eq!(shown(&progress), None);
}

#[test]
fn a_tenant_can_not_write_into_its_message() {
    let need = need(&format!("x\u{1b}[2J{}", "y".repeat(10_000)));
    let text = summary(Why::Earlier, &need);
    assert!(text.len() < 200 && !text.contains('\u{1b}'), "{text}");
}
