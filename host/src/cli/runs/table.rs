//! The list of runs.

use super::show::date;
use crate::daemon::inventory::{Inventory, KnownRun, Phase};
use crate::excerpt::line;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// Bytes of a name in a column.
const NAME_MAX: usize = 40;

/// A run in the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    run: String,
    phase: Phase,
    block: Option<String>,
    block_name: Option<String>,
    tenant: Option<String>,
    implementation_type: Option<String>,
    since: Option<String>,
    directory: Option<PathBuf>,
}

pub(super) fn rows(inventory: &Inventory) -> Vec<Row> {
    inventory.runs.iter().map(row).collect()
}

fn row(known: &KnownRun) -> Row {
    let run = known.run();
    Row {
        run: known.id.to_string(),
        phase: known.phase,
        block: run.map(|run| run.block.uuid.clone()),
        block_name: run.map(|run| run.block.display_name.clone()),
        tenant: run.map(|run| run.block.tenant.clone()),
        implementation_type: run.map(|run| run.definition.implementation.kind.clone()),
        since: known.since.map(date),
        directory: known.directory.clone(),
    }
}

/// The list for people.
pub(super) struct Table<'a>(pub(super) &'a Inventory);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = rows(self.0);
        if rows.is_empty() {
            return f.write_str("every run is settled");
        }
        let shown = |text: &Option<String>| {
            text.as_deref().map_or_else(|| "-".to_owned(), |text| line(text, NAME_MAX))
        };
        let heads =
            ["RUN", "PHASE", "SINCE", "TYPE", "TENANT", "BLOCK", "DIRECTORY"].map(str::to_owned);
        let lines = rows.iter().map(|row| {
            let directory = row.directory.as_ref().map(|path| path.display().to_string());
            [
                row.run.clone(),
                word(row.phase).to_owned(),
                shown(&row.since),
                shown(&row.implementation_type),
                shown(&row.tenant),
                shown(&row.block_name),
                directory.unwrap_or_else(|| "-".to_owned()),
            ]
        });
        let lines: Vec<_> = std::iter::once(heads).chain(lines).collect();
        let widths = lines.iter().fold([0; 7], |mut widths, line| {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
            widths
        });
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let cells = line.iter().zip(widths);
            let cells = cells.map(|(cell, width)| format!("{cell:<width$}")).collect::<Vec<_>>();
            f.write_str(cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// The phase in a word, as in JSON.
pub(super) fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Claimed => "claimed",
        Phase::Ended => "ended",
        Phase::Executing => "executing",
        Phase::Kept => "kept",
        Phase::Left => "left",
        Phase::Rejected => "rejected",
    }
}
