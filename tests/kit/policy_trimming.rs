//! Policies are taken apart into what they grant.

use blockhouse_policy::Policy;
use blockhouse_tests::policy_trimming::ShippedPolicy;

#[test]
fn each_grant_of_a_shipped_policy_can_be_left_out_and_the_rest_is_a_policy() {
    let policy = ShippedPolicy::named("github-workflow").unwrap().at_localhost("http", &[8080]);
    let policy = policy.configured("poll_seconds", "1").limited("http_requests", 2_000);
    let grants = policy.grants();
    let names: Vec<_> = grants.iter().map(ToString::to_string).collect();
    for name in ["http[0]", "secrets.use[0]", "secrets.use[1].keys[1]", "run_document[0]"] {
        assert!(names.iter().any(|found| found == name), "{name} is not in {names:?}");
    }
    assert!(names.contains(&"limits.http_requests".to_owned()), "wider than the default");
    assert!(!names.contains(&"limits.steps".to_owned()), "narrower than the default");
    assert!(!names.iter().any(|name| name.starts_with("configuration")), "{names:?}");
    let whole = policy.text();
    assert!(Policy::parse("whole", &whole).is_ok(), "{whole}");
    for grant in &grants {
        let trimmed = policy.without(grant).text();
        assert!(trimmed.len() < whole.len(), "{grant}");
        if let Err(mistakes) = Policy::parse("trimmed", &trimmed) {
            panic!("{grant}: {mistakes}");
        }
    }
}

#[test]
fn a_policy_that_is_not_shipped_is_an_error() {
    assert!(ShippedPolicy::named("nobody").is_err());
}
