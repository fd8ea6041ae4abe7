//! The state behind [`Slots`](super::Slots), without waiting and waking: who has what, and who is next.

use super::{Config, Need, Why};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use tokio::sync::Notify;

/// Identifies whoever has or wants something; later ones are larger, so that the tickets of runs are in the order of their claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(u64);

/// Who has what, and who is next.
#[derive(Debug)]
pub(super) struct Line {
    slots: usize,
    memory: u64,
    memory_all: u64,
    waiting_max: usize,
    holders: HashMap<Ticket, Holder>,
    /// Only those that have places or runs that wait, so that it does not grow with the tenants of a lifetime.
    tenants: HashMap<Arc<str>, Tenant>,
    /// Blocks that a run has to itself, and the runs that wait for each, in the order of their claims.
    blocks: HashMap<Arc<str>, VecDeque<Ticket>>,
    /// Runs with their tenant's place, and claims to be: they need a slot, and runs also memory. By when they got here.
    next: BTreeMap<u64, Ticket>,
    /// What the runs in `next` need together.
    next_memory: u64,
    /// Runs that wait, wherever.
    waiting: usize,
    /// Slots of runs that are being claimed: each may become a run that waits.
    claiming: usize,
    count: u64,
    woken: Vec<Arc<Notify>>,
}

#[derive(Debug)]
struct Holder {
    stage: Stage,
    turn: Arc<Notify>,
}

/// What a holder has and waits for.
#[derive(Debug)]
enum Stage {
    /// Nothing; waits for its block.
    Blocked { need: Need },
    /// A slot; its run is not known yet.
    Claiming,
    /// Nothing; waits for a slot to claim with.
    Idle { position: u64 },
    /// Its block and the tenant's place; waits for memory and a slot.
    Next { position: u64, need: Need },
    /// All that it needs.
    Placed { need: Need },
    /// Its block; waits for a place of its tenant.
    Queued { need: Need },
}

#[derive(Debug, Default)]
struct Tenant {
    places: usize,
    queue: BTreeSet<Ticket>,
}

impl Need {
    fn allowed(&self) -> usize {
        self.tenant_runs.unwrap_or(usize::MAX).max(1)
    }
}

impl Line {
    pub(super) fn new(config: Config) -> Self {
        let Config { slots, memory, waiting } = config;
        Self {
            slots,
            memory,
            memory_all: memory,
            waiting_max: waiting.max(1),
            holders: HashMap::new(),
            tenants: HashMap::new(),
            blocks: HashMap::new(),
            next: BTreeMap::new(),
            next_memory: 0,
            waiting: 0,
            claiming: 0,
            count: 0,
            woken: Vec::new(),
        }
    }

    /// Asks for a slot to claim with.
    pub(super) fn enter(&mut self, turn: &Arc<Notify>) -> Ticket {
        let position = self.tick();
        let ticket = Ticket(position);
        let turn = Arc::clone(turn);
        if self.slots > 0 && self.next.is_empty() && self.has_room() {
            self.slots -= 1;
            self.claiming += 1;
            self.holders.insert(ticket, Holder { stage: Stage::Claiming, turn });
            return ticket;
        }
        self.holders.insert(ticket, Holder { stage: Stage::Idle { position }, turn });
        self.next.insert(position, ticket);
        self.advance();
        ticket
    }

    pub(super) fn has_slot(&self, ticket: Ticket) -> bool {
        self.holders.get(&ticket).is_some_and(|holder| matches!(holder.stage, Stage::Claiming))
    }

