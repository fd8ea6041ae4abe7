//! The name of a block's workspace: [`choose`].

use thiserror::Error;

/// Why a block can't have a workspace.
#[derive(Debug, Error, PartialEq)]
pub(crate) enum WorkspaceNameError {
    #[error("the block's id `{0}` is no UUID")]
    Block(String),
    #[error("`{0}` can't be the name of a workspace")]
    Name(String),
}

/// The workspace that a block uses.
#[derive(Debug, PartialEq)]
pub(crate) enum Workspace<'a> {
    Existing(&'a str),
    New(String),
}

/// Looks for the block's workspace among those that exist.
///
/// The block's id decides: the rest of the name says who ordered it, and may have changed since.
pub(crate) fn choose<'a>(
    existing: &'a [String],
    tenant: &str,
    project: Option<&str>,
    platform: Option<&str>,
    block: &str,
) -> Result<Workspace<'a>, WorkspaceNameError> {
    // Attack: an empty id, with which every workspace ends.
    if !is_uuid(block) {
        return Err(WorkspaceNameError::Block(block.chars().take(80).collect()));
    }
    let name = format!("{tenant}.{}.{}:{block}", project.unwrap_or("_"), platform.unwrap_or("_"));
    let mut of_block: Vec<_> =
        existing.iter().filter(|existing| existing.ends_with(block)).collect();
    of_block.sort_unstable_by_key(|existing| (**existing != name, *existing));
    match of_block.first() {
        Some(existing) => Ok(Workspace::Existing(existing)),
        None if is_name(&name) => Ok(Workspace::New(name)),
        None => Err(WorkspaceNameError::Name(name.chars().take(200).collect())),
    }
}

/// What the tool takes for a name, and never for an option.
fn is_name(name: &str) -> bool {
    let is_plain = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '-' | '_' | '.' | '~' | ':' | '@' | '$' | '&' | '+' | '=')
    };
    !name.starts_with('-') && name.chars().all(is_plain)
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "68ce5455-0000-4000-8000-000000000001";

    fn choose_of(existing: &[&str], project: Option<&str>) -> String {
        let existing: Vec<_> = existing.iter().map(|name| (*name).to_owned()).collect();
        format!("{:?}", choose(&existing, "ws", project, Some("p.loc"), BLOCK).unwrap())
    }

    #[test]
    fn a_new_one_is_named_after_who_ordered_the_block() {
        assert_eq!(choose_of(&["default"], Some("prj")), format!("New(\"ws.prj.p.loc:{BLOCK}\")"));
        assert_eq!(choose_of(&[], None), format!("New(\"ws._.p.loc:{BLOCK}\")"));
    }

    #[test]
    fn the_one_of_the_block_is_used_whatever_stands_before_its_id() {
        let old = format!("old.name.x:{BLOCK}");
        assert_eq!(choose_of(&["default", &old], None), format!("Existing({old:?})"));
        let exact = format!("ws._.p.loc:{BLOCK}");
        assert_eq!(choose_of(&[&old, &exact], None), format!("Existing({exact:?})"));
        assert!(
            choose_of(&["ws._.p.loc:68ce5455-0000-4000-8000-000000000002"], None)
                .starts_with("New")
        );
        assert!(choose_of(&[&format!("{BLOCK}-x")], None).starts_with("New"));
    }

    #[test]
    fn hostile_names_are_refused() {
        for block in ["", "default", "68ce5455", "68ce5455-0000-4000-8000-00000000000x", "--------"]
        {
            assert!(choose(&["default".to_owned()], "ws", None, None, block).is_err(), "{block}");
        }
        for tenant in ["-force", "a/b", "a b", "a\n", "é", "a?b", "a;b", "a'"] {
            assert!(choose(&[], tenant, None, None, BLOCK).is_err(), "{tenant}");
        }
    }
}
