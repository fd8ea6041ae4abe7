//! What `terraformVersion` means: [`choose`].

use super::{StoreError, Tool};
use semver::{BuildMetadata, Prerelease, Version};

/// The last release of Terraform under its former licence; the first one of OpenTofu is above it.
const LAST_TERRAFORM: Version =
    Version { major: 1, minor: 5, patch: 5, pre: Prerelease::EMPTY, build: BuildMetadata::EMPTY };

/// Longer ones exist nowhere, and it becomes part of paths.
const MAX_LENGTH: usize = 64;

/// Which tool a version means, and the version as it is written in the names of releases: digits, letters, dots and dashes, beginning
/// with a digit, so that it is safe in a path and in a URL.
///
/// Prereleases go by their precedence: `1.5.5-rc1` is Terraform, `1.6.0-alpha1` OpenTofu.
pub(super) fn choose(text: &str, force: Option<Tool>) -> Result<(Tool, String), StoreError> {
    let invalid = |why: &str| {
        let shown: String = text.chars().take(MAX_LENGTH).collect();
        StoreError::Invalid(format!("`terraformVersion` is {shown:?}, {why}"))
    };
    let text = text.trim();
    if text.starts_with(['v', 'V']) {
        return Err(invalid("but a version has no `v`: write it as in `1.5.5`"));
    }
    if text.len() > MAX_LENGTH {
        return Err(invalid("which is too long for a version: write one such as `1.5.5`"));
    }
    // SECURITY: terraform::store::version::a_version_can_be_part_of_a_path
    let version = Version::parse(text)
        .map_err(|_| invalid("which is not one version with three numbers such as `1.5.5`"))?;
    if !version.build.is_empty() {
        return Err(invalid("but no release has anything after a `+`"));
    }
    let by_version = if version <= LAST_TERRAFORM { Tool::Terraform } else { Tool::Tofu };
    Ok((force.unwrap_or(by_version), version.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Tool {
        let (tool, version) = choose(text, None).unwrap();
        assert_eq!(version, text);
        tool
    }

    #[test]
    fn the_last_free_terraform_is_the_border() {
        for text in ["0.11.15", "1.5.5", "1.5.5-rc1", "1.5.4", "1.0.0-beta1"] {
            assert_eq!(chosen(text), Tool::Terraform, "{text}");
        }
        for text in ["1.5.6", "1.6.0", "1.6.0-alpha1", "1.11.4", "2.0.0", "1.10.0"] {
            assert_eq!(chosen(text), Tool::Tofu, "{text}");
        }
    }

    #[test]
    fn the_operator_can_force_either() {
        let forced = |text, tool| choose(text, Some(tool)).unwrap().0;
        assert_eq!(forced("1.11.4", Tool::Terraform), Tool::Terraform);
        assert_eq!(forced("1.5.5", Tool::Tofu), Tool::Tofu);
    }

    #[test]
    fn anything_but_a_version_names_the_field() {
        let nines = "9".repeat(100);
        for text in [
            "",
            "v1",
            "v1.5.5",
            "1",
            "1.5",
            "latest",
            "~> 1.5",
            "1.5.5+ent",
            "1.5.5.6",
            "01.5.5",
            "-1.5.5",
            &nines,
            "1.5.x",
            "1.5.5\n1",
            "99999999999999999999.0.0",
        ] {
            let Err(StoreError::Invalid(error)) = choose(text, None) else {
                panic!("{text} was taken")
            };
            assert!(error.starts_with("`terraformVersion` is \""), "{error}");
            assert!(error.len() < 300, "{error}");
        }
        let error = choose("v1.5.5", None).unwrap_err().to_string();
        assert!(error.contains("has no `v`"), "{error}");
    }

    #[test]
    fn a_version_can_be_part_of_a_path() {
        for text in [
            "1.5.5/../../x",
            "1.5.5-..",
            "1.5.5-a/b",
            "1.5.5-%2e",
            "../1.5.5",
            "1.5.5-a\\b",
            "1.5.5\0",
        ] {
            assert!(choose(text, None).is_err(), "{text}");
        }
        // Surrounding space is what people paste.
        assert_eq!(choose(" 1.5.5\n", None).unwrap().1, "1.5.5");
    }
}