    /// Takes what the run needs, or lines it up and frees its slot.
    pub(super) fn place(&mut self, ticket: Ticket, mut need: Need) -> Option<Why> {
        need.memory = need.memory.min(self.memory_all);
        match self.holders.get(&ticket).map(|holder| &holder.stage) {
            Some(Stage::Claiming) => {}
            // Asked once more; the first time counts.
            _ => return self.why(ticket),
        }
        self.claiming -= 1;
        if !self.take_block(&need, ticket) {
            self.slots += 1;
            self.waiting += 1;
            self.set(ticket, Stage::Blocked { need });
            self.advance();
            return self.why(ticket);
        }
        let tenant = self.tenants.entry(Arc::clone(&need.tenant)).or_default();
        let has_turn = tenant.queue.is_empty() && tenant.places < need.allowed();
        // Those in `next` come first. Else small runs with slots of their own would keep a large one waiting for ever.
        // SECURITY: slots::a_large_run_is_not_starved_by_small_ones
        let has_memory = self.memory.saturating_sub(self.next_memory) >= need.memory;
        if has_turn && has_memory {
            tenant.places += 1;
            self.memory -= need.memory;
            self.set(ticket, Stage::Placed { need });
            // There is one run less that may come to wait.
            self.advance();
            return None;
        }
        self.slots += 1;
        self.waiting += 1;
        self.queue(ticket, need);
        self.advance();
        self.why(ticket)
    }

    /// Whether the block is the run's now, or it needs none; else the run is in line for it.
    fn take_block(&mut self, need: &Need, ticket: Ticket) -> bool {
        let Some(block) = &need.block else { return true };
        match self.blocks.get_mut(block) {
            Some(waiting) => {
                waiting.push_back(ticket);
                false
            }
            None => {
                self.blocks.insert(Arc::clone(block), VecDeque::new());
                true
            }
        }
    }

    /// The block of a run that had it is the next one's, which goes on to wait for its tenant's place.
    fn give_up_block(&mut self, need: &Need) {
        let Some(block) = &need.block else { return };
        let Some(waiting) = self.blocks.get_mut(block) else { return };
        let Some(next) = waiting.pop_front() else {
            self.blocks.remove(block);
            return;
        };
        let Some(Holder { stage: Stage::Blocked { need }, .. }) = self.holders.get(&next) else {
            return;
        };
        let need = need.clone();
        self.queue(next, need);
        self.wake(next);
    }

    /// Lines a run up for a place of its tenant.
    fn queue(&mut self, ticket: Ticket, need: Need) {
        let name = Arc::clone(&need.tenant);
        self.tenants.entry(Arc::clone(&name)).or_default().queue.insert(ticket);
        self.set(ticket, Stage::Queued { need });
        self.promote(&name);
    }

    /// Why the run waits; `None` if it has all that it needs. One that has left has nothing to wait for, and must not start.
    pub(super) fn why(&self, ticket: Ticket) -> Option<Why> {
        let Some(holder) = self.holders.get(&ticket) else { return Some(Why::Slot) };
        match &holder.stage {
            Stage::Blocked { .. } => Some(Why::Block),
            Stage::Placed { .. } => None,
            Stage::Claiming | Stage::Idle { .. } => Some(Why::Slot),
            // With slots left, whoever is first in line lacks memory.
            Stage::Next { need, .. } if need.memory > self.memory || self.slots > 0 => {
                Some(Why::Memory)
            }
            Stage::Next { .. } => Some(Why::Slot),
            Stage::Queued { need } => {
                let places = self.tenants.get(&need.tenant).map_or(0, |tenant| tenant.places);
                let allowed = need.allowed();
                Some(if places >= allowed { Why::Tenant { allowed } } else { Why::Earlier })
            }
        }
    }

