//! Components written as WebAssembly text; `tests/guests/wat/README.md` says what is in which folder.

use super::names;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

/// What the parts are added to.
const WHOLE: &str = "idle";

/// Assembles every file in the folders below `texts`.
pub(crate) fn assemble(
    wit: &Path,
    texts: &Path,
    mut keep: impl FnMut(&str, &[u8]) -> Result<()>,
) -> Result<()> {
    let world = World::parse(wit)?;
    for name in names(&texts.join("component"), "wat")? {
        keep(&name, &parse(&read(texts, "component", &name)?, &name)?)?;
    }
    let mut whole = None;
    for name in names(&texts.join("module"), "wat")? {
        let module = parse(&read(texts, "module", &name)?, &name)?;
        let component = world.wrap(module).with_context(|| format!("failed to wrap `{name}`"))?;
        keep(&name, &component)?;
        if name == WHOLE {
            whole = Some(wasmprinter::print_bytes(&component)?);
        }
    }
    let whole = whole.with_context(|| format!("there is no `{WHOLE}`"))?;
    let (open, _end) = whole.rsplit_once(')').context("a component ends with a parenthesis")?;
    for name in names(&texts.join("part"), "wat")? {
        let part = read(texts, "part", &name)?;
        keep(&name, &parse(&format!("{open}\n{part})"), &name)?)?;
    }
    Ok(())
}

fn read(texts: &Path, folder: &str, name: &str) -> Result<String> {
    let path = texts.join(folder).join(format!("{name}.wat"));
    fs::read_to_string(&path).with_context(|| format!("failed to read `{}`", path.display()))
}

fn parse(text: &str, name: &str) -> Result<Vec<u8>> {
    wat::parse_str(text).with_context(|| format!("failed to assemble `{name}`"))
}

/// The world that modules are wrapped for.
struct World {
    resolve: Resolve,
    id: WorldId,
}

impl World {
    fn parse(wit: &Path) -> Result<Self> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(wit)?;
        let id = resolve.select_world(&[package], Some("implementation"))?;
        Ok(Self { resolve, id })
    }

    fn wrap(&self, mut module: Vec<u8>) -> Result<Vec<u8>> {
        embed_component_metadata(&mut module, &self.resolve, self.id, StringEncoding::UTF8)?;
        ComponentEncoder::default().module(&module)?.encode()
    }
}
