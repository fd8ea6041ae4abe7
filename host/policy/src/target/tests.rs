use super::*;

fn https(authority: &str) -> Result<String, TargetError> {
    Target::parse("https", authority).map(|target| target.to_string())
}

#[test]
fn equal_places_have_equal_targets() {
    for (authority, expected) in [
        ("api.github.com", "https://api.github.com"),
        ("API.GitHub.Com", "https://api.github.com"),
        ("api.github.com.", "https://api.github.com"),
        ("api.github.com:443", "https://api.github.com"),
        ("api.github.com.:8443", "https://api.github.com:8443"),
        ("bücher.example", "https://xn--bcher-kva.example"),
        ("BÜCHER。example", "https://xn--bcher-kva.example"),
        ("ｅｘａｍｐｌｅ．ｃｏｍ", "https://example.com"),
        ("my_host.internal", "https://my_host.internal"),
        ("localhost", "https://localhost"),
        // The first letter is Cyrillic: another name.
        ("аpi.github.com", "https://xn--pi-6kc.github.com"),
        ("127.0.0.1", "https://127.0.0.1"),
        ("127.0.0.1.", "https://127.0.0.1"),
        ("0x7f.1", "https://127.0.0.1"),
        ("0x7f.1.", "https://127.0.0.1"),
        ("2130706433", "https://127.0.0.1"),
        ("0177.0.0.1", "https://127.0.0.1"),
        ("0x7F000001", "https://127.0.0.1"),
        ("１２７.0.0.1", "https://127.0.0.1"),
        ("0", "https://0.0.0.0"),
        ("[::1]", "https://[::1]"),
        ("[::FFFF:10.0.0.1]:443", "https://[::ffff:10.0.0.1]"),
        ("[::10.0.0.1]", "https://[::a00:1]"),
        ("[2002:0a00:0001::]:1", "https://[2002:a00:1::]:1"),
        ("[64:ff9b::a00:1]", "https://[64:ff9b::a00:1]"),
    ] {
        assert_eq!(https(authority).as_deref(), Ok(expected), "{authority}");
    }
}

#[test]
fn addresses_in_any_notation_are_addresses() {
    for authority in ["0x7f.1", "2130706433", "0177.0.0.1", "[::1]", "1.2.3.4."] {
        let target = Target::parse("http", authority).expect(authority);
        assert!(matches!(target.host(), Host::Ip(_)), "{authority}");
    }
    assert!(matches!(Target::parse("http", "a.1e").expect("a name").host(), Host::Name(_)));
}

#[test]
fn what_is_not_plainly_host_and_port_is_refused() {
    use TargetError::{Character, EmptyHost, Host, Port, Userinfo};
    let long_label = format!("{}.example", "a".repeat(64));
    let long_name = format!("{}example", "abcdefg.".repeat(40));
    let endless = "a.".repeat(100_000);
    for (authority, expected) in [
        ("", EmptyHost),
        (".", EmptyHost),
        (":443", EmptyHost),
        ("..", Host),
        ("example.com..", Host),
        (".example.com", Host),
        ("a..example", Host),
        ("127.0.0.1..", Host),
        ("1.2.3.256", Host),
        ("1.2.3.4.5", Host),
        ("4294967296", Host),
        ("example.0x", Host),
        ("a*b.example", Host),
        ("*.example.com", Host),
        ("a,b", Host),
        ("a<b", Host),
        ("xn--a", Host),
        ("[::1", Host),
        ("[::1]x", Host),
        ("[::1]]", Host),
        ("[]", Host),
        ("[1.2.3.4]", Host),
        ("[example.com]", Host),
        ("[fe80::1%25eth0]", Character),
        ("[fe80::1%eth0]", Character),
        ("::1", Port),
        ("example.com:0", Port),
        ("example.com:65536", Port),
        ("example.com:", Port),
        ("example.com:080", Port),
        ("example.com:+80", Port),
        ("example.com:-1", Port),
        ("example.com:80:80", Port),
        ("example.com:８０", Port),
        ("[::1]:", Port),
        ("[::1]:0", Port),
        ("user@example.com", Userinfo),
        ("api.github.com@evil.com", Userinfo),
        ("user:password@example.com", Userinfo),
        ("@example.com", Userinfo),
        ("api%2egithub.com", Character),
        ("%61pi.github.com", Character),
        ("evil.com/api.github.com", Character),
        ("evil.com\\.github.com", Character),
        ("evil.com#.github.com", Character),
        ("evil.com?.github.com", Character),
        ("exa mple.com", Character),
        (" example.com", Character),
        ("example.com\r\nHost: x", Character),
        ("example.com\0", Character),
        ("example.com\t", Character),
        ("exam\u{3000}ple.com", Character),
        (&long_label, Host),
        (&long_name, Host),
        (&endless, Host),
    ] {
        assert_eq!(https(authority), Err(expected), "{authority:.60}");
    }
}

#[test]
fn only_http_and_https_are_schemes() {
    for scheme in ["http", "HTTP", "https", "hTTps"] {
        let target = Target::parse(scheme, "a.example").expect(scheme);
        assert_eq!(target.scheme().as_str(), scheme.to_lowercase());
        assert_eq!(target.port(), target.scheme().default_port());
    }
    for scheme in ["", "ftp", "file", "ws", "http ", "https:", "httpſ", "unix"] {
        assert_eq!(Target::parse(scheme, "a.example"), Err(TargetError::Scheme), "{scheme}");
    }
}

#[test]
fn reading_a_target_again_changes_nothing() {
    let mut random = fastrand::Rng::with_seed(3);
    let pieces = [
        "a",
        "B",
        ".",
        "..",
        ":",
        "443",
        "0x7f",
        "[",
        "]",
        "::",
        "1",
        "é",
        "。",
        "ß",
        "xn--",
        "-",
        "_",
        "%",
        "@",
        "\u{200d}",
        "٠",
        "example.com",
        "10.0.0.1",
    ];
    for _ in 0..50_000 {
        let count = random.usize(..6);
        let text: String = (0..count).map(|_| pieces[random.usize(..pieces.len())]).collect();
        let Ok(target) = Target::parse("https", &text) else { continue };
        let shown = target.to_string();
        let again = Target::parse("https", shown.strip_prefix("https://").expect("a scheme"));
        assert_eq!(again.as_ref(), Ok(&target), "{text} {shown}");
    }
}