    /// Gives back whatever the holder has.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        let Some(holder) = self.holders.remove(&ticket) else { return };
        match holder.stage {
            Stage::Blocked { need } => {
                self.waiting -= 1;
                let waiting = need.block.and_then(|block| self.blocks.get_mut(&block));
                if let Some(waiting) = waiting {
                    waiting.retain(|other| *other != ticket);
                }
            }
            Stage::Claiming => {
                self.slots += 1;
                self.claiming -= 1;
            }
            Stage::Idle { position } => {
                self.next.remove(&position);
            }
            Stage::Next { position, need } => {
                self.next.remove(&position);
                self.next_memory -= need.memory;
                self.waiting -= 1;
                self.vacate(&need.tenant);
                self.give_up_block(&need);
            }
            Stage::Placed { need } => {
                self.slots += 1;
                self.memory += need.memory;
                self.vacate(&need.tenant);
                self.give_up_block(&need);
            }
            Stage::Queued { need } => {
                self.waiting -= 1;
                if let Some(tenant) = self.tenants.get_mut(&need.tenant) {
                    tenant.queue.remove(&ticket);
                }
                // Perhaps it kept those behind it waiting.
                self.promote(&need.tenant);
                self.give_up_block(&need);
            }
        }
        self.advance();
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether nobody has or wants anything, and nothing is kept of those who had.
    #[cfg(test)]
    pub(super) fn is_idle(&self, config: Config) -> bool {
        let all = (config.slots, config.memory) == (self.slots, self.memory);
        let kept = [self.holders.len(), self.tenants.len(), self.blocks.len()];
        let counts = [self.waiting, self.claiming, kept.iter().sum()];
        all && counts == [0; 3] && self.next.is_empty() && self.next_memory == 0
    }

    /// Whom to wake for what has been done since the last time.
    pub(super) fn woken(&mut self) -> Vec<Arc<Notify>> {
        mem::take(&mut self.woken)
    }

    /// A place of the tenant is free.
    fn vacate(&mut self, name: &Arc<str>) {
        if let Some(tenant) = self.tenants.get_mut(name) {
            tenant.places -= 1;
        }
        self.promote(name);
    }

    /// Gives the tenant's free places to its runs in their order, and forgets a tenant that has nothing any more.
    fn promote(&mut self, name: &Arc<str>) {
        while let Some(tenant) = self.tenants.get_mut(name) {
            let Some(first) = tenant.queue.first().copied() else {
                if tenant.places == 0 {
                    self.tenants.remove(name);
                }
                return;
            };
            let Some(holder) = self.holders.get_mut(&first) else { return };
            let Stage::Queued { need } = &holder.stage else { return };
            if tenant.places >= need.allowed() {
                return;
            }
            let need = need.clone();
            tenant.queue.remove(&first);
            tenant.places += 1;
            let position = self.tick();
            self.next.insert(position, first);
            self.next_memory += need.memory;
            self.set(first, Stage::Next { position, need });
            self.wake(first);
        }
    }

    /// Gives slots and memory to those that are next.
    fn advance(&mut self) {
        let mut from = 0;
        while self.slots > 0 {
            let Some((&position, &ticket)) = self.next.range(from..).next() else { return };
            let Some(holder) = self.holders.get(&ticket) else { return };
            match &holder.stage {
                // SECURITY: slots::no_more_runs_wait_than_may
                Stage::Idle { .. } if !self.has_room() => {
                    // Those behind go on: they make room.
                    from = position + 1;
                    continue;
                }
                Stage::Idle { .. } => {
                    self.claiming += 1;
                    self.set(ticket, Stage::Claiming);
                }
                // Nobody overtakes it, not even a claim: the run that it brings would have to wait behind, and another daemon
                // could execute it now.
                Stage::Next { need, .. } if need.memory > self.memory => return,
                Stage::Next { need, .. } => {
                    let need = need.clone();
                    self.memory -= need.memory;
                    self.next_memory -= need.memory;
                    self.waiting -= 1;
                    self.set(ticket, Stage::Placed { need });
                    from = 0;
                }
                Stage::Blocked { .. }
                | Stage::Claiming
                | Stage::Placed { .. }
                | Stage::Queued { .. } => return,
            }
            self.slots -= 1;
            self.next.remove(&position);
            self.wake(ticket);
        }
    }

    /// Whether one run more may wait, which each run may have to that is being claimed.
    fn has_room(&self) -> bool {
        self.waiting + self.claiming < self.waiting_max
    }

    fn set(&mut self, ticket: Ticket, stage: Stage) {
        if let Some(holder) = self.holders.get_mut(&ticket) {
            holder.stage = stage;
        }
    }

    fn wake(&mut self, ticket: Ticket) {
        if let Some(holder) = self.holders.get(&ticket) {
            self.woken.push(Arc::clone(&holder.turn));
        }
    }

    fn tick(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}
