//! Futures are polled by hand, so that each test decides who comes first.

use super::*;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

const CONFIG: Config = Config { slots: 4, memory: 100, waiting: 1000 };

fn need(tenant: &str, tenant_runs: usize, memory: u64) -> Need {
    Need { tenant: Arc::from(tenant), tenant_runs: Some(tenant_runs), block: None, memory }
}

fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// The slot if it is to be had at once.
fn claim(slots: &Slots) -> Option<Slot> {
    poll(std::pin::pin!(slots.slot()))
}

/// A run that executes until it is dropped.
struct Run {
    future: Pin<Box<dyn Future<Output = ()>>>,
    has_started: Rc<Cell<bool>>,
    whys: Rc<RefCell<Vec<Why>>>,
}

impl Run {
    fn of(mut slot: Slot, need: Need) -> Self {
        let (has_started, whys) = (Rc::new(Cell::new(false)), Rc::<RefCell<Vec<_>>>::default());
        let (starts, tells) = (Rc::clone(&has_started), Rc::clone(&whys));
        let future = async move {
            let _place = slot.place(need, |why| tells.borrow_mut().push(why)).await;
            starts.set(true);
            std::future::pending().await
        };
        let mut run = Self { future: Box::pin(future), has_started, whys };
        run.executes();
        run
    }

    fn claimed(slots: &Slots, need: Need) -> Self {
        Self::of(claim(slots).unwrap(), need)
    }

    fn executes(&mut self) -> bool {
        poll(self.future.as_mut());
        self.has_started.get()
    }
}

fn executing(runs: &mut [Run]) -> Vec<usize> {
    (0..runs.len()).filter(|index| runs[*index].executes()).collect()
}

#[track_caller]
fn assert_idle(slots: &Slots, config: Config) {
    assert!(slots.0.line().is_idle(config), "{slots:?}");
}

#[test]
fn a_tenant_executes_no_more_runs_than_its_share() {
    let slots = Slots::new(CONFIG);
    let mut runs: Vec<_> = (0..5).map(|_| Run::claimed(&slots, need("a", 2, 1))).collect();
    assert_eq!((executing(&mut runs), slots.waiting()), (vec![0, 1], 3));
    assert_eq!(*runs[4].whys.borrow(), [Why::Tenant { allowed: 2 }]);
    runs.remove(1);
    assert_eq!((executing(&mut runs), slots.waiting()), (vec![0, 1], 2));
    drop(runs);
    assert_idle(&slots, CONFIG);
}

fn of_block(block: &str, need: Need) -> Need {
    Need { block: Some(Arc::from(block)), ..need }
}

#[test]
fn runs_of_one_block_take_turns_and_those_that_wait_hold_no_slot_and_no_place() {
    let slots = Slots::new(CONFIG);
    let mut runs: Vec<_> =
        (0..4).map(|_| Run::claimed(&slots, of_block("x", need("a", 2, 30)))).collect();
    assert_eq!((executing(&mut runs), slots.waiting()), (vec![0], 3));
    assert_eq!(*runs[1].whys.borrow(), [Why::Block]);
    // Three of four slots, 70 of 100 and the tenant's other place are free.
    let mut other = Run::claimed(&slots, of_block("y", need("a", 2, 70)));
    assert!(other.executes());
    drop(other);
    let waits = runs.remove(2);
    drop(waits);
    runs.remove(0);
    assert_eq!((executing(&mut runs), slots.waiting()), (vec![0], 1));
    runs.remove(0);
    assert_eq!((executing(&mut runs), slots.waiting()), (vec![0], 0));
    drop(runs);
    assert_idle(&slots, CONFIG);
}

#[test]
fn a_run_that_has_its_block_and_gives_up_waiting_lets_the_next_one_have_it() {
    let slots = Slots::new(CONFIG);
    // While one waits for memory, nobody claims.
    let [one, two, three] = [(); 3].map(|()| claim(&slots).unwrap());
    let large = Run::of(one, need("b", 1, 100));
    let first = Run::of(two, of_block("x", need("a", 1, 10)));
    let mut second = Run::of(three, of_block("x", need("a", 1, 10)));
    assert_eq!((first.whys.borrow()[0], second.whys.borrow()[0]), (Why::Memory, Why::Block));
    drop(first);
    drop(large);
    assert!(second.executes());
    drop(second);
    assert_idle(&slots, CONFIG);
}

