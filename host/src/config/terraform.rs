//! `terraform`: where programs, providers and sources come from, and how programs are stopped. What a run may do with them is said by
//! policies. The older keys at the top level (`wsTimeoutMins`, `initTimeoutMins`, `tfInstallDir`, `insecureHostKeys`) keep working.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::measure::{Span, Whole, web_url, yes_or_no};
use super::reader::{Complaint, Reader, Section};
use super::show::Show;
use super::variables;
use crate::shim::Orphan;

const KEYS: &[&str] = &[
    "initTimeout",
    "interruptGrace",
    "interruptLimit",
    "orphans",
    "providers",
    "sources",
    "tools",
    "users",
    "workspaceTimeout",
];
const TOOLS_KEYS: &[&str] =
    &["cacheMib", "directory", "download", "force", "programs", "terraform", "tofu"];
const RELEASES_KEYS: &[&str] = &["fingerprints", "keyFile", "url"];
const PROVIDERS_KEYS: &[&str] = &["cacheMib", "directories", "mirrors", "registries"];
const SOURCES_KEYS: &[&str] = &["cacheMib", "caFile", "insecureHostKeys", "knownHostsFile"];
const USERS_KEYS: &[&str] = &["count", "first"];

/// What `orphans` can be.
const CONTINUE: &str = "continue";
const INTERRUPT: &str = "interrupt";

const MINUTE: Duration = Duration::from_secs(60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Bounds of a time limit; its default is the policies'.
const TIMEOUT: Span = Span { default: MINUTE, min: MINUTE, max: WEEK };
/// What others give is known from their complaints: seconds lose states, minutes are asked for.
const INTERRUPT_GRACE: Span =
    Span { default: Duration::from_secs(10 * 60), min: Duration::from_secs(1), max: WEEK };
const INTERRUPT_LIMIT: Span =
    Span { default: Duration::from_secs(60 * 60), min: Duration::from_secs(1), max: WEEK };
/// A program has about 90 MiB.
const TOOLS_CACHE: Whole = Whole { default: 4096, min: 256, max: 1 << 20, unit: "MiB" };
/// The large cloud providers have 700 MiB each.
const PROVIDERS_CACHE: Whole = Whole { default: 20_480, min: 1024, max: 1 << 24, unit: "MiB" };
const SOURCES_CACHE: Whole = Whole { default: 10_240, min: 128, max: 1 << 24, unit: "MiB" };
/// Below are the users of the system and of people.
const FIRST_USER: Whole = Whole { default: 200_000, min: 1000, max: 4_000_000_000, unit: "" };
const USERS: Whole = Whole { default: 10_000, min: 1, max: 1_000_000, unit: "users" };

/// How Terraform and OpenTofu are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terraform {
    /// Where the programs come from.
    pub tools: Tools,
    /// Where their providers come from.
    pub providers: Providers,
    /// How sources are fetched.
    pub sources: Sources,
    /// Users that the programs of tenants run as, one per tenant; ours if there are none.
    pub users: Option<Users>,
    /// For `init`, where the policy does not say; `terraform.initTimeout` or `initTimeoutMins`.
    pub init_timeout: Option<Duration>,
    /// For the commands about workspaces, likewise; `terraform.workspaceTimeout` or `wsTimeoutMins`.
    pub workspace_timeout: Option<Duration>,
    /// How long an interrupted `apply` or `destroy` is left alone.
    pub interrupt_grace: Duration,
    /// How long it is left alone as long as it makes progress.
    pub interrupt_limit: Duration,
    /// What becomes of programs when the daemon dies.
    pub orphans: Orphan,
}

/// `terraform.tools`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// Where they are installed; below the state directory unless given. `terraform.tools.directory` or `tfInstallDir`.
    pub directory: Option<PathBuf>,
    /// Which one, whatever the version.
    pub force: Option<Tool>,
    /// Programs on this machine that are used when their version is the one asked for.
    pub programs: Vec<PathBuf>,
    /// Whether others may be downloaded.
    pub download: bool,
    /// MiB of all installed programs together.
    pub cache_mib: u64,
    /// Where releases of Terraform come from.
    pub terraform: Releases,
    /// Where releases of OpenTofu come from.
    pub tofu: Releases,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// HashiCorp's.
    Terraform,
    /// The Linux Foundation's.
    Tofu,
}

