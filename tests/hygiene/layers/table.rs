//! The tables in the documentation of `host/src/lib.rs`.

use std::error::Error;

/// What the tables say.
#[derive(Debug)]
pub(super) struct Tables {
    layers: Vec<Layer>,
    /// What only some modules may use.
    pub(super) only: Vec<Only>,
}

/// A row of `| layer | modules | may not import |`.
#[derive(Debug)]
pub(super) struct Layer {
    /// `L2` is 2.
    pub(super) level: usize,
    /// In the order of their arrows: a later group may import an earlier one.
    groups: Vec<Vec<String>>,
    /// Whether the arrow goes both ways.
    is_mutual: bool,
    /// Modules and crates that are not imported although they are below or outside.
    pub(super) banned: Vec<String>,
    /// Paths that are imported all the same.
    pub(super) excepted: Vec<String>,
}

impl Layer {
    fn group_of(&self, module: &str) -> Option<usize> {
        self.groups.iter().position(|group| group.iter().any(|name| name == module))
    }
}

/// A row of `| only in | may be used |`.
#[derive(Debug)]
pub(super) struct Only {
    pub(super) modules: Vec<String>,
    pub(super) uses: Vec<String>,
    /// Whether tests may use it anywhere.
    pub(super) tests_aside: bool,
}

/// How one module of a layer sees another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// In a lower layer, or left of an arrow.
    Below,
    /// In the same layer, with no arrow between.
    Beside,
    /// In a higher layer, or right of an arrow.
    Above,
}

impl Tables {
    /// # Errors
    /// A row that is not understood.
    pub(super) fn parse(source: &str) -> Result<Self, Box<dyn Error>> {
        let (mut layers, mut only) = (Vec::new(), Vec::new());
        let mut heading = String::new();
        for line in source.lines().filter_map(|line| line.strip_prefix("//!")) {
            let Some(row) = line.trim().strip_prefix('|') else {
                heading.clear();
                continue;
            };
            let cells: Vec<_> = row.trim_end_matches('|').split('|').map(str::trim).collect();
            match (heading.as_str(), cells.as_slice()) {
                ("", [first, ..]) => heading = (*first).to_owned(),
                (_, [first, ..]) if first.starts_with("---") => {}
                ("layer", [layer, modules, banned]) => {
                    layers.push(Layer::parse(layer, modules, banned)?)
                }
                ("only in", [modules, uses]) => only.push(Only {
                    modules: spans(modules),
                    uses: spans(uses),
                    tests_aside: modules.contains("tests"),
                }),
                _ => return Err(format!("not understood: {row}").into()),
            }
        }
        match (layers.is_empty(), only.is_empty()) {
            (false, false) => Ok(Self { layers, only }),
            _ => Err("the tables are missing".into()),
        }
    }

    pub(super) fn layer(&self, module: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.group_of(module).is_some())
    }

    pub(super) fn layers_of(&self, module: &str) -> usize {
        self.modules().filter(|name| *name == module).count()
    }

    pub(super) fn modules(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().flat_map(|layer| &layer.groups).flatten().map(String::as_str)
    }

    /// How `from` sees `to`; nothing for what is no module.
    pub(super) fn view(&self, from: &str, to: &str) -> Option<View> {
        let (own, other) = (self.layer(from)?, self.layer(to)?);
        if own.level != other.level {
            return Some(if other.level < own.level { View::Below } else { View::Above });
        }
        let other_group = if std::ptr::eq(own, other) { own.group_of(to) } else { None };
        Some(match (own.group_of(from), other_group) {
            (Some(_), Some(_)) if own.is_mutual => View::Below,
            (Some(from), Some(to)) if to < from => View::Below,
            (Some(from), Some(to)) if to > from => View::Above,
            _ => View::Beside,
        })
    }
}

impl Layer {
    fn parse(layer: &str, modules: &str, banned: &str) -> Result<Self, Box<dyn Error>> {
        let level = layer.strip_prefix('L').and_then(|rest| rest.split(' ').next()?.parse().ok());
        let (banned, excepted) = banned.split_once(" except ").unwrap_or((banned, ""));
        Ok(Self {
            level: level.ok_or_else(|| format!("no layer: {layer}"))?,
            groups: modules.split(['→', '⇄']).map(spans).collect(),
            is_mutual: modules.contains('⇄'),
            banned: spans(banned),
            excepted: spans(excepted),
        })
    }
}

/// What stands between backticks.
fn spans(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
