use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().expect("a CIDR")).collect()
}

#[test]
fn addresses_are_in_the_class_that_their_registries_say() {
    let is = |class: AddressClass| match class {
        AddressClass::Metadata => "metadata",
        AddressClass::Never => "never",
        AddressClass::Private(_) => "private",
        AddressClass::Public => "public",
    };
    let expected: &[(&str, &[&str])] = &[
        (
            "public",
            &[
                "1.1.1.1",
                "8.8.8.8",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.1",
                "169.253.255.255",
                "172.15.255.255",
                "172.32.0.0",
                "192.167.255.255",
                "198.17.255.255",
                "198.20.0.0",
                "223.255.255.255",
                "2001:200::1",
                "2606:4700:4700::1111",
                "2a00:1450:4001::1",
                "::ffff:8.8.8.8",
                "64:ff9b::808:808",
                "2002:808:808::1",
            ],
        ),
        (
            "private",
            &[
                "10.0.0.0",
                "10.255.255.255",
                "100.64.0.0",
                "100.127.255.255",
                "127.0.0.1",
                "127.255.255.254",
                "169.254.0.1",
                "172.16.0.0",
                "172.31.255.255",
                "192.168.0.0",
                "192.168.255.255",
                "::1",
                "fc00::1",
                "fdff::1",
                "fe80::1",
                "febf::1",
                "fec0::1",
                "feff::1",
                "64:ff9b:1::808:808",
                "::ffff:10.0.0.1",
                "::ffff:127.0.0.1",
                "2002:a00:1::",
                "2002:7f00:1::1",
                "64:ff9b::a00:1",
                "2606:4700::5efe:10.0.0.1",
                "2606:4700::200:5efe:10.0.0.1",
            ],
        ),
        (
            "metadata",
            &[
                "100.100.100.200",
                "168.63.129.16",
                "169.254.169.123",
                "169.254.169.254",
                "169.254.170.2",
                "fd00:ec2::254",
                "fd20:ce::254",
                "::ffff:169.254.169.254",
                "64:ff9b::a9fe:a9fe",
                "64:ff9b:1::a9fe:a9fe",
                "64:ff9b:1:a9fe:00a9:fe00::",
                "2002:a9fe:a9fe::1",
            ],
        ),
        (
            "never",
            &[
                "0.0.0.0",
                "0.1.2.3",
                "192.0.0.1",
                "192.0.2.1",
                "192.88.99.1",
                "198.18.0.1",
                "198.19.255.255",
                "198.51.100.1",
                "203.0.113.1",
                "224.0.0.1",
                "239.255.255.255",
                "240.0.0.1",
                "255.255.255.255",
                "::",
                "100::1",
                "2001::1",
                "2001:0:a00:1::1",
                "2001:2::1",
                "2001:db8::1",
                "3fff::1",
                "4000::1",
                "5f00::1",
                "ff02::1",
                "::8.8.8.8",
                "::10.0.0.1",
                "::ffff:0:10.0.0.1",
                "::ffff:0.0.0.0",
                "2002:e000:1::",
            ],
        ),
    ];
    for (class, addresses) in expected {
        for address in *addresses {
            assert_eq!(is(classify(ip(address))), *class, "{address}");
        }
    }
}

#[test]
fn carried_addresses_are_unwrapped() {
    for (address, carried) in [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::10.0.0.1", "10.0.0.1"),
        ("::ffff:0:10.0.0.1", "10.0.0.1"),
        ("2002:a00:1::", "10.0.0.1"),
        ("64:ff9b::a00:1", "10.0.0.1"),
        ("64:ff9b:1::a00:1", "10.0.0.1"),
        ("2a00::5efe:a00:1", "10.0.0.1"),
        ("::1", "::1"),
        ("::", "::"),
        ("2a00::a00:1", "2a00::a00:1"),
    ] {
        assert_eq!(canonical(ip(address)), ip(carried), "{address}");
    }
}

#[test]
fn every_form_of_an_address_is_vetted() {
    let granted = |address: &str, by: &[&str]| vet(ip(address), &nets(by)).is_ok();
    for (address, by) in [
        ("8.8.8.8", &[][..]),
        ("10.0.0.1", &["10.0.0.0/8"]),
        ("10.0.0.1", &["192.168.0.0/16", "10.0.0.1/32"]),
        ("::ffff:10.0.0.1", &["10.0.0.0/8"]),
        ("64:ff9b::a00:1", &["10.0.0.0/8"]),
        ("64:ff9b:1::808:808", &["64:ff9b:1::/48"]),
        ("64:ff9b:1::a00:1", &["64:ff9b:1::/48", "10.0.0.0/8"]),
        ("169.254.169.254", &["169.254.169.254/32"]),
        ("::ffff:169.254.169.254", &["169.254.169.254/32"]),
        ("fd00:ec2::254", &["fd00:ec2::254/128"]),
        ("::1", &["::1/128"]),
    ] {
        assert!(granted(address, by), "{address} by {by:?}");
    }
    for (address, by) in [
        ("10.0.0.1", &[][..]),
        ("10.0.0.1", &["10.0.0.2/32", "192.168.0.0/16", "fc00::/7"]),
        ("::ffff:10.0.0.1", &["::ffff:0:0/96"]),
        ("2002:a00:1::", &["2002::/16"]),
        ("64:ff9b::a00:1", &["64:ff9b::/96"]),
        ("64:ff9b:1::a00:1", &["64:ff9b:1::/48"]),
        ("64:ff9b:1::a00:1", &["10.0.0.0/8"]),
        ("169.254.169.254", &["169.254.0.0/16", "169.254.169.254/31", "0.0.0.0/0"]),
        ("fd00:ec2::254", &["fc00::/7", "::/0"]),
        ("168.63.129.16", &[]),
        ("0.0.0.0", &["0.0.0.0/0", "0.0.0.0/32"]),
        ("224.0.0.1", &["0.0.0.0/0"]),
        ("::10.0.0.1", &["::/0", "10.0.0.0/8"]),
    ] {
        assert!(!granted(address, by), "{address} by {by:?}");
    }
}

#[test]
fn random_addresses_are_never_wider_than_what_they_carry() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let prefix = [0, 0xffff << 32, 0x0064_ff9b << 96, 0x2002 << 112, random.u128(..)];
        let address = prefix[random.usize(..prefix.len())] | random.u128(..) >> random.u32(..128);
        let address = IpAddr::V6(Ipv6Addr::from_bits(address));
        assert!(classify(address) >= classify(canonical(address)), "{address}");
        assert_eq!(vet(address, &[]).is_ok(), classify(address) == AddressClass::Public);
    }
}
