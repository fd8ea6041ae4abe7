//! Which addresses are public, and which need a grant: [`classify`] and [`vet`].
//!
//! An IPv6 address can carry an IPv4 address to which the packets go in the end. Every form is looked at, and the
//! strictest answer counts.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What it takes to connect to an address. The later, the stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressClass {
    /// Reached under a name that is granted.
    Public,
    /// Not reached over the internet: needs a CIDR that contains it. Holds the range, for people.
    Private(&'static str),
    /// A service that tells a machine its own credentials: needs a CIDR of exactly this address.
    Metadata,
    /// No grant helps: not the address of any one machine that could be meant.
    Never,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: [u16; 4], prefix: u8) -> Ipv6Net {
    let [a, b, c, d] = first;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

const NEVER_V4: &[Ipv4Net] = &[
    v4(0, 0, 0, 0, 8),       // "this network"; Linux connects 0.0.0.0 to itself
    v4(192, 0, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 0, 24),    // documentation
    v4(192, 88, 99, 0, 24),  // 6to4 relays
    v4(198, 18, 0, 0, 15),   // benchmarks
    v4(198, 51, 100, 0, 24), // documentation
    v4(203, 0, 113, 0, 24),  // documentation
    v4(224, 0, 0, 0, 4),     // multicast
    v4(240, 0, 0, 0, 4),     // reserved, and broadcast
];

const PRIVATE_V4: &[(Ipv4Net, &str)] = &[
    (v4(10, 0, 0, 0, 8), "private, 10.0.0.0/8"),
    (v4(100, 64, 0, 0, 10), "carrier-grade NAT, 100.64.0.0/10"),
    (v4(127, 0, 0, 0, 8), "loopback, 127.0.0.0/8"),
    (v4(169, 254, 0, 0, 16), "link-local, 169.254.0.0/16"),
    (v4(172, 16, 0, 0, 12), "private, 172.16.0.0/12"),
    (v4(192, 168, 0, 0, 16), "private, 192.168.0.0/16"),
];

/// Global unicast: whatever IANA has given out so far is in here.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0], 3);
const MAPPED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
const COMPATIBLE: Ipv6Net = v6([0, 0, 0, 0], 96);
const TRANSLATED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96);
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0], 96);
const NAT64_LOCAL: Ipv6Net = v6([0x64, 0xff9b, 1, 0], 48);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0], 16);

/// Inside [`GLOBAL_V6`]; outside, everything is refused that isn't named elsewhere.
const NEVER_V6: &[Ipv6Net] = &[
    v6([0x2001, 0, 0, 0], 23), // Teredo, benchmarks, ORCHID and other protocols
    v6([0x2001, 0xdb8, 0, 0], 32), // documentation
    v6([0x3fff, 0, 0, 0], 20), // documentation
];

const PRIVATE_V6: &[(Ipv6Net, &str)] = &[
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback, ::1"),
    (NAT64_LOCAL, "local NAT64, 64:ff9b:1::/48"),
    (v6([0xfc00, 0, 0, 0], 7), "unique local, fc00::/7"),
    (v6([0xfe80, 0, 0, 0], 10), "link-local, fe80::/10"),
    (v6([0xfec0, 0, 0, 0], 10), "site-local, fec0::/10"),
];

/// Where clouds tell a machine who it is, and hand it credentials.
const METADATA: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)), // Alibaba
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),   // Azure
    IpAddr::V4(Ipv4Addr::new(169, 254, 0, 23)),    // Tencent
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 123)), // AWS, time
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 253)), // AWS, names
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), // AWS, Azure, Google and most others
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),   // AWS ECS
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),  // AWS EKS
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)), // AWS EKS
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253)), // AWS, names
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), // AWS
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)), // Google
];

/// What it takes to connect to `address`: the strictest answer for any of its forms.
#[must_use]
pub fn classify(address: IpAddr) -> AddressClass {
    forms(address).map(class_of_form).max().unwrap_or(AddressClass::Never)
}

/// The IPv4 address that an IPv6 address carries (IPv4-mapped and -compatible, 6to4, NAT64, ISATAP, SIIT); any other
/// address is itself.
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    forms(address).nth(1).unwrap_or(address)
}

/// Whether `address` may be connected to when `granted` are the CIDRs beyond public addresses.
///
/// # Errors
/// The class of the form that is not granted.
pub(crate) fn vet(address: IpAddr, granted: &[IpNet]) -> Result<(), AddressClass> {
    // SECURITY: address::every_form_of_an_address_is_vetted
    for form in forms(address) {
        let class = class_of_form(form);
        let is_granted = match class {
            AddressClass::Metadata => granted.contains(&IpNet::from(form)),
            AddressClass::Never => false,
            AddressClass::Private(_) => granted.iter().any(|net| net.contains(&form)),
            AddressClass::Public => true,
        };
        if !is_granted {
            return Err(class);
        }
    }
    Ok(())
}

