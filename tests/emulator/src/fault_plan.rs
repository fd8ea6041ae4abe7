//! Decides which request gets which fault. Main type: [`FaultPlan`].

use std::collections::{BTreeMap, HashMap, VecDeque};

use uuid::Uuid;

use crate::{Fault, FaultKind, RandomFaults, Route};

/// Which requests: of this route, and of this run or of any.
type Aim = (Route, Option<Uuid>);

/// Scripted faults first, then outages (in both, those for the run before those for the route), then chance.
#[derive(Debug, Default)]
pub(crate) struct FaultPlan {
    scripts: HashMap<Aim, VecDeque<(Fault, u64)>>,
    outages: HashMap<Aim, Fault>,
    random: Option<(RandomFaults, SplitMix)>,
    injected: BTreeMap<(Route, FaultKind), u64>,
}

impl FaultPlan {
    pub(crate) fn script(&mut self, route: Route, run: Option<Uuid>, fault: Fault, times: u64) {
        if times > 0 {
            self.scripts.entry((route, run)).or_default().push_back((fault, times));
        }
    }

    pub(crate) fn randomise(&mut self, random: RandomFaults) {
        let source = SplitMix(random.seed);
        self.random = Some((random, source));
    }

    pub(crate) fn begin(&mut self, route: Route, run: Option<Uuid>, fault: Fault) {
        self.outages.insert((route, run), fault);
    }

    pub(crate) fn end(&mut self, route: Route) {
        self.outages.retain(|(of, _), _| *of != route);
    }

    pub(crate) fn clear(&mut self) {
        self.scripts.clear();
        self.outages.clear();
        self.random = None;
    }

    pub(crate) fn pick(&mut self, route: Route, run: Option<Uuid>) -> Option<Fault> {
        let scripted = run
            .and_then(|_| self.next_scripted(route, run))
            .or_else(|| self.next_scripted(route, None))
            .or_else(|| run.and_then(|_| self.outages.get(&(route, run)).cloned()))
            .or_else(|| self.outages.get(&(route, None)).cloned());
        let fault = match scripted {
            Some(fault) => fault,
            None => {
                let (random, source) = self.random.as_mut()?;
                random.pick(route, source.draw())?
            }
        };
        *self.injected.entry((route, fault.kind())).or_default() += 1;
        (fault.kind() != FaultKind::Pass).then_some(fault)
    }

    fn next_scripted(&mut self, route: Route, run: Option<Uuid>) -> Option<Fault> {
        let queue = self.scripts.get_mut(&(route, run))?;
        let (fault, times) = queue.front_mut()?;
        let fault = fault.clone();
        *times -= 1;
        if *times == 0 {
            queue.pop_front();
            if queue.is_empty() {
                self.scripts.remove(&(route, run));
            }
        }
        Some(fault)
    }

    pub(crate) fn injected_into(&self, route: Route) -> u64 {
        let of = |(key, times): (&(Route, FaultKind), &u64)| (key.0 == route).then_some(*times);
        self.injected.iter().filter_map(of).sum()
    }

    pub(crate) fn injected(&self) -> &BTreeMap<(Route, FaultKind), u64> {
        &self.injected
    }
}

/// SplitMix64: enough for choosing faults, and the same on every platform and in every release.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    /// A number from 0 up to, not including, 1.
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        // 32 bits are plenty and convert without loss.
        let bits = u32::try_from(mixed >> 32).unwrap_or_default();
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_run_in_order_and_end() {
        let mut plan = FaultPlan::default();
        plan.script(Route::Update, None, Fault::Pass, 1);
        plan.script(Route::Update, None, Fault::DropAfter, 2);
        let kinds: Vec<_> =
            (0..4).map(|_| plan.pick(Route::Update, None).map(|fault| fault.kind())).collect();
        let drop = Some(FaultKind::DropAfter);
        assert_eq!(kinds, [None, drop, drop, None]);
        assert_eq!(plan.injected()[&(Route::Update, FaultKind::DropAfter)], 2);
    }

    #[test]
    fn a_fault_for_one_run_leaves_the_others_alone() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut plan = FaultPlan::default();
        plan.script(Route::Update, Some(one), Fault::DropBefore, 1);
        assert!(plan.pick(Route::Update, Some(other)).is_none());
        assert!(plan.pick(Route::Update, Some(one)).is_some());
    }

    #[test]
    fn an_outage_lasts_until_it_is_ended_and_scripts_go_before_it() {
        let mut plan = FaultPlan::default();
        plan.begin(Route::StateWrite, None, Fault::status(500));
        plan.script(Route::StateWrite, None, Fault::DropBefore, 1);
        let kinds: Vec<_> =
            (0..4).map(|_| plan.pick(Route::StateWrite, None).map(|fault| fault.kind())).collect();
        let failed = Some(FaultKind::Answer);
        assert_eq!(kinds, [Some(FaultKind::DropBefore), failed, failed, failed]);
        assert!(plan.pick(Route::StateRead, None).is_none());
        plan.end(Route::StateWrite);
        assert!(plan.pick(Route::StateWrite, None).is_none());
        assert_eq!(plan.injected_into(Route::StateWrite), 4);
    }

    #[test]
    fn an_outage_for_one_run_leaves_the_others_alone() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut plan = FaultPlan::default();
        plan.begin(Route::Update, Some(one), Fault::DropBefore);
        assert!(plan.pick(Route::Update, Some(other)).is_none());
        assert!(plan.pick(Route::Update, Some(one)).is_some());
    }

    #[test]
    fn the_same_seed_decides_the_same() {
        let decide = |seed| {
            let mut plan = FaultPlan::default();
            plan.randomise(RandomFaults { seed, unavailable: 0.5, ..Default::default() });
            (0..64).map(|_| plan.pick(Route::Login, None).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(decide(7), decide(7));
        assert_ne!(decide(7), decide(8));
    }

    #[test]
    fn a_share_of_five_percent_is_about_five_percent() {
        let mut plan = FaultPlan::default();
        plan.randomise(RandomFaults { seed: 1, unavailable: 0.05, ..Default::default() });
        let hits = (0..10_000).filter(|_| plan.pick(Route::Login, None).is_some()).count();
        assert!((400..600).contains(&hits), "{hits}");
    }
}