#[test]
fn a_backlog_of_five_hundred_runs_delays_no_other_tenant() {
    let slots = Slots::new(CONFIG);
    let mut backlog: Vec<_> = (0..500).map(|_| Run::claimed(&slots, need("a", 2, 1))).collect();
    for _ in 0..10 {
        let mut others: Vec<_> = (0..2).map(|_| Run::claimed(&slots, need("b", 2, 1))).collect();
        assert_eq!(executing(&mut others), [0, 1]);
    }
    assert_eq!(executing(&mut backlog), [0, 1]);
}

/// Two fit in at a time, everybody has a backlog, and the longest was there first.
#[test]
fn tenants_with_backlogs_take_turns() {
    let slots = Slots::new(Config { slots: 100, memory: 2, waiting: 100 });
    let claims: Vec<_> = (0..65).map(|_| claim(&slots).unwrap()).collect();
    let tenants =
        std::iter::repeat_n("a", 50).chain("bbbcccdddeeefff".split("").filter(|t| !t.is_empty()));
    let mut waiting: Vec<_> = claims
        .into_iter()
        .zip(tenants)
        .map(|(slot, tenant)| (tenant, Run::of(slot, need(tenant, 1, 1))))
        .collect();
    let (mut order, mut executing) = (Vec::new(), VecDeque::new());
    loop {
        while let Some(next) = waiting.iter_mut().position(|(_, run)| run.executes()) {
            let (tenant, run) = waiting.remove(next);
            order.push(tenant);
            executing.push_back(run);
        }
        if executing.pop_front().is_none() {
            break;
        }
    }
    assert_eq!(order.len(), 65, "{order:?}");
    let last_of_others = order.iter().rposition(|tenant| *tenant != "a").unwrap();
    // Three of each tenant, give or take who is first.
    assert!(last_of_others < 6 * 3 + 2, "{order:?}");
}

#[test]
fn runs_of_a_tenant_start_in_the_order_of_their_claims() {
    let slots = Slots::new(CONFIG);
    let first = Run::claimed(&slots, need("a", 1, 1));
    let (second, third) = (claim(&slots).unwrap(), claim(&slots).unwrap());
    let mut third = Run::of(third, need("a", 1, 1));
    let mut second = Run::of(second, need("a", 1, 1));
    drop(first);
    assert!(second.executes() && !third.executes());
    drop(second);
    assert!(third.executes());
}

#[test]
fn the_limit_is_that_of_the_runs_own_route_and_counts_all_of_its_tenants_runs() {
    let slots = Slots::new(CONFIG);
    let wide: Vec<_> = (0..2).map(|_| Run::claimed(&slots, need("a", 3, 1))).collect();
    let mut narrow = Run::claimed(&slots, need("a", 1, 1));
    // There is room for it, but not before the one that came earlier.
    let mut late = Run::claimed(&slots, need("a", 3, 1));
    assert!(!narrow.executes() && !late.executes());
    assert_eq!(*late.whys.borrow(), [Why::Earlier]);
    drop(wide);
    assert!(narrow.executes() && late.executes());
}

#[test]
fn a_run_that_gives_up_does_not_keep_its_tenants_next_one_waiting() {
    let slots = Slots::new(CONFIG);
    let mut wide = Run::claimed(&slots, need("a", 3, 1));
    let mut narrow = Run::claimed(&slots, need("a", 1, 1));
    let mut late = Run::claimed(&slots, need("a", 3, 1));
    assert!(wide.executes() && !narrow.executes() && !late.executes());
    drop(narrow);
    assert!(late.executes());
}

#[test]
fn without_a_limit_a_tenant_may_have_all_slots_and_zero_is_one() {
    let slots = Slots::new(CONFIG);
    let all = Need { tenant_runs: None, ..need("a", 0, 1) };
    let mut runs: Vec<_> = (0..4).map(|_| Run::claimed(&slots, all.clone())).collect();
    assert_eq!(executing(&mut runs), [0, 1, 2, 3]);
    assert!(claim(&slots).is_none());
    drop(runs);
    assert!(Run::claimed(&slots, need("a", 0, 1)).executes());
}

