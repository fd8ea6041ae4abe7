//! Limits memory over the whole store and remembers why it said no.

use crate::outcome::{LimitHit, LimitName};
use blockhouse_policy::Limits;
use wasmtime::ResourceLimiter;

/// Instances, tables and memories of one store; the Rust toolchain needs a handful of each. Against components that consist
/// of thousands of tiny parts.
const INSTANCES_MAX: usize = 64;
const MEMORIES_MAX: usize = 8;
const TABLES_MAX: usize = 64;

/// Sums the linear memories of one store.
///
/// wasmtime's own `StoreLimits` limits each memory on its own, so that eight memories get eight times the limit.
#[derive(Debug)]
pub(super) struct MemoryLimiter {
    allowed: usize,
    used: usize,
    peak: usize,
    table_elements: usize,
    denied: Option<LimitHit>,
}

impl MemoryLimiter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            allowed: limits.memory_bytes,
            used: 0,
            peak: 0,
            table_elements: limits.table_elements,
            denied: None,
        }
    }

    /// The most bytes at a time.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    /// The last refusal. A guest sees only that growing failed, and most then trap: this is the true reason.
    pub(super) fn denied(&self) -> Option<LimitHit> {
        self.denied
    }

    fn deny(&mut self, limit: LimitName, asked: usize, allowed: usize) -> bool {
        self.denied = Some(LimitHit::of_size(limit, asked, allowed));
        false
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // wasmtime will say no by itself, since the memory's own declaration does; nothing is used.
            return Ok(true);
        }
        let total = self.used.saturating_sub(current).saturating_add(desired);
        if total > self.allowed {
            return Ok(self.deny(LimitName::Memory, total, self.allowed));
        }
        self.used = total;
        // It got over the refusal; whatever ends it now has another reason.
        self.denied = None;
        self.peak = self.peak.max(total);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            return Ok(self.deny(LimitName::Table, desired, self.table_elements));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> MemoryLimiter {
        MemoryLimiter::new(&Limits { memory_bytes: 100, table_elements: 10, ..Limits::default() })
    }

    #[test]
    fn memories_are_summed() {
        let mut limiter = limiter();
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(0, 40, None).unwrap(), "a second memory");
        assert!(!limiter.memory_growing(40, 41, None).unwrap());
        assert_eq!(limiter.denied().unwrap().used, 101);
        assert_eq!(limiter.peak(), 100);
    }

    #[test]
    fn a_refusal_that_was_survived_is_forgotten() {
        let mut limiter = limiter();
        assert!(!limiter.memory_growing(0, 1_000, None).unwrap());
        assert!(limiter.memory_growing(0, 50, None).unwrap());
        assert_eq!(limiter.denied(), None);
    }

    #[test]
    fn a_refusal_does_not_count_as_used() {
        let mut limiter = limiter();
        assert!(!limiter.memory_growing(0, 1_000, None).unwrap());
        assert!(limiter.memory_growing(0, 100, None).unwrap());
    }

    #[test]
    fn tables_are_limited() {
        let mut limiter = limiter();
        assert!(limiter.table_growing(0, 10, None).unwrap());
        assert!(!limiter.table_growing(10, 11, None).unwrap());
        assert_eq!(limiter.denied().unwrap().limit, LimitName::Table);
    }
}