/// Whether `net` is inside the ranges that need a CIDR, so that granting it opens no public address.
///
/// # Errors
/// What is wrong with it, as the end of a sentence about it.
pub(crate) fn check_private(net: &IpNet) -> Result<(), &'static str> {
    if is_one_metadata_address(net) {
        return Ok(());
    }
    check_written(net)?;
    if in_private(net) { Ok(()) } else { Err("covers public addresses") }
}

/// Whether `net` makes sense for IP literals: not a mix of public and other addresses.
///
/// # Errors
/// What is wrong with it, as the end of a sentence about it.
pub(crate) fn check_literal(net: &IpNet) -> Result<(), &'static str> {
    if is_one_metadata_address(net) || in_private(net) {
        return check_written(net);
    }
    check_written(net)?;
    let mixes = match net {
        IpNet::V4(net) => PRIVATE_V4.iter().any(|(range, _)| net.contains(range)),
        IpNet::V6(net) => PRIVATE_V6.iter().any(|(range, _)| net.contains(range)),
    };
    if mixes { Err("mixes public and private addresses") } else { Ok(()) }
}

fn check_written(net: &IpNet) -> Result<(), &'static str> {
    if let IpNet::V6(net) = net
        && [MAPPED, COMPATIBLE, TRANSLATED].iter().any(|range| range.contains(net))
        && !in_private(&IpNet::V6(*net))
    {
        return Err("is an IPv4 address written as IPv6");
    }
    let is_never = match net {
        IpNet::V4(net) => NEVER_V4.iter().any(|range| range.contains(net)),
        IpNet::V6(net) => {
            let is_in = |range: &Ipv6Net| range.contains(net);
            let is_elsewhere = !GLOBAL_V6.contains(net) && !net.contains(&GLOBAL_V6);
            NEVER_V6.iter().any(is_in)
                || (is_elsewhere && !NAT64.contains(net) && !in_private(&IpNet::V6(*net)))
        }
    };
    if is_never { Err("can't be reached, whatever is granted") } else { Ok(()) }
}

fn is_one_metadata_address(net: &IpNet) -> bool {
    net.prefix_len() == net.max_prefix_len() && METADATA.contains(&net.addr())
}

fn in_private(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => PRIVATE_V4.iter().any(|(range, _)| range.contains(net)),
        IpNet::V6(net) => PRIVATE_V6.iter().any(|(range, _)| range.contains(net)),
    }
}

/// One form alone. IPv6 addresses that only carry an IPv4 address are public here: what they carry is another form.
fn class_of_form(address: IpAddr) -> AddressClass {
    if METADATA.contains(&address) {
        return AddressClass::Metadata;
    }
    let private = match address {
        IpAddr::V4(v4) => PRIVATE_V4.iter().find(|(range, _)| range.contains(&v4)).map(|(_, n)| n),
        IpAddr::V6(v6) => PRIVATE_V6.iter().find(|(range, _)| range.contains(&v6)).map(|(_, n)| n),
    };
    if let Some(name) = private {
        return AddressClass::Private(name);
    }
    let is_never = match address {
        IpAddr::V4(v4) => NEVER_V4.iter().any(|range| range.contains(&v4)),
        IpAddr::V6(v6) => {
            let is_known = [GLOBAL_V6, MAPPED, NAT64].iter().any(|range| range.contains(&v6));
            !is_known || NEVER_V6.iter().any(|range| range.contains(&v6))
        }
    };
    if is_never { AddressClass::Never } else { AddressClass::Public }
}

/// The address as given, then the IPv4 addresses that it carries.
fn forms(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let carried = match address {
        IpAddr::V4(_) => [None; 3],
        IpAddr::V6(v6) => carried(v6),
    };
    std::iter::once(address).chain(carried.into_iter().flatten().map(IpAddr::V4))
}

fn carried(address: Ipv6Addr) -> [Option<Ipv4Addr>; 3] {
    let [_, high, low, third, fourth, fifth, sixth, seventh] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    let last = join(sixth, seventh);
    let is_in = |ranges: &[Ipv6Net]| ranges.iter().any(|range| range.contains(&address));
    if address.is_loopback() || address.is_unspecified() {
        return [None; 3];
    }
    if is_in(&[COMPATIBLE, MAPPED, NAT64, TRANSLATED]) {
        return [Some(last), None, None];
    }
    // ISATAP: the interface's half is 0000:5efe or 0200:5efe and the IPv4 address.
    let isatap = (fifth == 0x5efe && fourth & !0x0200 == 0).then_some(last);
    if is_in(&[SIX_TO_FOUR]) {
        return [Some(join(high, low)), isatap, None];
    }
    if is_in(&[NAT64_LOCAL]) {
        // RFC 6052: a /48 prefix has the IPv4 address around bits 64 to 71; a /96 inside of it has it at the end.
        let around = join(third, fourth << 8 | fifth >> 8);
        let at_end = (third == 0 || !last.is_unspecified()).then_some(last);
        return [at_end, (third != 0).then_some(around), None];
    }
    [isatap, None, None]
}

#[cfg(test)]
mod tests;
