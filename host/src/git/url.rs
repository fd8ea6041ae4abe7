//! The URL of a repository: [`RepositoryUrl`], in the one form in which policy sees it.

use super::GitError;
use crate::excerpt::line;
use std::fmt::{self, Write as _};
use url::Host;

/// Bytes of a URL.
const URL_MAX: usize = 2048;

/// Bytes that stand for themselves in the path of a canonical URL, beside letters and digits; the rest is percent-encoded.
const PLAIN: &[u8] = b"-._~!$&'()*+,;=:@/";

/// Transports beside https and ssh that the operator has named. Anything else that git knows is never spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transports {
    /// A repository on this machine.
    pub file: bool,
    /// Without encryption: whoever is in between chooses what is fetched.
    pub http: bool,
}

/// How a repository is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A repository on this machine.
    File,
    /// Without encryption.
    Http,
    /// With the server's certificate checked.
    Https,
    /// With the server's host key checked.
    Ssh,
}

impl Transport {
    /// Its name for git.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Http => "http",
            Self::Https => "https",
            Self::Ssh => "ssh",
        }
    }

    fn default_port(self) -> Option<u16> {
        match self {
            Self::File => None,
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Ssh => Some(22),
        }
    }
}

/// A repository's URL that is safe to hand to git: one of a few transports, no option, no credentials in it.
///
/// The canonical form, which patterns of policy are compared with: lower-case scheme and host, no default port, no user for
/// https, no final `/`, nothing percent-encoded that needn't be. `user@host:path` is `ssh://user@host/path`; that a server may take the
/// former as relative to the user's home is left to it. A final `.git` is kept: to git these are two repositories.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RepositoryUrl {
    transport: Transport,
    canonical: String,
    /// What git is given, if that is something else.
    argument: Option<String>,
    host: String,
}

impl fmt::Debug for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RepositoryUrl").field(&self.canonical).finish()
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical)
    }
}

impl RepositoryUrl {
    /// Reads `https://…`, `ssh://…` or `user@host:path`, and the other transports that are allowed.
    ///
    /// # Errors
    /// [`GitError::Invalid`] that says what is wrong, without repeating a password.
    pub fn parse(text: &str, allowed: Transports) -> Result<Self, GitError> {
        let text = text.trim_matches(' ');
        let invalid = |why: &str| Err(invalid(why));
        // SECURITY: walls::sources::urls_that_are_options_or_commands_are_refused
        if text.is_empty() || text.len() > URL_MAX {
            return invalid("it is empty or longer than 2048 bytes");
        }
        if text.starts_with('-') {
            return invalid("it begins with `-`");
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return invalid("it contains white space, a control character or `\\`");
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return Self::with_scheme(&scheme.to_ascii_lowercase(), rest, allowed);
        }
        if text.contains("::") {
            return invalid("remote helpers such as `ext::` are never used");
        }
        match text.split_once(':') {
            Some((authority, path)) if !authority.contains('/') => Self::like_scp(authority, path),
            _ => invalid("it is none of `https://…`, `ssh://…` and `user@host:path`"),
        }
    }

    /// The form that policy's patterns are compared with. Has neither password nor token.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// How it is fetched.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The server; empty for a file.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What git is given.
    pub(super) fn argument(&self) -> &str {
        self.argument.as_deref().unwrap_or(&self.canonical)
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> &str {
        let start = self.transport.name().len() + "://".len();
        let rest = self.canonical.get(start..).unwrap_or_default();
        let end = rest.find('/').map_or(self.canonical.len(), |end| start + end);
        self.canonical.get(..end).unwrap_or_default()
    }

    /// The same with `.git` at its end, as some servers name it, if it does not end so.
    pub(super) fn with_suffix(&self) -> Option<Self> {
        let is_http = matches!(self.transport, Transport::Http | Transport::Https);
        (is_http && !self.canonical.ends_with(".git"))
            .then(|| Self { canonical: format!("{}.git", self.canonical), ..self.clone() })
    }

    fn with_scheme(scheme: &str, rest: &str, allowed: Transports) -> Result<Self, GitError> {
        let transport = match scheme {
            "file" if allowed.file => Transport::File,
            "http" if allowed.http => Transport::Http,
            "https" => Transport::Https,
            "ssh" | "git+ssh" | "ssh+git" => Transport::Ssh,
            "file" | "http" => {
                let why = format!("policy does not allow `{scheme}://`");
                return Err(invalid(&why));
            }
            other => {
                let why = format!("`{}://` is not a transport that is used", line(other, 40));
                return Err(invalid(&why));
            }
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = canonical_path(path, true)?;
        if transport == Transport::File {
            if !authority.is_empty() {
                return Err(invalid("a file has no host"));
            }
            let (canonical, host) = (format!("file:///{path}"), String::new());
            return Ok(Self { transport, canonical, argument: None, host });
        }
        let (user, host_and_port) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(checked_user(user)?), host),
            None => (None, authority),
        };
        let (host, port) = split_port(host_and_port)?;
        let host = checked_host(host)?;
        let mut canonical = format!("{}://", transport.name());
        if let (Some(user), Transport::Ssh) = (user, transport) {
            let _ = write!(canonical, "{user}@");
        }
        canonical.push_str(&host);
        if let Some(port) = port.filter(|port| Some(*port) != transport.default_port()) {
            let _ = write!(canonical, ":{port}");
        }
        let _ = write!(canonical, "/{path}");
        if transport == Transport::Ssh && path.starts_with('-') {
            return Err(invalid("its path begins with `-`"));
        }
        Ok(Self { transport, canonical, argument: None, host })
    }

