//! The policies that people copy: the files, the examples in documents and the table of limits.

use crate::repository::{files, text};
use blockhouse_policy::{Limit, Limits, Policy, ReservedName, TerraformLimits};

/// The fenced blocks of one language in a Markdown file.
fn fenced(markdown: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks = markdown.split(fence.as_str()).skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_policy_file_is_valid_and_says_what_it_is_for() {
    let policies: Vec<_> = files()
        .iter()
        .filter(|file| file.path.starts_with("policies/") && file.path.ends_with(".toml"))
        .collect();
    assert!(policies.len() >= 6, "{}", policies.len());
    for file in policies {
        let policy = Policy::parse(&file.path, &file.text);
        let policy = policy.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert!(policy.description().len() > 10, "{}", file.path);
    }
}

#[test]
fn every_example_of_a_policy_in_a_document_is_valid() {
    let mut examples = 0;
    for file in files().iter().filter(|file| file.path.ends_with(".md")) {
        let blocks = fenced(&file.text, "toml").into_iter();
        // Other files are TOML, too.
        let policies = blocks.filter(|block| block.starts_with("description = "));
        for (index, block) in policies.enumerate() {
            let name = format!("{}#{index}", file.path);
            if let Err(mistakes) = Policy::parse(&name, &block) {
                panic!("{mistakes}");
            }
            examples += 1;
        }
    }
    assert!(examples >= 5, "{examples}");
}

/// A limit as the document lists it.
fn row<L: Default>(limit: &Limit<L>) -> String {
    let default = limit.default.map_or_else(|| "none".to_owned(), |_| limit.of(&L::default()));
    let (key, bounds, attack) = (limit.key, limit.bounds(), limit.attack);
    format!("| `{key}` | {default} | {bounds} | {attack} |")
}

/// The lines are in the document, one below the other.
#[track_caller]
fn assert_table(lines: &[String]) {
    let (readme, table) = (text("policies/README.md"), lines.join("\n"));
    assert!(readme.contains(&table), "policies/README.md lacks:\n{table}");
}

#[test]
fn the_table_of_limits_is_that_of_the_program() {
    assert_table(&Limits::TABLE.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn the_table_of_the_limits_of_terraform_is_that_of_the_program() {
    assert_table(&TerraformLimits::TABLE.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn the_table_of_reserved_names_is_that_of_the_program() {
    let rows = ReservedName::TABLE.iter().map(|reserved| {
        let ReservedName { name, never, reason } = reserved;
        let granted = if *never { "never" } else { "by its name" };
        format!("| `{name}` | {granted} | {reason} |")
    });
    assert_table(&rows.collect::<Vec<_>>());
}
