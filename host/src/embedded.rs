//! What is part of the program: components for meshStack's own implementation types, and policies.

/// A component that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// The name for `component.embedded` in routes.
    pub name: &'static str,
    /// The implementation types that go to it when no routes are configured.
    pub implementation_types: &'static [&'static str],
    /// The component.
    pub bytes: &'static [u8],
}

/// All of them.
pub const COMPONENTS: &[Embedded] = &[
    Embedded {
        name: "azure-devops",
        implementation_types: &["AZURE_DEVOPS"],
        bytes: include_bytes!(env!("AZURE_DEVOPS_COMPONENT")),
    },
    Embedded {
        name: "github-workflow",
        implementation_types: &["GITHUB_WORKFLOW"],
        bytes: include_bytes!(env!("GITHUB_WORKFLOW_COMPONENT")),
    },
    Embedded {
        name: "gitlab-cicd",
        implementation_types: &["GITLAB_CICD"],
        bytes: include_bytes!(env!("GITLAB_CICD_COMPONENT")),
    },
    Embedded {
        name: "manual",
        implementation_types: &["MANUAL"],
        bytes: include_bytes!(env!("MANUAL_COMPONENT")),
    },
    Embedded {
        name: "terraform",
        implementation_types: &["TERRAFORM"],
        bytes: include_bytes!(env!("TERRAFORM_COMPONENT")),
    },
];

/// A policy that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedPolicy {
    /// The name for `policy.embedded` in routes; the policy of a component has the component's name.
    pub name: &'static str,
    /// The policy file.
    pub text: &'static str,
}

/// All of them.
pub const POLICIES: &[EmbeddedPolicy] = &[
    EmbeddedPolicy { name: "azure-devops", text: include_str!("../../policies/azure-devops.toml") },
    EmbeddedPolicy { name: "deny-all", text: include_str!("../../policies/deny-all.toml") },
    EmbeddedPolicy {
        name: "github-workflow",
        text: include_str!("../../policies/github-workflow.toml"),
    },
    EmbeddedPolicy { name: "gitlab-cicd", text: include_str!("../../policies/gitlab-cicd.toml") },
    EmbeddedPolicy { name: "manual", text: include_str!("../../policies/manual.toml") },
    EmbeddedPolicy { name: "terraform", text: include_str!("../../policies/terraform.toml") },
];

#[cfg(test)]
mod tests {
    use super::*;
    use blockhouse_policy::Policy;

    #[test]
    fn embedded_components_are_smaller_than_a_megabyte() {
        for Embedded { name, bytes, .. } in COMPONENTS {
            assert!(bytes.len() < 1_000_000, "{name}: {}", bytes.len());
        }
    }

    #[test]
    fn every_embedded_component_has_a_policy_of_its_name_and_all_are_valid() {
        for component in COMPONENTS {
            assert!(POLICIES.iter().any(|policy| policy.name == component.name), "{component:?}");
        }
        for policy in POLICIES {
            let parsed = Policy::parse(policy.name, policy.text);
            assert!(parsed.is_ok(), "{}", parsed.unwrap_err());
        }
    }
}
