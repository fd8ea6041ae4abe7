//! What all runs share: slots, memory, and for each tenant its places; and who gets them in which order.
//!
//! Main types: [`Slots`] hands out a [`Slot`] before a run is claimed; once it is known what the run needs, the slot is brought to a
//! [`Place`], at once or after waiting. One lock holds all of it, and nobody polls: whoever gives something back wakes exactly those
//! that can go on.
//!
//! **Order.** First its block, if it needs one to itself: while another run works on it, it waits, and holds nothing. Then the tenant's place, in the order in which the tenant's runs were claimed. Then memory and a slot, in one step and
//! in the order in which runs got their tenant's place, whatever they need: a large run is not overtaken for ever. In that line a
//! tenant has as many runs as it has places and no more, however many of its runs are waiting behind. Whoever is to claim the next
//! run stands in the same line.
//!
//! **Why nothing locks up.** A run that waits holds at most its block, which only later runs of that block want, and its tenant's place,
//! which only runs of that tenant want, none of which waits for what it has before it has its own. Memory and slot
//! are taken together, so that nobody holds one while waiting for the other; whoever has them needs nothing more, and gives them
//! back when it ends.

mod line;

use line::{Line, Ticket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Runs that may execute at a time.
    pub slots: usize,
    /// Bytes that they may reserve together.
    pub memory: u64,
    /// Runs that may wait at a time; with so many, no slot is handed out for the next claim. At least one.
    pub waiting: usize,
}

/// What a run needs to be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Whose run it is.
    pub tenant: Arc<str>,
    /// Below how many places of the tenant it may start; `None` for any number. Zero counts as one, since it could never start.
    pub tenant_runs: Option<usize>,
    /// The block that it must have to itself, if it must: two runs that change the same infrastructure would ruin it.
    pub block: Option<Arc<str>>,
    /// Bytes that it reserves. More than there are count as all: it then executes alone.
    pub memory: u64,
}

/// Why a run waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Another run of its block is not over yet.
    Block,
    /// An earlier run of its tenant waits, too.
    Earlier,
    /// The memory is reserved by others.
    Memory,
    /// All slots are taken.
    Slot,
    /// Its tenant has as many places as it may.
    Tenant {
        /// How many that is.
        allowed: usize,
    },
}

/// Hands out slots. Cheap to clone; all clones are the same.
#[derive(Clone, Debug)]
pub struct Slots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    line: Mutex<Line>,
}

/// What one run holds: a slot, then a position in the line or a place. Whatever it is, dropping gives it back.
#[derive(Debug)]
pub struct Slot {
    shared: Arc<Shared>,
    ticket: Ticket,
    turn: Arc<Notify>,
}

/// Leave to execute: the run's slot, memory and tenant's place are held for as long as this lives.
#[derive(Debug)]
pub struct Place<'a> {
    _slot: &'a mut Slot,
}

impl Slots {
    /// All free.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Shared { line: Mutex::new(Line::new(config)) }))
    }

    /// A slot for the run that is claimed next, in turn with the runs that wait. Giving up waiting costs nothing.
    pub async fn slot(&self) -> Slot {
        let turn = Arc::new(Notify::new());
        let ticket = self.0.with(|line| line.enter(&turn));
        // From here on dropping gives back what the ticket has, be it a slot or a position in the line.
        let slot = Slot { shared: Arc::clone(&self.0), ticket, turn };
        while !slot.shared.with(|line| line.has_slot(ticket)) {
            slot.turn.notified().await;
        }
        slot
    }

    /// How many runs wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.with(|line| line.waiting())
    }
}

impl Slot {
    /// Goes on to a place: at once and with one lock if there is one, else in its turn. While the run waits its slot is free for
    /// others, and `tell` hears why, again whenever that changes.
    ///
    /// Whoever gives up waiting has left the line for good: asked again, this waits for ever.
    pub async fn place(&mut self, need: Need, mut tell: impl FnMut(Why)) -> Place<'_> {
        let mut known = self.shared.with(|line| line.place(self.ticket, need));
        known.inspect(|why| tell(*why));
        let given_up = Leave { shared: &self.shared, ticket: self.ticket };
        while known.is_some() {
            self.turn.notified().await;
            let now = self.shared.with(|line| line.why(self.ticket));
            if now != known {
                now.inspect(|why| tell(*why));
                known = now;
            }
        }
        std::mem::forget(given_up);
        Place { _slot: self }
    }
}

/// Leaves the line when it is dropped.
struct Leave<'a> {
    shared: &'a Shared,
    ticket: Ticket,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        // SECURITY: slots::whoever_gives_up_waiting_is_out_of_the_way
        self.shared.with(|line| line.leave(self.ticket));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SECURITY: slots::whatever_is_dropped_gives_back_what_it_has
        self.shared.with(|line| line.leave(self.ticket));
    }
}

impl Shared {
    /// Does something with the line, and then wakes whoever can go on by it: outside of the lock, since waking is other people's code.
    fn with<T>(&self, act: impl FnOnce(&mut Line) -> T) -> T {
        let mut line = self.line();
        let result = act(&mut line);
        let woken = line.woken();
        drop(line);
        for turn in woken {
            turn.notify_one();
        }
        result
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Nothing panics while it holds the lock.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
