//! What is asked for and what a server has: [`Revision`] and [`Advertised`].

use super::{GitError, RevisionKind};
use crate::excerpt::line;

/// Bytes of a revision.
const REVISION_MAX: usize = 250;

/// The fewest digits of a commit, as on the web pages of servers.
const ABBREVIATED_MIN: usize = 7;

/// A branch, a tag or a commit, by its name: no option, no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Revision {
    /// What the server's HEAD is.
    Default,
    /// A branch, else a tag, else a commit.
    Named(String),
}

/// A commit in full: 40 or 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ObjectId(String);

/// What a revision was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    /// The beginning of a commit's name; the server must be asked for everything.
    Abbreviated(String),
    /// A commit in full.
    Commit(ObjectId, RevisionKind),
}

/// The part of the server's list of references that was asked for.
#[derive(Debug, Default)]
pub(super) struct Advertised(Vec<(ObjectId, String)>);

impl ObjectId {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_one = matches!(text.len(), 40 | 64) && text.bytes().all(is_digit);
        is_one.then(|| Self(text.to_owned()))
    }

    /// From the bytes in a tree.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self(data_encoding::HEXLOWER.encode(bytes))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// git's name for the kind of hash.
    pub(super) fn format(&self) -> &'static str {
        if self.0.len() == 64 { "sha256" } else { "sha1" }
    }
}

impl Revision {
    /// By the rules of git's `check-ref-format`, so that it is a name and nothing else.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, GitError> {
        let text = match text {
            None | Some("" | "HEAD") => return Ok(Self::Default),
            Some(text) => text,
        };
        let invalid = |why: &str| {
            let shown = line(text, 80);
            Err(GitError::Invalid(format!("the revision `{shown}` can't be used: {why}")))
        };
        // SECURITY: walls::sources::revisions_that_are_options_or_expressions_are_refused
        if text.len() > REVISION_MAX {
            return invalid("it is longer than 250 bytes");
        }
        if text.starts_with('-') {
            return invalid("it begins with `-`");
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c)) {
            return invalid("it has a character that no branch, tag or commit has");
        }
        let is_bad =
            |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
        let is_expression = text.contains("..") || text.contains("@{") || text == "@";
        if is_expression || text.ends_with('.') || text.split('/').any(is_bad) {
            return invalid("it is not the name of a branch, a tag or a commit");
        }
        Ok(Self::Named(text.to_owned()))
    }

    /// Names of references to ask the server about. Has no wildcards, since a revision has none.
    pub(super) fn patterns(&self) -> Vec<String> {
        match self {
            Self::Default => vec!["HEAD".to_owned()],
            Self::Named(name) => {
                let [branch, tag] = references(name);
                let peeled = format!("{tag}^{{}}");
                vec![branch, tag, peeled]
            }
        }
    }

    /// As a branch, then as a tag, then as a commit.
    pub(super) fn resolve(&self, advertised: &Advertised) -> Result<Resolved, GitError> {
        let commit = |id: &ObjectId, kind| Ok(Resolved::Commit(id.clone(), kind));
        let name = match self {
            Self::Default => {
                return match advertised.find("HEAD") {
                    Some(id) => commit(id, RevisionKind::DefaultBranch),
                    None => Err(GitError::NotFound(
                        "the repository is empty or has no default branch".to_owned(),
                    )),
                };
            }
            Self::Named(name) => name,
        };
        let [branch, tag] = references(name);
        if let Some(id) = advertised.find(&branch) {
            return commit(id, RevisionKind::Branch);
        }
        let peeled = advertised.find(&format!("{tag}^{{}}"));
        if let Some(id) = peeled.or_else(|| advertised.find(&tag)) {
            return commit(id, RevisionKind::Tag);
        }
        let lower = name.to_ascii_lowercase();
        // git's name for nothing is no commit.
        let is_null = lower.bytes().all(|byte| byte == b'0');
        if let Some(id) = ObjectId::parse(&lower).filter(|_| !is_null) {
            return commit(&id, RevisionKind::Commit);
        }
        if lower.len() >= ABBREVIATED_MIN
            && lower.len() < 64
            && lower.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return Ok(Resolved::Abbreviated(lower));
        }
        Err(self.not_found())
    }

    pub(super) fn not_found(&self) -> GitError {
        let name = match self {
            Self::Default => "HEAD",
            Self::Named(name) => name,
        };
        let text = format!("the repository has no branch, tag or commit `{}`", line(name, 300));
        GitError::NotFound(text)
    }
}

