//! `ceiling` and `routes` together: which component executes which runs, and what it may do.

use std::time::Duration;

use blockhouse_policy::Limits;

use super::mistake::{Mistakes, Place, Warning, shown};
use super::policies::{Policies, Sourced};
use super::reader::{Reader, Section};
use super::routes::{self, Route, Shared};
use super::runs;
use super::show::Show;
use super::{Context, KEYS, Sources, begin};

/// Which component executes which runs, and what it may do.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The policy that bounds all others.
    pub ceiling: Option<Sourced>,
    /// The routes in order; the first that matches wins.
    pub routes: Vec<Route>,
}

impl Rules {
    /// Reads the rules and nothing else, so that they can be looked at where there are no keys and credentials.
    ///
    /// # Errors
    /// All mistakes in the rules at once.
    pub fn load(
        sources: &Sources<'_>,
        context: &Context<'_>,
    ) -> Result<(Self, Vec<Warning>), Mistakes> {
        let (_, mut reader, root) = begin(sources)?;
        let root = reader.section("", root.as_ref(), KEYS);
        let runs = runs::section(&mut reader, &root);
        let wall_time = runs::wall_time(&mut reader, &root, &runs);
        let rules = Self::read(&mut reader, &root, context, wall_time);
        match Mistakes::new(reader.mistakes) {
            Some(mistakes) => Err(mistakes),
            None => Ok((rules, reader.warnings)),
        }
    }

    pub(super) fn read(
        reader: &mut Reader<'_>,
        root: &Section<'_>,
        context: &Context<'_>,
        wall_time: Option<Duration>,
    ) -> Self {
        let defaults = Limits::default();
        let limits = Limits { wall_time: wall_time.unwrap_or(defaults.wall_time), ..defaults };
        let mut policies = Policies::new(context.policies);
        let ceiling = policies.ceiling(reader, root);
        let embedded = context.embedded;
        let mut shared = Shared { embedded, policies, ceiling, limits, wall_time };
        let routes = routes::read(reader, root, &mut shared);
        for route in &routes {
            warn_of_excess(reader, route);
        }
        Self { ceiling: shared.ceiling, routes }
    }

    /// The most that a run of any route may have, in MiB.
    pub(super) fn largest_run_mib(&self) -> u64 {
        let bytes = self.routes.iter().map(|route| route.grants.limits().memory_bytes).max();
        let bytes = bytes.unwrap_or_else(|| Limits::default().memory_bytes);
        u64::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u64::MAX)
    }

    pub(super) fn show(&self, out: &mut Show<'_>) {
        if let Some(ceiling) = &self.ceiling {
            ceiling.source.show_file(out, "ceiling");
        }
        routes::show(&self.routes, out);
    }
}

/// What a policy asks for beyond the ceiling is told once per policy, at its line.
fn warn_of_excess(reader: &mut Reader<'_>, route: &Route) {
    for excess in route.grants.excess() {
        let path = shown(&excess.at.file);
        let place = Place::File { path, line: excess.at.line as usize, column: 1 };
        let warning = Warning { place, key: String::new(), text: excess.what };
        if !reader.warnings.contains(&warning) {
            reader.warnings.push(warning);
        }
    }
}
