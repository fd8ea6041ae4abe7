//! What is in a repository: links, names, bombs, and what git would execute.

use super::*;
use blockhouse_tests::GitFile::{Executable, Link, Submodule, Text};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_what_is_written() {
    let repository = GitRepository::new().unwrap();
    let files = [
        ("a/run", Executable(b"#!")),
        ("a/b/c", Text(b"c")),
        ("empty", Text(b"")),
        ("z y", Text(b"1\r\n")),
    ];
    repository.commit("main", &files).unwrap();
    let done = Place::new().checkout(local(&repository)).await.unwrap();
    assert_eq!(done.names(), ["a/", "a/b/", "a/b/c", "a/run", "empty", "z y"]);
    assert_eq!(done.files()["z y"], "1\r\n");
    assert_eq!((done.checkout.files, done.checkout.bytes), (4, 6));
    assert_eq!(done.checkout.tree, repository.git(&["rev-parse", "main^{tree}"], b"").unwrap());
    assert!(done.checkout.notes.is_empty(), "{:?}", done.checkout.notes);
    #[cfg(unix)]
    for (name, mode) in [("a", 0o700), ("a/run", 0o700), ("a/b/c", 0o600)] {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = fs::metadata(done.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_within_the_repository_become_copies() {
    let repository = GitRepository::new().unwrap();
    let files = [
        ("shared/x.tf", Text(b"x")),
        ("shared/run", Executable(b"#!")),
        ("module/file", Link("../shared/x.tf")),
        ("module/folder", Link("./../shared/")),
        ("module/through", Link("folder/run")),
        ("module/gone", Link("../nothing")),
        ("alias", Link("module")),
    ];
    repository.commit("main", &files).unwrap();
    let place = Place::new();
    for path in ["module", "alias"] {
        let done = place.checkout(below(local(&repository), path)).await.unwrap();
        let names = ["file", "folder/", "folder/run", "folder/x.tf", "through"];
        assert_eq!(done.names(), names);
        assert_eq!(done.files()["file"], "x");
        assert_eq!(done.files()["through"], "#!");
        done.notes("`gone` is a link that leads to nothing");
        // Not the tree of the folder: what the links lead to can change without it.
        assert!(done.checkout.tree.starts_with("sha256:"), "{}", done.checkout.tree);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_lead_out_are_refused() {
    let place = Place::new();
    for (link, target) in [
        ("link", "/etc/passwd"),
        ("link", "/"),
        ("link", ".."),
        ("link", "../x"),
        ("link", "a/../../x"),
        ("link", "a/../../repository.git/config"),
        ("link", "a/up/../../etc"),
        ("a/link", "../../x"),
        ("a/link", "up/link2"),
    ] {
        let repository = GitRepository::new().unwrap();
        let files = [
            ("a/b", Text(b"x")),
            ("a/up", Link("..")),
            ("link2", Link("/etc")),
            (link, Link(target)),
        ];
        // The one that leads nowhere good is the only one, but where it is led to by it.
        let needed = files.iter().filter(|(path, _)| *path != "link2" || target.contains(path));
        let needed: Vec<_> = needed.copied().collect();
        repository.commit("main", &needed).unwrap();
        for path in ["", "a"].into_iter().filter(|path| link.starts_with(path)) {
            let error = place.refused(below(local(&repository), path)).await;
            assert!(error.contains("leads out of the repository"), "{target}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_in_loops_and_chains_end() {
    let repository = GitRepository::new().unwrap();
    let chain: Vec<_> = (0..60).map(|n| (format!("chain{n}"), format!("chain{}", n + 1))).collect();
    let mut files = vec![
        ("file", Text(b"x")),
        ("self", Link("self")),
        ("left", Link("right")),
        ("right", Link("left")),
        ("afolder/up", Link("..")),
        ("afolder/down", Link("../afolder")),
        ("chain60", Link("file")),
    ];
    files.extend(chain.iter().map(|(name, target)| (name.as_str(), Link(target))));
    repository.commit("main", &files).unwrap();
    let done = Place::new().checkout(local(&repository)).await.unwrap();
    let names = done.names();
    assert!(
        names.contains(&"chain50".to_owned()) && !names.contains(&"chain5".to_owned()),
        "{names:?}"
    );
    assert!(!names.iter().any(|name| ["self", "left", "afolder/up"].contains(&name.as_str())));
    done.notes("`afolder/up` is a link to a folder that contains it");
    done.notes("more such notes");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_link_to_each_other_are_bounded() {
    let repository = GitRepository::new().unwrap();
    let mut files = Vec::new();
    // Each folder leads twice to the next: 2^30 copies of the last.
    let names: Vec<_> = (0..30).map(|n| format!("f{n}")).collect();
    let links: Vec<_> = (0..30)
        .flat_map(|n| ["a", "b"].map(|link| (format!("f{n}/{link}"), format!("../f{}", n + 1))))
        .collect();
    files.extend(links.iter().map(|(path, target)| (path.as_str(), Link(target))));
    files.push(("f30/file", Text(b"x")));
    repository.commit("main", &files).unwrap();
    let error = Place::new().checkout(below(local(&repository), &names[0])).await.err().unwrap();
    assert!(matches!(error, GitError::TooLarge(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_lead_elsewhere_are_refused() {
    for name in ["..", ".", ".git", ".GIT", ".git ", "git~1", ".git.", ".g\u{200c}it", "a\\b"] {
        let repository = GitRepository::new().unwrap();
        let blob = repository.blob(b"x").unwrap();
        let inner = repository.tree(&[("100644", b"config", &blob)]).unwrap();
        let tree = repository.tree(&[("40000", name.as_bytes(), &inner)]).unwrap();
        repository.commit_tree("main", &tree).unwrap();
        let error = Place::new().checkout(local(&repository)).await.err().unwrap();
        // By git as it receives it, or else by us.
        assert!(matches!(error, GitError::Failed(_)), "{name}: {error}");
    }
    let repository = GitRepository::new().unwrap();
    let blob = repository.blob(b"x").unwrap();
    let entries = [("100644", &b"a\nb"[..], &*blob), ("100644", b"good", &blob)];
    let tree = repository.tree(&entries).unwrap();
    repository.commit_tree("main", &tree).unwrap();
    let done = Place::new().checkout(local(&repository)).await.unwrap();
    assert_eq!(done.names(), ["good"]);
    done.notes("no plain text");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_are_not_well_formed_are_refused() {
    let repository = GitRepository::new().unwrap();
    let blob = repository.blob(b"x").unwrap();
    // The same name twice: which one counts depends on who reads it.
    let entries = [("100644", &b"a"[..], &*blob), ("100755", b"a", &blob)];
    let tree = repository.tree(&entries).unwrap();
    repository.commit_tree("main", &tree).unwrap();
    let error = Place::new().refused(local(&repository)).await;
    assert!(error.contains("duplicateEntries"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_beyond_the_limit_are_refused_before_anything_is_written() {
    let repository = GitRepository::new().unwrap();
    let large = vec![0; 1 << 20];
    repository.commit("main", &[("a", Text(b"x")), ("b", Text(&large))]).unwrap();
    let place = Place::new();
    let enough = Limits { bytes: (1 << 20) + 1, files: 2, ..limits() };
    place.within(local(&repository), enough).await.unwrap();
    for limits in [Limits { bytes: 1 << 20, ..enough }, Limits { files: 1, ..enough }] {
        let error = place.within(local(&repository), limits).await.err().unwrap();
        assert!(matches!(error, GitError::TooLarge(_)), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_of_folders_is_refused() {
    for last in [true, false] {
        let repository = GitRepository::new().unwrap();
        let blob = repository.blob(b"x").unwrap();
        // 10^10 files, or folders with nothing in them, out of a handful of objects.
        let file = [("100644", &b"f"[..], &*blob)];
        let mut tree = repository.tree(if last { &file } else { &[] }).unwrap();
        for _ in 0..10 {
            let names: Vec<_> = (0..10).map(|n| n.to_string()).collect();
            let entries: Vec<_> =
                names.iter().map(|name| ("40000", name.as_bytes(), tree.as_str())).collect();
            tree = repository.tree(&entries).unwrap();
        }
        repository.commit_tree("main", &tree).unwrap();
        let error = Place::new().checkout(local(&repository)).await.err().unwrap();
        assert!(matches!(error, GitError::TooLarge(_)), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_are_too_deep_are_refused() {
    let repository = GitRepository::new().unwrap();
    let [good, bad] = [63, 65].map(|depth| format!("{}file", "d/".repeat(depth)));
    repository.commit("good", &[(&good, Text(b"x"))]).unwrap();
    repository.commit("bad", &[(&bad, Text(b"x"))]).unwrap();
    let place = Place::new();
    place.checkout(of(local(&repository), "good")).await.unwrap();
    let error = place.checkout(of(local(&repository), "bad")).await.err().unwrap();
    assert!(matches!(error, GitError::TooLarge(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_filters_and_submodules_do_nothing() {
    let repository = GitRepository::new().unwrap();
    let witness = repository.root().join("executed");
    let script = format!("#!/bin/sh\ntouch {}\n", witness.display());
    let modules = "[submodule \"x\"]\n\tpath = module\n\turl = ext::sh -c touch% /tmp/x\n";
    let files = [
        (".gitattributes", Text(b"* filter=evil text eol=crlf ident\n")),
        (".gitmodules", Text(modules.as_bytes())),
        ("hooks/post-checkout", Executable(script.as_bytes())),
        ("file", Text(b"$Id$\n")),
        ("module", Submodule),
        ("big", Text(b"version https://git-lfs.github.com/spec/v1\noid sha256:x\nsize 1\n")),
    ];
    repository.commit("main", &files).unwrap();
    for hook in ["post-checkout", "post-upload-pack", "reference-transaction"] {
        let path = repository.path().join("hooks").join(hook);
        fs::write(&path, &script).unwrap();
        #[cfg(unix)]
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    let place = Place::new();
    let done = place.checkout(local(&repository)).await.unwrap();
    assert!(!witness.exists());
    assert_eq!(done.files()["file"], "$Id$\n");
    assert!(!done.path().join("module").exists());
    done.notes("`module` is a submodule");
    done.notes("1 files, such as `big`, are placeholders of Git LFS");
    assert!(!place.mirrors()[0].join("hooks").exists());
}