/// Where releases come from and who signs them. What is not given is the program's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Releases {
    /// In front of the version.
    pub url: Option<Url>,
    /// OpenPGP keys, ASCII-armoured.
    pub key_file: Option<PathBuf>,
    /// Fingerprints of those that are trusted.
    pub fingerprints: Vec<String>,
}

/// `terraform.providers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Providers {
    /// Network mirrors, asked before the registries.
    pub mirrors: Vec<Url>,
    /// Directories in the layout of `terraform providers mirror`.
    pub directories: Vec<PathBuf>,
    /// Whether registries are asked.
    pub registries: bool,
    /// MiB of all providers that are kept.
    pub cache_mib: u64,
}

/// `terraform.sources`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// MiB of all mirrors of repositories.
    pub cache_mib: u64,
    /// Host keys of git servers, where the definition brings none; `SSH_KNOWN_HOSTS`, else `~/.ssh/known_hosts` if there is one.
    pub known_hosts_file: Option<PathBuf>,
    /// Whether host keys go unchecked. `terraform.sources.insecureHostKeys` or `insecureHostKeys`.
    pub insecure_host_keys: bool,
    /// Certificate authorities for git servers besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// `terraform.users`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Users {
    /// The first one's number.
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl Tool {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Terraform => "terraform",
            Self::Tofu => "tofu",
        }
    }

    fn parse(text: &str) -> Result<Self, Complaint> {
        match text.trim() {
            "terraform" => Ok(Self::Terraform),
            "tofu" => Ok(Self::Tofu),
            _ => Err(Complaint::from("must be `terraform` or `tofu`")),
        }
    }
}

impl Terraform {
    pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Self {
        let section = reader.subsection(root, "terraform", KEYS);
        let mut timeout = |older: &str, key: &str| {
            let (old, new) = (root.find(older), section.find(key));
            let is_old = old.is_some();
            let found = reader.either(old, new);
            reader.parse(&section.join(key), found, |text| {
                if is_old { TIMEOUT.parse_count(text, MINUTE) } else { TIMEOUT.parse(text) }
            })
        };
        let init_timeout = timeout("initTimeoutMins", "initTimeout");
        let workspace_timeout = timeout("wsTimeoutMins", "workspaceTimeout");
        let mut span = |key: &str, span: Span| {
            let value = reader.parse(&section.join(key), section.find(key), |t| span.parse(t));
            value.unwrap_or(span.default)
        };
        let interrupt_grace = span("interruptGrace", INTERRUPT_GRACE);
        let interrupt_limit = span("interruptLimit", INTERRUPT_LIMIT);
        if let Some(found) =
            section.find("interruptLimit").filter(|_| interrupt_limit < interrupt_grace)
        {
            reader.wrong(&found, "must not be shorter than `interruptGrace`");
        }
        let orphans = reader.parse(&section.join("orphans"), section.find("orphans"), orphans);
        Self {
            tools: Tools::read(reader, root, &section),
            providers: Providers::read(reader, &section),
            sources: Sources::read(reader, root, &section),
            users: Users::read(reader, &section),
            init_timeout,
            workspace_timeout,
            interrupt_grace,
            interrupt_limit: interrupt_limit.max(interrupt_grace),
            // A run that is nearly done is not begun again because a daemon was replaced.
            orphans: orphans.unwrap_or(Orphan::Continues),
        }
    }

    pub(super) fn show(&self, out: &mut Show<'_>) {
        out.section("terraform", |out| {
            for (key, time) in
                [("initTimeout", self.init_timeout), ("workspaceTimeout", self.workspace_timeout)]
            {
                if let Some(time) = time {
                    out.duration(key, time);
                }
            }
            out.duration("interruptGrace", self.interrupt_grace);
            out.duration("interruptLimit", self.interrupt_limit);
            let orphans = match self.orphans {
                Orphan::Continues => CONTINUE,
                Orphan::IsInterrupted => INTERRUPT,
            };
            out.value("orphans", orphans);
            self.tools.show(out);
            self.providers.show(out);
            self.sources.show(out);
            if let Some(users) = self.users {
                out.section("users", |out| {
                    out.value("first", &users.first.to_string());
                    out.value("count", &users.count.to_string());
                });
            }
        });
    }
}

