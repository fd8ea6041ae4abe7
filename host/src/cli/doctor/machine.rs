//! What is needed besides walls: programs, room, a clock that is right, and meshStack.

use super::Check;
use crate::config::{Config, Mode};
use crate::os::{self, Platform};
use crate::outcome::Bytes;
use crate::process::Program;
use crate::telemetry::chain;
use std::fs;
use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use url::Url;

/// A program that says its version needs no more.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);
const VERSION_MAX: usize = 16 << 10;

/// meshStack, or a firewall, has this long for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Room for a few runs, each with its providers: hundreds of mebibytes for the large ones.
const FREE_MIN: u64 = 2 << 30;

/// No clock is right that says less: 2026.
const YEAR_MIN: i32 = 2026;

const DAEMON: &str = "the daemon";

pub(super) fn checks(config: Option<&Config>) -> Vec<Check> {
    let mut checks = vec![
        program("bash", Some("--version"), "pre-run scripts", "install bash"),
        program("git", Some("--version"), "repositories", "install git 2.31 or newer"),
        program("ssh", None, "repositories by ssh", "install OpenSSH's client"),
        core_dumps(),
        clock(OffsetDateTime::now_utc()),
    ];
    if let Some(config) = config {
        checks.extend(state(&config.state.directory));
        checks.extend(meshstack(config));
    }
    checks
}

fn program(name: &str, version: Option<&str>, needed_for: &str, remedy: &str) -> Check {
    let Some(path) = find(name) else {
        let means = format!("needed for {needed_for}");
        return Check::bad(name, &means, "it is not in PATH", remedy);
    };
    let found = format!("`{}`, needed for {needed_for}", path.display());
    let Some(argument) = version else { return Check::fine(name, found) };
    let output = Program {
        path: &path,
        arguments: vec![argument.into()],
        stdin: &[],
        stdout_max: VERSION_MAX,
        timeout: VERSION_TIMEOUT,
    };
    match output.run() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output);
            let why = text.lines().next().map(|line| crate::excerpt::line(line, 100).to_string());
            Check { why, ..Check::fine(name, found) }
        }
        Err(error) => Check::bad(name, &found, chain(&error).to_string(), remedy),
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let name = match os::platform() {
        Platform::Unix { .. } => name.to_owned(),
        Platform::Windows => format!("{name}.exe"),
    };
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|path| path.join(&name)).find(|path| path.is_file())
}

fn core_dumps() -> Check {
    let means =
        "programs that crash leave no memory behind, with secrets in it: each is started so";
    match os::platform() {
        Platform::Unix { .. } => Check::fine("core dumps", means),
        Platform::Windows => {
            Check::bad("core dumps", means, "only Unix has it", "turn Windows Error Reporting off")
        }
    }
}

fn clock(now: OffsetDateTime) -> Check {
    let shown = now.replace_nanosecond(0).unwrap_or(now);
    let means = "certificates and locks have times";
    if now.year() < YEAR_MIN {
        let why = format!("it says {shown}");
        return Check::bad("clock", means, why, "set it, and keep it with NTP").required_by(DAEMON);
    }
    Check { why: Some(format!("it says {shown}")), ..Check::fine("clock", means) }
}

fn state(directory: &Path) -> Vec<Check> {
    let means = format!("`{}` holds runs and what they write", directory.display());
    let remedy =
        "give it to the user that the daemon runs as, with mode 0700; or set `state.directory`";
    let check = match writable(directory) {
        Ok(State::Private) => Check::fine("state", means),
        Ok(State::Absent) => {
            let why = Some("it is not there yet: the daemon makes it".to_owned());
            Check { why, ..Check::fine("state", means) }
        }
        Ok(State::Open) => Check::bad("state", &means, "others may write to it", remedy),
        Err(error) => Check::bad("state", &means, error.to_string(), remedy),
    };
    let there = directory.ancestors().find(|path| path.is_dir()).unwrap_or_else(|| Path::new("/"));
    vec![check.required_by(DAEMON), room(os::free_bytes(there))]
}

enum State {
    Absent,
    Open,
    Private,
}

fn writable(directory: &Path) -> io::Result<State> {
    if !fs::exists(directory)? {
        return Ok(State::Absent);
    }
    tempfile::tempfile_in(directory)?;
    Ok(if os::is_open_to_others(directory)? { State::Open } else { State::Private })
}

fn room(free: io::Result<u64>) -> Check {
    let means = "runs, binaries, providers and repositories take room there";
    match free {
        Ok(free) if free < FREE_MIN => {
            let why = format!("{} are free", Bytes(free));
            Check::bad("disk", means, why, "free some, or set `state.directory`")
        }
        Ok(free) => {
            Check { why: Some(format!("{} are free", Bytes(free))), ..Check::fine("disk", means) }
        }
        Err(error) => {
            let why = Some(format!("the system does not say how much is free: {error}"));
            Check { why, ..Check::fine("disk", means) }
        }
    }
}

/// Whether it can be connected to; nothing is asked, so that nothing need be known about it.
fn meshstack(config: &Config) -> Option<Check> {
    let url = match &config.mode {
        Mode::Daemon { api, .. } => &api.base_url,
        Mode::SingleRun { base_url, .. } => base_url.as_ref()?,
    };
    let means = format!("runs are claimed at {}", url.origin().ascii_serialization());
    if config.http.way.proxy.is_some() {
        let why = Some("by a proxy: not tried".to_owned());
        return Some(Check { why, ..Check::fine("meshStack", means) });
    }
    Some(match connect(url) {
        Ok(took) => {
            let why = Some(format!("connected within {} ms", took.as_millis()));
            Check { why, ..Check::fine("meshStack", means) }
        }
        Err(error) => {
            let remedy = "look at `api.url`, at names and at firewalls";
            Check::bad("meshStack", &means, error.to_string(), remedy).required_by(DAEMON)
        }
    })
}

fn connect(url: &Url) -> io::Result<Duration> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or_default();
    let started = SystemTime::now();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(_) => return Ok(started.elapsed().unwrap_or_default()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_starts_in_1970_is_seen() {
        assert!(clock(OffsetDateTime::UNIX_EPOCH).is_serious());
        assert!(clock(OffsetDateTime::now_utc()).is_fine);
    }

    #[test]
    fn a_state_directory_is_private_and_has_room() {
        let place = tempfile::tempdir().unwrap();
        assert!(state(place.path()).iter().all(|check| check.name == "disk" || check.is_fine));
        assert!(state(&place.path().join("later")).first().unwrap().is_fine);
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(state(&file).first().unwrap().is_serious());
        assert!(!room(Ok(FREE_MIN - 1)).is_fine);
        assert!(room(Ok(FREE_MIN)).is_fine);
    }

    #[cfg(unix)]
    #[test]
    fn a_state_directory_that_others_may_write_to_is_serious() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(state(place.path()).first().unwrap().is_serious());
    }

    #[test]
    fn a_server_is_found_and_a_missing_one_told() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/", server.local_addr().unwrap())).unwrap();
        connect(&url).unwrap();
        drop(server);
        connect(&url).unwrap_err();
    }

    #[test]
    fn a_program_that_is_not_there_is_told() {
        let check = program("no-such-program", None, "nothing", "install it");
        assert!(!check.is_fine && check.why.unwrap().contains("PATH"));
    }
}
