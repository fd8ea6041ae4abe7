use super::*;
use crate::policy::Policy;

fn rule(text: &str) -> HttpRule {
    let text = format!("description = \"test\"\n[[http]]\nreason = \"because\"\n{text}");
    let policy = Policy::parse("p.toml", &text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    policy.http()[0].clone()
}

fn grants(rule: &HttpRule, url: &str) -> bool {
    let (scheme, authority) = url.split_once("://").expect("a scheme");
    rule.grants(&Target::parse(scheme, authority).expect("a target"))
}

#[test]
fn scheme_host_and_port_must_all_be_granted() {
    let plain = rule("hosts = [\"a.example\"]");
    assert!(grants(&plain, "https://a.example") && grants(&plain, "https://A.example.:443"));
    for url in
        ["http://a.example", "http://a.example:443", "https://a.example:80", "https://b.example"]
    {
        assert!(!grants(&plain, url), "{url}");
    }
    let both = rule("hosts = [\"a.example\"]\nschemes = [\"http\", \"https\"]");
    assert!(grants(&both, "http://a.example") && grants(&both, "https://a.example"));
    assert!(!grants(&both, "http://a.example:443") && !grants(&both, "https://a.example:80"));
    let ports = rule("hosts = [\"a.example\"]\nports = [8443, \"9000-9002\"]");
    for (port, expected) in
        [(8443, true), (9000, true), (9002, true), (443, false), (8999, false), (9003, false)]
    {
        assert_eq!(grants(&ports, &format!("https://a.example:{port}")), expected, "{port}");
    }
    assert!(!grants(&ports, "https://a.example"));
}

#[test]
fn everything_of_a_rule_can_be_read() {
    let rule = rule(
        "hosts = [\"a.example\", \"10.0.0.0/8\"]\nschemes = [\"https\"]\nports = [443, \"1-2\"]\n\
         private = [\"10.1.0.0/16\"]\nca_file = \"ca.pem\"\n\
         client_certificate = { certificate_file = \"c.pem\", key_file = \"k.pem\" }\n\
         headers = [{ name = \"Authorization\", secret = \"token\", prefix = \"Bearer \" }, { name = \"X-Key\", secret = \"key\" }]",
    );
    let shown = |items: Vec<String>| items.join(" ");
    assert_eq!(rule.position().to_string(), "p.toml:2");
    assert_eq!(rule.reason(), "because");
    assert_eq!(
        shown(rule.hosts().iter().map(ToString::to_string).collect()),
        "a.example 10.0.0.0/8"
    );
    assert_eq!(rule.schemes(), [Scheme::Https]);
    assert_eq!(shown(rule.ports().iter().map(ToString::to_string).collect()), "443 1-2");
    assert_eq!(shown(rule.private().iter().map(ToString::to_string).collect()), "10.1.0.0/16");
    assert_eq!(rule.ca_file(), Some("ca.pem"));
    assert_eq!(rule.client_certificate(), Some(("c.pem", "k.pem")));
    let header = |name: &str, secret: &str, prefix: &str| SecretHeader {
        name: name.to_owned(),
        secret: secret.to_owned(),
        prefix: prefix.to_owned(),
    };
    let expected = [header("Authorization", "token", "Bearer "), header("X-Key", "key", "")];
    assert_eq!(rule.headers(), expected);
}

#[test]
fn a_header_can_not_carry_another() {
    for (name, prefix) in [
        ("X\\r\\nHost", "a"),
        ("X:", "a"),
        ("X Y", "a"),
        ("X\\u00e9", "a"),
        ("X", "a\\r\\nHost: evil"),
        ("X", "a\\u0000"),
        ("X", "\\u00e9"),
        ("X", "a\\tb"),
        ("Host", "a"),
        ("hOsT", "a"),
        ("Content-Length", "a"),
        ("Transfer-Encoding", "a"),
        ("connection", "a"),
        ("Proxy-Authorization", "a"),
        ("TE", "a"),
        ("Upgrade", "a"),
    ] {
        let text = format!(
            "description = \"test\"\n[[http]]\nreason = \"a\"\nhosts = [\"a.example\"]\n\
             headers = [{{ name = \"{name}\", secret = \"s\", prefix = \"{prefix}\" }}]"
        );
        let mistakes = Policy::parse("p.toml", &text).expect_err(name);
        assert_eq!(mistakes.iter().count(), 1, "{mistakes}");
    }
}