impl Tools {
    fn read(reader: &mut Reader<'_>, root: &Section<'_>, parent: &Section<'_>) -> Self {
        let section = reader.subsection(parent, "tools", TOOLS_KEYS);
        let directory = reader.either(root.find("tfInstallDir"), section.find("directory"));
        let directory = path(reader, &section.join("directory"), directory);
        let force = reader.parse(&section.join("force"), section.find("force"), Tool::parse);
        Self {
            directory,
            force,
            programs: paths(reader, &section, "programs"),
            download: switch(reader, &section, "download", true),
            cache_mib: whole(reader, &section, "cacheMib", TOOLS_CACHE),
            terraform: Releases::read(reader, &section, "terraform"),
            tofu: Releases::read(reader, &section, "tofu"),
        }
    }

    fn show(&self, out: &mut Show<'_>) {
        out.section("tools", |out| {
            show_path(out, "directory", self.directory.as_ref());
            if let Some(force) = self.force {
                out.value("force", force.as_str());
            }
            show_paths(out, "programs", &self.programs);
            out.value("download", &self.download.to_string());
            out.value("cacheMib", &self.cache_mib.to_string());
            for (key, releases) in [("terraform", &self.terraform), ("tofu", &self.tofu)] {
                out.section(key, |out| releases.show(out));
            }
        });
    }
}

impl Releases {
    fn read(reader: &mut Reader<'_>, parent: &Section<'_>, key: &str) -> Self {
        let section = reader.subsection(parent, key, RELEASES_KEYS);
        let url = reader.parse(&section.join("url"), section.find("url"), web_url);
        let key_file = path(reader, &section.join("keyFile"), section.find("keyFile"));
        let found = section.find("fingerprints");
        let fingerprints = reader.texts(&section.join("fingerprints"), found, fingerprint);
        Self { url, key_file, fingerprints: fingerprints.unwrap_or_default() }
    }

    fn show(&self, out: &mut Show<'_>) {
        if let Some(url) = &self.url {
            out.value("url", url.as_str());
        }
        show_path(out, "keyFile", self.key_file.as_ref());
        if !self.fingerprints.is_empty() {
            out.list("fingerprints", self.fingerprints.iter().map(String::as_str));
        }
    }
}

impl Providers {
    fn read(reader: &mut Reader<'_>, parent: &Section<'_>) -> Self {
        let section = reader.subsection(parent, "providers", PROVIDERS_KEYS);
        let mirrors = reader.texts(&section.join("mirrors"), section.find("mirrors"), web_url);
        Self {
            mirrors: mirrors.unwrap_or_default(),
            directories: paths(reader, &section, "directories"),
            registries: switch(reader, &section, "registries", true),
            cache_mib: whole(reader, &section, "cacheMib", PROVIDERS_CACHE),
        }
    }

    fn show(&self, out: &mut Show<'_>) {
        out.section("providers", |out| {
            if !self.mirrors.is_empty() {
                out.list("mirrors", self.mirrors.iter().map(Url::as_str));
            }
            show_paths(out, "directories", &self.directories);
            out.value("registries", &self.registries.to_string());
            out.value("cacheMib", &self.cache_mib.to_string());
        });
    }
}

impl Sources {
    fn read(reader: &mut Reader<'_>, root: &Section<'_>, parent: &Section<'_>) -> Self {
        let section = reader.subsection(parent, "sources", SOURCES_KEYS);
        let known = reader.over(variables::SSH_KNOWN_HOSTS, section.find("knownHostsFile"));
        let known_hosts_file = path(reader, &section.join("knownHostsFile"), known);
        let found = reader.either(root.find("insecureHostKeys"), section.find("insecureHostKeys"));
        if let Some(found) = &found
            && found.text().is_some_and(|text| yes_or_no(text) == Ok(true))
        {
            reader.warn(found, "the host keys of git servers are not checked: whoever can redirect the connection can replace the sources");
        }
        let insecure = reader.parse(&section.join("insecureHostKeys"), found, yes_or_no);
        Self {
            cache_mib: whole(reader, &section, "cacheMib", SOURCES_CACHE),
            known_hosts_file: known_hosts_file.or_else(|| {
                let home = reader.environment(variables::HOME)?;
                let file = PathBuf::from(home).join(".ssh/known_hosts");
                file.is_file().then_some(file)
            }),
            insecure_host_keys: insecure.unwrap_or(false),
            ca_file: path(reader, &section.join("caFile"), section.find("caFile")),
        }
    }

