//! What a tool says when it fails, for the user: [`first_error`], [`is_stale_plan`], [`has_no_workspaces`].

/// So that a message stays one that people read.
const CHARS_MAX: usize = 300;

/// The headline of the first error.
pub(crate) fn first_error(diagnostics: &str) -> Option<String> {
    // Both tools draw a bar in front of each line.
    let lines = diagnostics.lines().map(|line| line.trim_start_matches(['│', '╷', '|', ' ']));
    let mut headlines = lines.filter_map(|line| line.strip_prefix("Error:")).map(str::trim);
    let headline = headlines.find(|headline| !headline.is_empty())?;
    let cut: String = headline.chars().take(CHARS_MAX).collect();
    Some(if cut.len() < headline.len() { format!("{cut}…") } else { cut })
}

/// Whether a saved plan does not fit any more: the state has changed since, or a value.
pub(crate) fn is_stale_plan(diagnostics: &str) -> bool {
    let text = diagnostics.to_lowercase();
    let signs = [
        "saved plan is stale",
        "saved plan does not match",
        "mismatch between input and plan variable",
        "can't change variable when applying a saved plan",
        "can't set variables when applying a saved plan",
        "inconsistent dependency lock file",
    ];
    signs.iter().any(|sign| text.contains(sign))
}

/// Whether the backend has one state only.
pub(crate) fn has_no_workspaces(diagnostics: &str) -> bool {
    let text = diagnostics.to_lowercase();
    text.contains("workspaces not supported") || text.contains("multiple workspaces unsupported")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headline_is_found_in_what_both_tools_draw() {
        let plain = "\nError: Invalid value for variable\n\n  on x.tf line 3:\n";
        let drawn = "╷\n│ Warning: x\n╵\n╷\n│ Error: No value\n│ \n│   on main.tf";
        assert_eq!(first_error(plain).as_deref(), Some("Invalid value for variable"));
        assert_eq!(first_error(drawn).as_deref(), Some("No value"));
        assert_eq!(first_error("Error:\nError: b").as_deref(), Some("b"));
        assert_eq!(first_error("all is well"), None);
        assert_eq!(
            first_error(&format!("Error: {}", "é".repeat(400))).unwrap().chars().count(),
            CHARS_MAX + 1
        );
    }

    #[test]
    fn what_the_tools_say_is_understood() {
        assert!(is_stale_plan(
            "Error: Saved plan is stale\n\nThe given plan file can no longer be applied"
        ));
        assert!(!is_stale_plan("Error: creating instance"));
        // Terraform 1.11.4 with `backend "http"`, on `workspace list` and on `workspace select`.
        assert!(has_no_workspaces("workspaces not supported"));
        assert!(has_no_workspaces(
            "Failed to get configured named states: workspaces not supported"
        ));
        assert!(!has_no_workspaces("Error: Failed to get workspaces"));
    }
}
