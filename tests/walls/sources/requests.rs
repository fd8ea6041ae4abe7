//! What is asked for: URLs, revisions and paths that are something else to git or to a shell.

use super::*;
use blockhouse_tests::GitFile::Text;

#[tokio::test(flavor = "multi_thread")]
async fn revisions_are_branches_then_tags_then_commits() {
    let repository = GitRepository::new().unwrap();
    let first = repository.commit("main", &[("file", Text(b"first"))]).unwrap();
    let second = repository.commit("main", &[("file", Text(b"second"))]).unwrap();
    let side = repository.commit("side", &[("file", Text(b"side"))]).unwrap();
    repository.git(&["tag", "light", &first], b"").unwrap();
    repository.git(&["tag", "-a", "-m", "x", "annotated", &first], b"").unwrap();
    repository.git(&["tag", "side", &first], b"").unwrap();
    let place = Place::new();
    for (revision, commit, kind) in [
        ("HEAD", &second, "DefaultBranch"),
        ("main", &second, "Branch"),
        ("side", &side, "Branch"),
        ("refs/tags/side", &first, "Tag"),
        ("light", &first, "Tag"),
        ("annotated", &first, "Tag"),
        (&first, &first, "Commit"),
        (&first[..9], &first, "Commit"),
        (&first.to_uppercase(), &first, "Commit"),
    ] {
        let done = place.checkout(of(local(&repository), revision)).await.unwrap();
        let found = (&done.checkout.commit, format!("{:?}", done.checkout.kind));
        assert_eq!(found, (commit, kind.to_owned()), "{revision}");
        let text = if *commit == first { "first" } else { &*done.files()["file"] };
        assert_eq!(done.files()["file"], text);
    }
    let missing = ["nothing", "0123456", &"0".repeat(40), &first[..6]];
    for revision in missing {
        let error = place.checkout(of(local(&repository), revision)).await.err().unwrap();
        assert!(matches!(error, GitError::NotFound(_)), "{revision}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_was_moved_is_never_taken_from_what_is_stored() {
    let repository = GitRepository::new().unwrap();
    let place = Place::new();
    for text in ["one", "two", "three"] {
        repository.commit("main", &[("file", Text(text.as_bytes()))]).unwrap();
        let done = place.checkout(of(local(&repository), "main")).await.unwrap();
        assert_eq!(done.files()["file"], text);
    }
    repository.git(&["update-ref", "-d", "refs/heads/main"], b"").unwrap();
    let error = place.checkout(of(local(&repository), "main")).await.err().unwrap();
    assert!(matches!(error, GitError::NotFound(_)), "{error}");
}

#[test]
fn urls_that_are_options_or_commands_are_refused() {
    for text in [
        "--upload-pack=touch${IFS}/tmp/x",
        "-u",
        "ext::sh -c touch% /tmp/x",
        "ext::touch",
        "EXT::touch",
        "fd::17",
        "git://host/x",
        "ssh://-oProxyCommand=touch/x",
        "ssh://-oProxyCommand=touch@host/x",
        "-oProxyCommand=touch:x",
        "git@-oProxyCommand=touch:x",
        "git@host:-x",
        "git@host:--upload-pack=touch",
        "https://host/x\n[core]",
        "https://me:secret@host/x",
        "../repository",
        "/etc",
        "transport::https://host/x",
    ] {
        let all = Transports { file: true, http: true };
        let error = RepositoryUrl::parse(text, all).unwrap_err();
        assert!(matches!(error, GitError::Invalid(_)), "{text}");
    }
    let plain = Transports::default();
    for text in ["http://host/x", "file:///etc"] {
        assert!(RepositoryUrl::parse(text, plain).is_err(), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_that_are_options_or_expressions_are_refused() {
    let repository = GitRepository::new().unwrap();
    repository.commit("main", &[("file", Text(b"x"))]).unwrap();
    let place = Place::new();
    for revision in [
        "--upload-pack=touch",
        "-x",
        "main:refs/heads/x",
        "main^{tree}",
        "main~1",
        "a..b",
        "@{u}",
        "*",
        "main\nx",
        "main x",
        "refs/heads/*",
    ] {
        let error = place.checkout(of(local(&repository), revision)).await.err().unwrap();
        assert!(matches!(error, GitError::Invalid(_)), "{revision}: {error}");
    }
    // Nothing was asked of git.
    assert!(place.mirrors().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_lead_out_are_refused() {
    let repository = GitRepository::new().unwrap();
    let files = [("a/b/file", Text(b"x")), ("a/-x/file", Text(b"y")), ("top", Text(b"z"))];
    repository.commit("main", &files).unwrap();
    let place = Place::new();
    for path in ["..", "a/../..", "a/.git", "a\\b", "a\0b", "a\nb"] {
        let error = place.checkout(below(local(&repository), path)).await.err().unwrap();
        assert!(matches!(error, GitError::Invalid(_)), "{path}: {error}");
    }
    for (path, names) in [("a/b", vec!["file"]), ("/a/./b/", vec!["file"]), ("a/-x", vec!["file"])]
    {
        let done = place.checkout(below(local(&repository), path)).await.unwrap();
        assert_eq!(done.names(), names, "{path}");
    }
    let error = place.checkout(below(local(&repository), "top")).await.err().unwrap();
    assert!(matches!(error, GitError::Invalid(_)), "{error}");
    let error = place.checkout(below(local(&repository), "a/c")).await.err().unwrap();
    assert!(matches!(error, GitError::NotFound(_)), "{error}");
    assert_eq!(error.to_string(), "there is no folder `a/c` in this revision");
}
