use super::*;
use crate::grants::Grants;
use crate::limits::Limits;

fn permit(url: &str, rule: &str, ceiling: Option<&str>) -> HttpPermit {
    let policy = |rule: &str| {
        let text = format!("description = \"test\"\n[[http]]\nreason = \"test\"\n{rule}");
        Arc::new(Policy::parse("p.toml", &text).unwrap_or_else(|mistakes| panic!("{mistakes}")))
    };
    let grants = Grants::new(policy(rule), ceiling.map(policy), &Limits::default());
    let (scheme, authority) = url.split_once("://").expect("a scheme");
    grants.http(&Target::parse(scheme, authority).expect("a target")).expect("granted")
}

fn granted(permit: &HttpPermit, address: &str) -> bool {
    let address = address.parse().expect("an address");
    permit.address(address).inspect(|permit| assert_eq!(permit.address(), address)).is_ok()
}

#[test]
fn names_resolve_only_to_public_addresses() {
    let permit = permit("https://a.example", "hosts = [\"*\"]", None);
    assert!(granted(&permit, "8.8.8.8") && granted(&permit, "2606:4700::1111"));
    for address in [
        "10.0.0.1",
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "::1",
        "::ffff:10.0.0.1",
        "::10.0.0.1",
        "2002:a00:1::",
        "64:ff9b::a00:1",
        "fe80::1",
        "fd00:ec2::254",
    ] {
        assert!(!granted(&permit, address), "{address}");
    }
}

#[test]
fn metadata_is_granted_by_its_own_address_alone() {
    for (private, expected) in [
        ("169.254.169.254/32", true),
        ("169.254.169.254", true),
        ("169.254.0.0/16", false),
        ("169.254.169.254/31", false),
    ] {
        let rule = format!("hosts = [\"a.example\"]\nprivate = [\"{private}\"]");
        let permit = permit("https://a.example", &rule, None);
        assert_eq!(granted(&permit, "169.254.169.254"), expected, "{private}");
        assert!(!granted(&permit, "169.254.170.2"), "{private}");
    }
}

#[test]
fn literals_are_granted_by_hosts_and_names_by_private() {
    let rule =
        "hosts = [\"10.0.0.0/8\", \"8.8.8.8\", \"a.example\"]\nprivate = [\"192.168.0.0/16\"]";
    let name = permit("https://a.example", rule, None);
    assert!(granted(&name, "192.168.0.1") && !granted(&name, "10.0.0.1"));
    let literal = permit("https://10.0.0.1", rule, None);
    assert!(granted(&literal, "10.0.0.1") && !granted(&literal, "192.168.0.1"));
    let mapped = permit("https://[::ffff:10.0.0.1]", rule, None);
    assert!(granted(&mapped, "::ffff:10.0.0.1"));
    assert!(granted(&permit("https://8.8.8.8", rule, None), "8.8.8.8"));
    for other in ["10.0.0.2", "::ffff:10.0.0.1", "8.8.8.8", "192.168.0.1"] {
        assert!(!granted(&literal, other), "{other} is not the literal");
    }
    // The address that it carries needs its own grant.
    let tunnel = permit("https://[2002:a00:1::]", "hosts = [\"2002:a00:1::/48\"]", None);
    assert!(!granted(&tunnel, "2002:a00:1::"));
}

#[test]
fn addresses_are_vetted_by_policy_and_ceiling() {
    let (plain, private) = ("hosts = [\"*\"]", "hosts = [\"*\"]\nprivate = [\"10.0.0.0/8\"]");
    for (rule, ceiling, expected) in [
        (plain, plain, false),
        (plain, private, false),
        (private, plain, false),
        (private, private, true),
    ] {
        let permit = permit("https://a.example", rule, Some(ceiling));
        assert_eq!(granted(&permit, "10.0.0.1"), expected, "{rule} {ceiling}");
        assert!(granted(&permit, "8.8.8.8"));
    }
    let literal = "hosts = [\"10.0.0.1\"]";
    assert!(granted(&permit("https://10.0.0.1", literal, Some(literal)), "10.0.0.1"));
}

#[test]
fn denied_addresses_say_what_they_are() {
    let permit = permit("https://a.example", "hosts = [\"*\"]", None);
    for (address, expected) in [
        ("127.0.0.1", "does not grant a.example at 127.0.0.1 (not public: loopback, 127.0.0.0/8)"),
        ("169.254.169.254", "does not grant a.example at 169.254.169.254 (a metadata service)"),
        ("224.0.0.1", "can't grant a.example at 224.0.0.1 (an address that no grant opens)"),
    ] {
        let denied = permit.address(address.parse().expect("an address")).unwrap_err();
        assert_eq!(denied.rule, format!("policy `p` {expected}"));
        assert_eq!(denied.at.expect("a rule").to_string(), "p.toml:2");
    }
}