#[test]
fn a_large_run_is_not_starved_by_small_ones() {
    let slots = Slots::new(CONFIG);
    let mut small = vec![Run::claimed(&slots, need("a", 9, 40))];
    let slot = claim(&slots).unwrap();
    let mut large = Run::claimed(&slots, need("b", 9, 80));
    assert_eq!(*large.whys.borrow(), [Why::Memory]);
    // It would fit, and has a slot of its own already.
    small.push(Run::of(slot, need("a", 9, 40)));
    assert!(!small[1].executes() && !large.executes());
    small.remove(0);
    assert!(large.executes() && !small[0].executes());
    drop(large);
    assert!(small[0].executes());
}

#[test]
fn nothing_is_claimed_that_would_wait_behind_a_run_without_memory() {
    let slots = Slots::new(CONFIG);
    let small = Run::claimed(&slots, need("a", 9, 40));
    let mut large = Run::claimed(&slots, need("b", 9, 80));
    assert!(claim(&slots).is_none());
    drop(small);
    assert!(large.executes() && claim(&slots).is_some());
}

#[test]
fn a_run_that_asks_for_more_memory_than_there_is_executes_alone() {
    let slots = Slots::new(CONFIG);
    let mut large = Run::claimed(&slots, need("a", 9, u64::MAX));
    assert!(large.executes());
    assert!(!Run::claimed(&slots, need("b", 9, 1)).executes());
}

#[test]
fn no_more_runs_wait_than_may() {
    let slots = Slots::new(Config { waiting: 2, ..CONFIG });
    let mut runs: Vec<_> = (0..2).map(|_| Run::claimed(&slots, need("a", 1, 1))).collect();
    let other = claim(&slots).unwrap();
    // One waits, and the one that is being claimed may have to.
    assert!(claim(&slots).is_none());
    drop(other);
    runs.push(Run::claimed(&slots, need("a", 1, 1)));
    let mut poller = std::pin::pin!(slots.slot());
    assert!(poll(poller.as_mut()).is_none());
    // The poller is first in line, and does not stand in the way.
    runs.remove(0);
    assert_eq!((executing(&mut runs), slots.waiting()), (vec![0], 1));
    assert!(poll(poller.as_mut()).is_some());
}

#[test]
fn a_claim_takes_turns_with_those_that_wait() {
    let one = Config { slots: 1, ..CONFIG };
    let slots = Slots::new(one);
    let running = Run::claimed(&slots, need("a", 2, 60));
    let mut poller = std::pin::pin!(slots.slot());
    assert!(poll(poller.as_mut()).is_none());
    drop(running);
    let slot = poll(poller.as_mut()).unwrap();
    let mut next = Run::of(slot, need("a", 2, 60));
    assert!(next.executes());
}

#[test]
fn whoever_gives_up_waiting_is_out_of_the_way() {
    let slots = Slots::new(CONFIG);
    let running = Run::claimed(&slots, need("a", 1, 90));
    // For a place of the tenant.
    let mut slot = claim(&slots).unwrap();
    assert!(poll(std::pin::pin!(slot.place(need("a", 1, 1), |_| {}))).is_none());
    assert_eq!(slots.waiting(), 0);
    assert!(poll(std::pin::pin!(slot.place(need("a", 9, 1), |_| {}))).is_none(), "has left");
    // For memory.
    let mut slot = claim(&slots).unwrap();
    assert!(poll(std::pin::pin!(slot.place(need("b", 1, 20), |_| {}))).is_none());
    let mut small = Run::claimed(&slots, need("c", 1, 10));
    assert!(small.executes());
    drop((running, small, slot));
    // For a slot, which it has got in the meantime.
    let mut runs: Vec<_> = (0..4).map(|_| Run::claimed(&slots, need("a", 9, 1))).collect();
    let mut first = Box::pin(slots.slot());
    let mut second = Box::pin(slots.slot());
    assert!(poll(first.as_mut()).is_none() && poll(second.as_mut()).is_none());
    runs.pop();
    drop(first);
    assert!(poll(second.as_mut()).is_some());
    // For a place, which it has got in the meantime.
    let (last, mut other) = (Run::claimed(&slots, need("d", 1, 1)), std::pin::pin!(slots.slot()));
    assert!(poll(other.as_mut()).is_none());
    runs.pop();
    drop(last);
    assert!(poll(other.as_mut()).is_some());
}

