use super::*;
use crate::os::wall;

/// Each of these is tried; what comes out must be nothing but the refusal.
fn refused(place: &Place, confinement: &Confinement, script: &str) {
    let ran = place.run(confinement, script);
    assert!(!ran.is_well && ran.stdout.is_empty(), "{script}: {ran:?}");
    let words =
        ["Permission denied", "Operation not permitted", "cross-device", "Invalid argument"];
    assert!(words.iter().any(|word| ran.stderr.contains(word)), "{script}: {ran:?}");
}

#[test]
fn inside_everything_works() {
    let place = Place::new();
    let script = "mkdir -p a/b && echo 1 > a/file && mv a/file a/b/file && cat a/b/file && ln -s file a/b/link \
        && mkfifo pipe && truncate -s 0 a/b/file && rm -r a pipe && cat \"$READ/secret\" > /dev/null \
        && printf '#!/bin/sh\\necho executed' > own && chmod 700 own && ./own && cat <(echo substituted) \
        && head -c 1 /dev/urandom > /dev/null";
    let ran = place.run(&place.confinement(), script);
    assert_eq!(ran.stdout, "1\nexecuted\nsubstituted\n", "{ran:?}");
    assert!(ran.is_well, "{ran:?}");
}

#[test]
fn what_is_outside_is_not_read_written_executed_listed_or_removed() {
    let place = Place::new();
    for script in [
        "cat \"$OUTSIDE/secret\"",
        "ls \"$OUTSIDE\"",
        "echo x >> \"$OUTSIDE/secret\"",
        "truncate -s 0 \"$OUTSIDE/secret\"",
        "touch \"$OUTSIDE/new\"",
        "mkdir \"$OUTSIDE/new\"",
        "rm \"$OUTSIDE/secret\"",
        "\"$OUTSIDE/program\"",
        "cat /etc/shadow",
        "cat /etc/passwd",
        "ls /root",
        "touch /tmp/new",
        "touch /etc/new",
        "ls /tmp",
        "ls /run",
        "ls /dev",
        "ls /sys/fs/cgroup",
    ] {
        refused(&place, &place.confinement(), script);
    }
    assert_eq!(fs::read_to_string(place.outside.join("secret")).unwrap(), "plain");
    assert!(!place.outside.join("new").exists());
}

#[test]
fn what_is_only_read_is_not_written_or_executed() {
    let place = Place::new();
    for script in [
        "echo x > \"$READ/secret\"",
        "truncate -s 0 \"$READ/secret\"",
        "touch \"$READ/new\"",
        "mv \"$READ/secret\" .",
        "\"$READ/program\"",
        "touch /usr/new",
    ] {
        refused(&place, &place.confinement(), script);
    }
    let mut confinement = place.confinement();
    confinement.execute.push(place.read.clone());
    assert_eq!(place.run(&confinement, "\"$READ/program\"").stdout, "executed\n");
    refused(&place, &confinement, "touch \"$READ/new\"");
}

#[test]
fn a_link_from_inside_to_outside_leads_nowhere() {
    let place = Place::new();
    std::os::unix::fs::symlink(&place.outside, place.work.join("before")).unwrap();
    for script in [
        "cat before/secret",
        "echo x >> before/secret",
        "ln -s \"$OUTSIDE/secret\" link; cat link",
        "ln \"$OUTSIDE/secret\" hard && cat hard",
        "mv \"$OUTSIDE/secret\" moved && cat moved",
        "cd before && cat secret",
        "cat \"$PWD/../outside/secret\"",
    ] {
        refused(&place, &place.confinement(), script);
    }
}

#[test]
fn nothing_of_other_processes_is_seen() {
    let place = Place::new();
    let test = std::process::id();
    for script in [
        format!("cat /proc/{test}/environ"),
        format!("cat /proc/{test}/cmdline"),
        format!("ls /proc/{test}/fd"),
        format!("cat /proc/{test}/root/etc/shadow"),
        "cat /proc/1/environ".to_owned(),
        "cat /proc/mounts".to_owned(),
        "ls /proc".to_owned(),
    ] {
        refused(&place, &place.confinement(), &script);
    }
}

#[test]
fn no_device_is_made_even_by_root() {
    let place = Place::new();
    // The second is one that the kernel lets everybody make.
    for script in ["mknod disk b 7 0", "mknod hole c 0 0"] {
        refused(&place, &place.confinement(), script);
    }
}

#[test]
fn keys_beside_the_systems_certificates_are_not_readable() {
    let system = Confinement::system();
    for key in [
        "/etc/ssl/private/key.pem",
        "/etc/pki/tls/private/key.pem",
        "/etc/ssh/key",
        "/root/.ssh/id",
    ] {
        let key = Path::new(key);
        let mut granted = system.read.iter().chain(&system.execute);
        assert!(!granted.any(|path| key.starts_with(path)), "{}", key.display());
    }
    assert!(system.write.is_empty() && !system.network);
}

#[test]
fn accounts_are_an_option() {
    let place = Place::new();
    refused(&place, &place.confinement(), "cat /etc/passwd");
    let ran = place.run(&place.confinement().with_accounts(), "cat /etc/passwd");
    assert!(ran.is_well && ran.stdout.contains("root:"), "{ran:?}");
}

#[test]
fn others_are_not_signalled() {
    let place = Place::new();
    let script = format!("kill -0 {}", std::process::id());
    let ran = place.run(&place.confinement(), &script);
    // Linux 6.12; before, `doctor` says so. Its own processes it may always signal.
    assert_eq!(ran.is_well, !wall::confines_signals(), "{ran:?}");
    let own =
        place.run(&place.confinement(), "sleep 60 & kill $! && kill -0 $PPID || echo refused");
    assert!(own.is_well, "{own:?}");
    assert_eq!(own.stdout.is_empty(), !wall::confines_signals(), "{own:?}");
}