/// The branch and the tag of a name; a name in full is only one of them.
fn references(name: &str) -> [String; 2] {
    ["refs/heads/", "refs/tags/"].map(|prefix| {
        if name.starts_with(prefix) { name.to_owned() } else { format!("{prefix}{name}") }
    })
}

impl Advertised {
    /// Reads what `git ls-remote` prints.
    pub(super) fn parse(output: &[u8]) -> Self {
        let text = String::from_utf8_lossy(output);
        let entries = text.lines().filter_map(|line| {
            let (id, name) = line.split_once('\t')?;
            Some((ObjectId::parse(id)?, name.to_owned()))
        });
        Self(entries.collect())
    }

    fn find(&self, name: &str) -> Option<&ObjectId> {
        self.0.iter().find(|(_, found)| found == name).map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> String {
        digit.to_string().repeat(40)
    }

    fn resolve(name: Option<&str>, list: &[(char, &str)]) -> Result<Resolved, String> {
        let list: Vec<_> = list.iter().map(|(c, name)| format!("{}\t{name}\n", id(*c))).collect();
        let advertised = Advertised::parse(list.concat().as_bytes());
        let revision = Revision::parse(name).map_err(|error| error.to_string())?;
        revision.resolve(&advertised).map_err(|error| error.to_string())
    }

    fn commit(c: char, kind: RevisionKind) -> Result<Resolved, String> {
        Ok(Resolved::Commit(ObjectId::parse(&id(c)).unwrap(), kind))
    }

    #[test]
    fn a_branch_comes_before_a_tag_and_a_tag_before_a_commit() {
        let all = [('a', "refs/heads/x"), ('b', "refs/tags/x"), ('c', "refs/tags/x^{}")];
        assert_eq!(resolve(Some("x"), &all), commit('a', RevisionKind::Branch));
        assert_eq!(resolve(Some("x"), &all[1..]), commit('c', RevisionKind::Tag));
        assert_eq!(resolve(Some("x"), &all[1..2]), commit('b', RevisionKind::Tag));
        assert_eq!(resolve(Some("refs/tags/x"), &all), commit('c', RevisionKind::Tag));
        assert_eq!(resolve(Some(&id('D')), &all), commit('d', RevisionKind::Commit));
        let branch = [('e', &*format!("refs/heads/{}", id('d')))];
        assert_eq!(resolve(Some(&id('d')), &branch), commit('e', RevisionKind::Branch));
        let short = Resolved::Abbreviated("deadbee".to_owned());
        assert_eq!(resolve(Some("deadbee"), &all), Ok(short));
        assert_eq!(
            resolve(Some("deadbe"), &all).unwrap_err(),
            "the repository has no branch, tag or commit `deadbe`"
        );
        // The server may send what was not asked for.
        assert!(resolve(Some("y"), &[('a', "refs/other/refs/heads/y")]).is_err());
    }

    #[test]
    fn no_revision_is_the_default_branch() {
        let head = [('a', "HEAD")];
        for name in [None, Some(""), Some("HEAD")] {
            assert_eq!(resolve(name, &head), commit('a', RevisionKind::DefaultBranch));
        }
        assert!(resolve(None, &[]).unwrap_err().contains("is empty"));
    }

    #[test]
    fn names_that_git_would_not_take_for_names_are_refused() {
        for name in [
            "-x",
            "--upload-pack=id",
            "a..b",
            "a:b",
            "a^",
            "a^{tree}",
            "a~1",
            "@{-1}",
            "x@{1}",
            "@",
            "a b",
            "a\nb",
            "a\0",
            "a*",
            "a?",
            "[a]",
            "a\\b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.",
            "..",
        ] {
            assert!(Revision::parse(Some(name)).is_err(), "{name:?}");
        }
        for name in ["main", "feature/x-1.2", "v1.0.0", "ünïcode", "a@b", "refs/heads/main", "#1"]
        {
            assert!(Revision::parse(Some(name)).is_ok(), "{name:?}");
        }
        assert!(Revision::parse(Some(&"x".repeat(251))).is_err());
    }

    #[test]
    fn lines_that_are_not_references_are_left_out() {
        let advertised =
            Advertised::parse(b"warning: x\n\xff\tHEAD\nabc\tHEAD\nref: refs/heads/x\tHEAD\n");
        assert!(advertised.find("HEAD").is_none());
    }
}
