//! What every native program needs of the system, to be read only: [`Confinement::system`].
//!
//! Found out by tracing Terraform, providers, `bash`, `git` and `ssh`. What is in here can be read by every tenant's programs.

use super::Confinement;
use std::fs;
use std::path::{Path, PathBuf};

/// Programs and libraries. Secrets do not belong here.
const EXECUTE: &[&str] = &[
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    // NixOS has its programs there.
    "/nix/store",
    "/sbin",
    "/usr",
];

/// Never a directory in which a system keeps private keys beside certificates: `/etc/ssl` and `/etc/pki/tls` have one.
// SECURITY: confine::files::keys_beside_the_systems_certificates_are_not_readable
const READ: &[&str] = &[
    // Links to programs.
    "/etc/alternatives",
    // Certificates of authorities, of Debian, Alpine, Arch, Fedora and SUSE.
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/crypto-policies",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/openssl.cnf",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    // Names: of hosts, services and protocols.
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    // Where libraries are.
    "/etc/ld-musl-aarch64.path",
    "/etc/ld-musl-x86_64.path",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    // Time, language and name of the system.
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/os-release",
    "/etc/timezone",
    // Go and malloc: how large a large page is.
    "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
];

/// A service replaces the file that `/etc/resolv.conf` leads to by another one of the same name, which only a rule about the
/// directory covers.
const REPLACED: &[&str] =
    &["/run/NetworkManager", "/run/connman", "/run/resolvconf", "/run/systemd/resolve"];

/// Nothing is stored in them. No `/dev/tty`: there is nobody to be asked.
const DEVICES: &[&str] = &["/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero"];

/// Who has which number: names of all users of the machine, no passwords.
const ACCOUNTS: &[&str] = &["/etc/group", "/etc/passwd"];

impl Confinement {
    /// What every native program needs, as far as this machine has it: programs, libraries, certificates, names of hosts. To be
    /// extended by what one of them needs; without, it can't write anywhere and has no network.
    ///
    /// Nothing of `/proc`: that would show what others do.
    #[must_use]
    pub fn system() -> Self {
        let mut read = existing(READ);
        let names = Path::new("/etc/resolv.conf").canonicalize();
        let directory = names.ok().and_then(|names| Some(names.parent()?.to_owned()));
        let is_replaced =
            |path: &PathBuf| REPLACED.iter().any(|replaced| path == Path::new(replaced));
        read.extend(directory.filter(is_replaced));
        Self { read, execute: existing(EXECUTE), ..Self::default() }
    }

    /// With the names of the machine's users: `ssh` does not work without, and `whoami` does not either.
    #[must_use]
    pub fn with_accounts(mut self) -> Self {
        self.read.extend(existing(ACCOUNTS));
        self
    }
}

/// Devices that may be written to by all.
pub(super) fn devices() -> Vec<PathBuf> {
    existing(DEVICES)
}

fn existing(paths: &[&str]) -> Vec<PathBuf> {
    paths.iter().map(PathBuf::from).filter(|path| fs::exists(path).unwrap_or(false)).collect()
}
