//! The table at the end of the demo.

use crate::cases::Case;
use blockhouse_emulator::{RunState, RunView};
use std::fmt::Write as _;
use std::time::Duration;

/// How one run ended.
pub(crate) struct Row {
    name: &'static str,
    state: Option<RunState>,
    duration: Duration,
    fuel: String,
    memory: String,
    as_expected: bool,
}

impl Row {
    pub(crate) fn new(case: &Case, run: Option<RunView>, duration: Duration) -> Self {
        let text = run.as_ref().map(text).unwrap_or_default();
        let (fuel, memory) = usage(&text);
        let state = run.map(|run| run.state);
        let as_expected = state == Some(case.state) && text.contains(case.says);
        Self { name: case.name, state, duration, fuel, memory, as_expected }
    }

    pub(crate) fn is_as_expected(&self) -> bool {
        self.as_expected
    }
}

pub(crate) fn render(rows: &[Row]) -> String {
    let mut table = format!(
        "{:<23} {:<10} {:>8}  {:>22}  {:>21}  as expected\n",
        "run", "status", "time", "million instructions", "memory"
    );
    for row in rows {
        let state = row.state.map(|state| format!("{state:?}")).unwrap_or_default();
        let time = format!("{:.1} s", row.duration.as_secs_f64());
        let expected = if row.as_expected { "yes" } else { "NO" };
        let _ = writeln!(
            table,
            "{:<23} {state:<10} {time:>8}  {:>22}  {:>21}  {expected}",
            row.name, row.fuel, row.memory
        );
    }
    table
}

/// All that the run's user and operator read.
fn text(run: &RunView) -> String {
    let steps = run.steps.iter().flat_map(|step| [&step.user_message, &step.system_message]);
    steps.flatten().chain(&run.summary).map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// `used 1.5 of 2000 million instructions, 1.1 MiB of 32.0 MiB memory, 3.1ms of 1800s`, as the runner reports it.
fn usage(text: &str) -> (String, String) {
    let line = text.lines().rev().find_map(|line| line.strip_prefix("used "));
    let mut parts = line.unwrap_or_default().split(", ");
    let mut part = |suffix| {
        let part = parts.next().unwrap_or_default();
        part.strip_suffix(suffix).unwrap_or("-").to_owned()
    };
    (part(" million instructions"), part(" memory"))
}