    fn like_scp(authority: &str, path: &str) -> Result<Self, GitError> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(checked_user(user)?), host),
            None => (None, authority),
        };
        if host.starts_with('[') {
            return Err(invalid("a host in brackets needs the form `ssh://`"));
        }
        let host = checked_host(host)?;
        if path.starts_with('-') {
            return Err(invalid("its path begins with `-`"));
        }
        // `user:password@host:path`: to git a host and a path, but not to whoever wrote it.
        if path.split('/').next().is_some_and(|first| first.contains('@')) {
            return Err(with_password());
        }
        let relative = path.strip_prefix('/').unwrap_or(path);
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        let canonical = format!("ssh://{user}{host}/{}", canonical_path(relative, false)?);
        let argument = Some(format!("{user}{host}:{}", path.trim_end_matches('/')));
        Ok(Self { transport: Transport::Ssh, canonical, argument, host })
    }
}

fn invalid(why: &str) -> GitError {
    GitError::Invalid(format!("the repository's URL can't be used: {why}"))
}

fn with_password() -> GitError {
    invalid("it contains a password; credentials come from policy or a secret")
}

/// A user's name without a password.
fn checked_user(user: &str) -> Result<&str, GitError> {
    // SECURITY: git::url::passwords_are_refused_and_not_repeated
    if user.contains(':') {
        return Err(with_password());
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    if user.is_empty() || user.starts_with('-') || !user.chars().all(is_plain) {
        return Err(invalid(
            "its user has characters other than letters, digits, `.`, `_`, `-` and `+`",
        ));
    }
    Ok(user)
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), GitError> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => return Ok((text, None)),
    };
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse().ok().filter(|port| is_number && *port != 0) {
        Some(port) => Ok((host, Some(port))),
        None => Err(invalid("its port is not a number from 1 to 65535")),
    }
}

/// In the one spelling that a host has: lower case, punycode, an address in its usual form.
fn checked_host(host: &str) -> Result<String, GitError> {
    let wrong = || invalid("its host is not a name or an address");
    if host.starts_with('-') || host.contains('%') {
        return Err(wrong());
    }
    let host = Host::parse(host).map_err(|_| wrong())?.to_string();
    if host.is_empty() || host.starts_with(['-', '.']) || host.ends_with('.') {
        return Err(wrong());
    }
    Ok(host)
}