#[test]
fn a_run_hears_why_it_waits_now() {
    let slots = Slots::new(CONFIG);
    let first = Run::claimed(&slots, need("a", 1, 10));
    let mut second = Run::claimed(&slots, need("a", 1, 50));
    let other = Run::claimed(&slots, need("b", 1, 60));
    drop(first);
    assert!(!second.executes());
    assert_eq!(*second.whys.borrow(), [Why::Tenant { allowed: 1 }, Why::Memory]);
    drop(other);
    assert!(second.executes());
}

/// Whatever happens in whatever order, nobody has too much, and in the end all is free.
#[test]
fn whatever_is_dropped_gives_back_what_it_has() {
    let config = Config { slots: 3, memory: 10, waiting: 6 };
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let slots = Slots::new(config);
        let mut runs: Vec<(Run, Need)> = Vec::new();
        let mut claims = Vec::new();
        for _ in 0..200 {
            match random.u8(0..4) {
                0 => claims.extend(claim(&slots)),
                1 if !claims.is_empty() => {
                    let slot = claims.swap_remove(random.usize(0..claims.len()));
                    let tenant = ["a", "b", "c"][random.usize(0..3)];
                    let need = need(tenant, random.usize(1..3), random.u64(0..12));
                    runs.push((Run::of(slot, need.clone()), need));
                }
                2 if !runs.is_empty() => drop(runs.swap_remove(random.usize(0..runs.len()))),
                3 if !claims.is_empty() && random.bool() => drop(claims.pop()),
                _ => {}
            }
            let count = runs.len();
            let executing: Vec<_> =
                runs.iter_mut().filter_map(|(run, need)| run.executes().then_some(need)).collect();
            assert!(executing.len() + claims.len() <= config.slots, "seed {seed}");
            let memory: u64 = executing.iter().map(|need| need.memory.min(10)).sum();
            assert!(memory <= config.memory, "seed {seed}: {memory} bytes reserved");
            for tenant in ["a", "b", "c"] {
                let theirs = executing.iter().filter(|need| *need.tenant == *tenant);
                assert!(theirs.count() <= 2, "seed {seed}");
            }
            assert_eq!(slots.waiting(), count - executing.len(), "seed {seed}");
            assert!(slots.waiting() + claims.len() <= config.waiting, "seed {seed}");
            // Whoever waits waits for somebody.
            assert!(slots.waiting() == 0 || executing.len() + claims.len() > 0, "seed {seed}");
        }
        drop((runs, claims));
        assert_idle(&slots, config);
    }
}

/// Real wake-ups on real threads: none is lost, and every run has its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_of_runs_on_many_threads_all_have_their_turn() {
    let config = Config { slots: 3, memory: 10, waiting: 50 };
    let slots = Slots::new(config);
    let (executed, memory) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..3_000_u64 {
        let mut slot = slots.slot().await;
        let need =
            need(["a", "b", "c"][(index % 3) as usize], 1 + (index % 2) as usize, index % 11);
        let (executed, memory) = (Arc::clone(&executed), Arc::clone(&memory));
        let gives_up = index % 7 == 0;
        tasks.spawn(async move {
            let bytes = need.memory;
            let place = slot.place(need, |_| {});
            let _place = if gives_up {
                tokio::select! {
                    place = place => place,
                    () = tokio::task::yield_now() => return,
                }
            } else {
                place.await
            };
            assert!(memory.fetch_add(bytes, Ordering::SeqCst) + bytes <= 10);
            tokio::task::yield_now().await;
            memory.fetch_sub(bytes, Ordering::SeqCst);
            executed.fetch_add(1, Ordering::SeqCst);
        });
    }
    tasks.join_all().await;
    assert!(executed.load(Ordering::SeqCst) >= 3_000 - 3_000 / 7 - 1);
    assert_idle(&slots, config);
}
