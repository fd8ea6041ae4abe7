//! The variables that come from the run: [`values`], and their [`declarations`].

use crate::configuration::Configuration;
use crate::inputs::Part;
use crate::literal::quoted;

const BLOCK_ID: &str = "meshstack_building_block_id";
const RUN_ID: &str = "meshstack_building_block_run_id";
/// Deprecated: it is the document of the run in base64.
const RUN_DOCUMENT: &str = "meshstack_building_block_run_b64";

/// The values. What depends on the run is left out of dry runs, and of runs that apply the plan of one: the plan would not be valid there.
/// A configuration that insists on a value gets `null`.
pub(crate) fn values<S>(
    block: &str,
    run: &str,
    is_plan: bool,
    configuration: &Configuration,
) -> Vec<(&'static str, Vec<Part<S>>)> {
    let text = |text: String| vec![Part::Text(text)];
    let mut values = vec![(BLOCK_ID, text(quoted(block)))];
    if is_plan {
        let insists = |name: &str| {
            configuration.variables.get(name).is_some_and(|declared| !declared.has_default)
        };
        let insisted = [RUN_ID, RUN_DOCUMENT].into_iter().filter(|name| insists(name));
        values.extend(insisted.map(|name| (name, text("null".to_owned()))));
    } else {
        let quote = || Part::Text("\"".to_owned());
        values.push((RUN_ID, text(quoted(run))));
        values.push((RUN_DOCUMENT, vec![quote(), Part::RunDocument, quote()]));
    }
    values
}

/// A file that declares those that the configuration does not; none if it declares all.
pub(crate) fn declarations(configuration: &Configuration, tool_version: &str) -> Option<String> {
    // Terraform knows `nullable` since 1.1.
    let not_nullable = if knows_nullable(tool_version) { "  nullable    = false\n" } else { "" };
    let all = [
        (BLOCK_ID, "The building block in meshStack.", not_nullable),
        (RUN_ID, "The run of the building block; null in dry runs.", "  default     = null\n"),
        (
            RUN_DOCUMENT,
            "Deprecated. The run as a document, in base64; null in dry runs.",
            "  default     = null\n",
        ),
    ];
    let missing = all.into_iter().filter(|(name, ..)| !configuration.variables.contains_key(*name));
    let blocks: String = missing
        .map(|(name, description, more)| {
            format!("\nvariable \"{name}\" {{\n  type        = string\n  description = \"{description}\"\n{more}}}\n")
        })
        .collect();
    let head = "# Written by the runner: variables that come from the run, as far as the module does not declare them.\n";
    (!blocks.is_empty()).then(|| format!("{head}{blocks}"))
}

fn knows_nullable(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u64>().unwrap_or(u64::MAX));
    (numbers.next(), numbers.next()) >= (Some(1), Some(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{Declaration, scan};

    fn declaring(names: &[&str]) -> Configuration {
        let declaration = Declaration { has_default: false, is_text: true };
        let variables = names.iter().map(|name| ((*name).to_owned(), declaration)).collect();
        Configuration { has_backend: false, variables }
    }

    #[test]
    fn what_is_declared_is_not_declared_again() {
        let nothing = Configuration::default();
        let all = declarations(&nothing, "1.11.4").unwrap();
        let scanned = scan([("x.tf", all.as_bytes())]).unwrap();
        assert_eq!(scanned.variables.len(), 3);
        assert!(scanned.variables.values().all(|declared| declared.is_text));
        assert!(!scanned.variables[BLOCK_ID].has_default && scanned.variables[RUN_ID].has_default);
        assert_eq!(declarations(&scanned, "1.11.4"), None);
        let rest = declarations(&declaring(&[RUN_ID]), "1.11.4").unwrap();
        assert!(!rest.contains(RUN_ID) && rest.contains(BLOCK_ID) && rest.contains(RUN_DOCUMENT));
    }

    #[test]
    fn old_versions_are_not_asked_for_what_they_do_not_know() {
        for (version, knows) in [
            ("0.12.31", false),
            ("1.0.11", false),
            ("1.1.0", true),
            ("1.11.4", true),
            ("2.0.0", true),
        ] {
            let text = declarations(&Configuration::default(), version).unwrap();
            assert_eq!(text.contains("nullable"), knows, "{version}");
        }
    }

    #[test]
    fn plans_do_not_depend_on_the_run() {
        let of = |is_plan, configuration: &Configuration| {
            values::<()>("block-uuid", "run-uuid", is_plan, configuration)
        };
        assert_eq!(of(false, &Configuration::default()).len(), 3);
        let planned = of(true, &Configuration::default());
        assert_eq!(planned, [(BLOCK_ID, vec![Part::Text("\"block-uuid\"".to_owned())])]);
        let planned = of(true, &declaring(&[RUN_ID]));
        assert_eq!(planned[1], (RUN_ID, vec![Part::Text("null".to_owned())]));
        assert_eq!(planned.len(), 2);
    }
}