/// Decodes a path without its first `/`, refuses what leads elsewhere, and encodes it again.
fn canonical_path(path: &str, is_encoded: bool) -> Result<String, GitError> {
    // SECURITY: git::url::two_spellings_of_a_path_are_one_or_refused
    if is_encoded && path.contains(['?', '#']) {
        return Err(invalid("it has a query or a fragment"));
    }
    let decoded = if is_encoded { decode(path)? } else { path.to_owned() };
    let decoded = decoded.trim_end_matches('/');
    if decoded.is_empty() {
        return Err(invalid("it has no path"));
    }
    let is_bad = |segment: &str| matches!(segment, "" | "." | "..");
    if decoded.split('/').any(is_bad) {
        return Err(invalid("its path has an empty segment, `.` or `..`"));
    }
    let mut encoded = String::new();
    for byte in decoded.bytes() {
        if byte.is_ascii_alphanumeric() || PLAIN.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    Ok(encoded)
}

fn decode(path: &str) -> Result<String, GitError> {
    let wrong = || invalid("its path has a percent sign that encodes no plain character");
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(wrong()) };
        match u8::try_from(high * 16 + low) {
            // What would be structure if it were decoded once more.
            Ok(b'/' | b'\\' | b'%' | 0..=0x1f | 0x7f) | Err(_) => return Err(wrong()),
            Ok(byte) => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RepositoryUrl, String> {
        RepositoryUrl::parse(text, Transports::default()).map_err(|error| error.to_string())
    }

    fn refused(text: &str, words: &str) {
        let error = parse(text).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }

    #[test]
    fn spellings_of_one_repository_are_one() {
        for (text, canonical) in [
            ("https://GitHub.com/Org/repo.git", "https://github.com/Org/repo.git"),
            ("HTTPS://github.com:443/Org/repo/", "https://github.com/Org/repo"),
            (
                "https://org@dev.azure.com/org/my%20p/_git/r",
                "https://dev.azure.com/org/my%20p/_git/r",
            ),
            ("https://a.b/%41%7e", "https://a.b/A~"),
            ("https://a.b:8443/x", "https://a.b:8443/x"),
            ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
            ("https://0x7f.1/x", "https://127.0.0.1/x"),
            ("https://[0:0::1]:8443/x", "https://[::1]:8443/x"),
            ("ssh://git@Host.example:22/a/b", "ssh://git@host.example/a/b"),
            ("ssh://host:2222/~user/b", "ssh://host:2222/~user/b"),
            ("git@host:org/repo.git", "ssh://git@host/org/repo.git"),
            ("git@HOST:/org/a b%".trim(), ""),
            ("host:repo", "ssh://host/repo"),
        ] {
            if canonical.is_empty() {
                assert!(parse(text).is_err());
            } else {
                assert_eq!(parse(text).unwrap().canonical(), canonical, "{text}");
            }
        }
        assert_eq!(parse("git@HOST:org/r%41/").unwrap().argument(), "git@host:org/r%41");
        assert_eq!(parse("git@HOST:org/r%41").unwrap().canonical(), "ssh://git@host/org/r%2541");
        assert_eq!(parse("ssh://git@h:2222/x").unwrap().origin(), "ssh://git@h:2222");
    }

    #[test]
    fn what_is_an_option_or_another_transport_is_refused() {
        for (text, words) in [
            ("--upload-pack=touch /tmp/x", "begins with `-`"),
            ("ext::sh -c id", "white space"),
            ("ext::id", "remote helpers"),
            ("ssh://-oProxyCommand=id/x", "its host"),
            ("ssh://-oProxyCommand=id@host/x", "its user"),
            ("-oProxyCommand=id:x", "begins with `-`"),
            ("git@-oProxyCommand:x", "its host"),
            ("git@host:-x", "path begins with `-`"),
            ("ssh://host/-x", "path begins with `-`"),
            ("git://host/x", "`git://` is not"),
            ("ftp://host/x", "`ftp://` is not"),
            ("file:///etc", "policy does not allow"),
            ("http://host/x", "policy does not allow"),
            ("/etc/repository", "none of"),
            ("./x:y", "none of"),
            ("https://host/x\n", "control character"),
            ("https://host\\@evil/x", "`\\`"),
            ("https://host", "no path"),
            ("https:///x", "its host"),
            ("https://host:0/x", "its port"),
            ("https://host:+1/x", "its port"),
            ("https://host/x#main", "fragment"),
            ("https://host/x?y", "query"),
            ("https://ho%73t/x", "its host"),
            ("", "empty"),
        ] {
            refused(text, words);
        }
    }

    #[test]
    fn two_spellings_of_a_path_are_one_or_refused() {
        for path in ["a/../b", "a/./b", "a//b", "a/%2e%2e/b", "a/%2E./b", "..", "a/.."] {
            refused(&format!("https://host/{path}"), "`..`");
            refused(&format!("ssh://host/{path}"), "`..`");
        }
        refused("git@host:a/../b", "`..`");
        for path in ["a%2fb", "a%5cb", "a%00", "a%0a", "a%", "a%2", "a%zz", "a%252e", "a%ff"] {
            refused(&format!("https://host/{path}"), "percent");
        }
    }

    #[test]
    fn passwords_are_refused_and_not_repeated() {
        for text in ["https://me:hunter2@host/x", "ssh://me:hunter2@host/x", "me:hunter2@host:x"] {
            let error = parse(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        refused("https://me:hunter2@host/x", "password");
    }

    #[test]
    fn other_transports_are_for_those_who_name_them() {
        let all = Transports { file: true, http: true };
        let parse = |text| RepositoryUrl::parse(text, all).map(|url| url.canonical().to_owned());
        assert_eq!(parse("http://host:80/x").unwrap(), "http://host/x");
        assert_eq!(parse("file:///srv/x/").unwrap(), "file:///srv/x");
        assert!(parse("file://host/x").is_err());
        assert!(parse("git://host/x").is_err());
    }
}