    fn show(&self, out: &mut Show<'_>) {
        out.section("sources", |out| {
            out.value("cacheMib", &self.cache_mib.to_string());
            show_path(out, "knownHostsFile", self.known_hosts_file.as_ref());
            out.value("insecureHostKeys", &self.insecure_host_keys.to_string());
            show_path(out, "caFile", self.ca_file.as_ref());
        });
    }
}

impl Users {
    fn read(reader: &mut Reader<'_>, parent: &Section<'_>) -> Option<Self> {
        let found = parent.find("users")?;
        let section = reader.open(&found, USERS_KEYS);
        let first = whole(reader, &section, "first", FIRST_USER);
        let count = whole(reader, &section, "count", USERS);
        Some(Self { first: u32::try_from(first).ok()?, count: u32::try_from(count).ok()? })
    }
}

fn orphans(text: &str) -> Result<Orphan, Complaint> {
    match text.trim() {
        CONTINUE => Ok(Orphan::Continues),
        INTERRUPT => Ok(Orphan::IsInterrupted),
        _ => Err(Complaint::from("must be `continue` or `interrupt`")),
    }
}

/// Forty hexadecimal digits, with or without spaces.
fn fingerprint(text: &str) -> Result<String, Complaint> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if digits.len() != 40 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Complaint::from("must be the 40 hexadecimal digits of a key's fingerprint"));
    }
    Ok(digits.to_ascii_uppercase())
}

fn path(
    reader: &mut Reader<'_>,
    canonical: &str,
    found: Option<super::reader::Found<'_>>,
) -> Option<PathBuf> {
    reader.parse(canonical, found, |text| Ok(PathBuf::from(text)))
}

fn paths(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Vec<PathBuf> {
    let found = section.find(key);
    let paths = reader.texts(&section.join(key), found, |text| Ok(PathBuf::from(text)));
    paths.unwrap_or_default()
}

fn switch(reader: &mut Reader<'_>, section: &Section<'_>, key: &str, default: bool) -> bool {
    reader.parse(&section.join(key), section.find(key), yes_or_no).unwrap_or(default)
}

fn whole(reader: &mut Reader<'_>, section: &Section<'_>, key: &str, bounds: Whole) -> u64 {
    let value = reader.parse(&section.join(key), section.find(key), |text| bounds.parse(text));
    value.unwrap_or(bounds.default)
}

fn show_path(out: &mut Show<'_>, key: &str, path: Option<&PathBuf>) {
    if let Some(path) = path {
        out.value(key, &path.to_string_lossy());
    }
}

fn show_paths(out: &mut Show<'_>, key: &str, paths: &[PathBuf]) {
    if !paths.is_empty() {
        let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
        out.list(key, paths.iter().map(|path| &**path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_with_and_without_spaces() {
        let spaced = "C874 011F 0AB4 0511 0D02 1055 3436 5D94 72D7 468F";
        assert_eq!(fingerprint(spaced).unwrap(), "C874011F0AB405110D02105534365D9472D7468F");
        for text in ["", "C874", "G874011F0AB405110D02105534365D9472D7468F"] {
            assert!(fingerprint(text).is_err(), "{text}");
        }
    }

    #[test]
    fn orphans_go_on_or_are_interrupted() {
        assert_eq!(orphans("continue"), Ok(Orphan::Continues));
        assert_eq!(orphans(" interrupt "), Ok(Orphan::IsInterrupted));
        for text in ["", "kill", "Continue", "true"] {
            assert!(orphans(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_default_is_within_its_bounds() {
        for bounds in [TOOLS_CACHE, PROVIDERS_CACHE, SOURCES_CACHE, FIRST_USER, USERS] {
            assert_eq!(bounds.parse(&bounds.default.to_string()), Ok(bounds.default));
        }
        for span in [INTERRUPT_GRACE, INTERRUPT_LIMIT] {
            let text = humantime::format_duration(span.default).to_string();
            assert_eq!(span.parse(&text), Ok(span.default));
        }
    }
}
