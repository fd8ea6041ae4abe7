use super::*;
use crate::target::Target;

fn pattern(text: &str) -> HostPattern {
    HostPattern::parse(text).unwrap_or_else(|complaint| panic!("{text}: {complaint:?}"))
}

fn matches(text: &str, host: &str) -> bool {
    pattern(text).matches(Target::parse("https", host).expect(host).host())
}

#[test]
fn names_and_wildcards_match_as_written() {
    for (text, host) in [
        ("api.github.com", "api.github.com"),
        ("API.github.com.", "api.GITHUB.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.example.com", "a.example.com"),
        ("*.example.com", "a.b.example.com"),
        ("*.internal", "git.internal"),
        ("*", "anything.at.all"),
        ("*", "localhost"),
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "0xa.1"),
        ("10.0.0.0/8", "10.200.0.1"),
        ("10.0.0.0/8", "[::ffff:10.0.0.1]"),
        ("::1", "[::1]"),
        ("[::1]", "[::1]"),
        ("fd00::/8", "[fd12::1]"),
    ] {
        assert!(matches(text, host), "{text} {host}");
    }
    for (text, host) in [
        ("api.github.com", "xapi.github.com"),
        ("api.github.com", "a.api.github.com"),
        ("api.github.com", "api.github.com.evil.com"),
        ("api.github.com", "аpi.github.com"),
        ("*.example.com", "example.com"),
        ("*.example.com", "xexample.com"),
        ("*.example.com", "example.com.evil.com"),
        ("*.example.com", "a.example.com.evil.com"),
        ("*", "10.0.0.1"),
        ("*", "8.8.8.8"),
        ("*", "[::1]"),
        ("10.0.0.1", "10.0.0.2"),
        ("10.0.0.0/8", "a.10.example"),
        ("8.8.8.8", "dns.google"),
    ] {
        assert!(!matches(text, host), "{text} {host}");
    }
}

#[test]
fn what_is_not_a_host_is_a_mistake() {
    for (text, message, hint) in [
        ("https://a.example", "`https://a.example` is a URL, not a host", "`schemes` and `ports`"),
        ("a.example:8443", "`a.example:8443` is not a host", "`ports`"),
        ("a.*.example", "`a.*.example` has a `*` that is not the first label", "*.example.com"),
        ("*a.example", "`*a.example` has a `*` that is not the first label", ""),
        ("*.*.example", "`*.*.example` has a `*` that is not the first label", ""),
        ("**", "`**` has a `*` that is not the first label", ""),
        ("*.com", "`*.com` is wider than one organisation", "`*` for every host"),
        ("*.", "`*.` is not a host name", ""),
        ("*.10.0.0.1", "`*.10.0.0.1` is not a host name", ""),
        ("0x7f.1", "`0x7f.1` is not a host name", "`127.0.0.1`"),
        ("2130706433", "`2130706433` is not a host name", "`127.0.0.1`"),
        ("a b", "`a b` is not a host name", ""),
        ("%61.example", "`%61.example` is not a host name", ""),
        ("a@b.example", "`a@b.example` is not a host name", ""),
        (".example.com", "`.example.com` is not a host name", ""),
        ("a.example..", "`a.example..` is not a host name", ""),
        ("a.example/path", "`a.example/path` is not an address or CIDR", ""),
        ("10.0.0.0/33", "`10.0.0.0/33` is not an address or CIDR", ""),
        ("10.0.0.0/+8", "`10.0.0.0/+8` is not an address or CIDR", ""),
        ("10.0.0.0/", "`10.0.0.0/` is not an address or CIDR", ""),
        ("010.0.0.0/8", "`010.0.0.0/8` is not an address or CIDR", ""),
        ("10.0.0.1/8", "`10.0.0.1/8` has bits behind its prefix", "`10.0.0.0/8`"),
        ("0.0.0.0/0", "`0.0.0.0/0` mixes public and private addresses", ""),
        ("::/0", "`::/0` mixes public and private addresses", ""),
        ("8.0.0.0/5", "`8.0.0.0/5` mixes public and private addresses", ""),
        ("224.0.0.1", "`224.0.0.1` can't be reached, whatever is granted", ""),
        ("0.0.0.0", "`0.0.0.0` can't be reached, whatever is granted", ""),
        ("ff02::1", "`ff02::1` can't be reached, whatever is granted", ""),
        ("::ffff:10.0.0.1", "`::ffff:10.0.0.1` is an IPv4 address written as IPv6", ""),
    ] {
        let complaint = HostPattern::parse(text).expect_err(text);
        assert_eq!(complaint.message, message);
        assert!(complaint.hint.unwrap_or_default().contains(hint), "{text}: {hint}");
    }
}

#[test]
fn private_opens_no_public_address() {
    for text in [
        "10.0.0.0/8",
        "10.1.2.3",
        "192.168.1.0/24",
        "127.0.0.1/32",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "169.254.169.254/32",
        "168.63.129.16",
        "fd00::/8",
        "::1",
        "64:ff9b:1::/48",
    ] {
        assert!(parse_private(text).is_ok(), "{text}: {:?}", parse_private(text));
    }
    for text in [
        "0.0.0.0/0",
        "8.8.8.0/24",
        "8.8.8.8",
        "10.0.0.0/7",
        "172.0.0.0/8",
        "168.63.129.0/24",
        "::/0",
        "2000::/3",
        "f000::/4",
        "64:ff9b::/96",
        "2002:a00::/24",
    ] {
        let said = parse_private(text).expect_err(text).message;
        assert!(
            said.ends_with("covers public addresses") || said.ends_with("is granted"),
            "{said}"
        );
    }
    for text in ["224.0.0.0/4", "0.0.0.0/8", "ff00::/8", "2001:db8::/32", "::ffff:10.0.0.0/104"] {
        assert!(parse_private(text).is_err(), "{text}");
    }
}

#[test]
fn patterns_are_shown_as_written() {
    for text in ["*", "*.example.com", "a.example.com", "10.0.0.0/8", "10.0.0.1", "[::1]"] {
        assert_eq!(pattern(text).to_string(), text);
    }
}
