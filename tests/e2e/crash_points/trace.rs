//! What a daemon and its shims came by: [`Trace`].

use blockhouse::crash::CrashPoint;
use std::fs;
use std::path::Path;

/// Which points were passed, by which process.
#[derive(Debug, Default)]
pub(super) struct Trace(Vec<(String, String)>);

impl Trace {
    pub(super) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        Self(lines.map(|(name, process)| (name.to_owned(), process.to_owned())).collect())
    }

    /// The numbers of the passes of a point, as [`Pass`] counts them: of a shim's, which shims came by.
    pub(super) fn numbers(&self, point: CrashPoint) -> Vec<u32> {
        let of = |point: CrashPoint| self.0.iter().filter(move |(name, _)| name == point.name());
        let counted: Vec<_> = if point.is_of_shim() {
            let came_by = |shim: &String| of(point).any(|(_, process)| process == shim);
            let shims = of(CrashPoint::ShimOrdered).map(|(_, process)| came_by(process));
            shims.collect()
        } else {
            of(point).map(|_| true).collect()
        };
        let numbered = (1..).zip(counted).filter(|(_, came_by)| *came_by);
        numbered.map(|(number, _)| number).collect()
    }
}
