//! The store against a site with releases on loopback.

use super::*;
use releases::{Releases as Site, Signer, archive, archive_name, folder};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

#[path = "../../../../tests/src/releases.rs"]
#[expect(unreachable_pub, reason = "in its own crate it is public")]
mod releases;

const VERSION: &str = "1.5.5";

fn script(name: &str, version: &str) -> String {
    format!("#!/bin/sh\necho '{name} v{version}'\n")
}

struct World {
    site: Site,
    signer: Signer,
    place: TempDir,
}

impl World {
    /// With Terraform 1.5.5.
    async fn new() -> Self {
        let (site, signer) = (Site::start().await.unwrap(), Signer::new().unwrap());
        site.publish(&signer, "terraform", VERSION, script("Terraform", VERSION).as_bytes())
            .unwrap();
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("key.asc"), signer.public_key().unwrap()).unwrap();
        Self { site, signer, place }
    }

    fn config(&self) -> Config {
        let releases = || Releases {
            url: self.site.url.parse().unwrap(),
            key_file: Some(self.place.path().join("key.asc")),
            fingerprints: vec![self.signer.fingerprint()],
        };
        Config {
            directory: self.place.path().join("tools"),
            force: None,
            system: Vec::new(),
            download: true,
            terraform: releases(),
            tofu: releases(),
            max_bytes: 1 << 30,
            ca_files: Vec::new(),
            proxy: None,
        }
    }

    fn store(&self) -> Store {
        Store::open(self.config()).unwrap()
    }

    async fn refused(&self) -> StoreError {
        let error = self.store().program(Tool::Terraform, VERSION).await.unwrap_err();
        assert_eq!(self.left("programs"), 0, "{error}");
        assert_eq!(self.left("partial"), 0, "{error}");
        error
    }

    fn left(&self, name: &str) -> usize {
        fs::read_dir(self.place.path().join("tools").join(name)).unwrap().count()
    }

    fn path(&self, ending: &str) -> String {
        format!("{}/terraform_{VERSION}_{ending}", folder("terraform", VERSION).0)
    }

    fn archive(&self) -> String {
        format!("{}/{}", folder("terraform", VERSION).0, archive_name("terraform", VERSION))
    }
}

#[tokio::test]
async fn a_program_is_downloaded_once_and_has_both_names() {
    let world = World::new().await;
    let store = world.store();
    let program = store.program(Tool::Terraform, VERSION).await.unwrap();
    let content = script("Terraform", VERSION);
    for name in ["terraform", "tofu"] {
        let path = program.directory.join(name);
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o555);
    }
    assert_eq!((program.tool, program.version.as_str()), (Tool::Terraform, VERSION));
    assert_eq!(program.path, program.directory.join("terraform"));
    // Neither this process nor the next one asks again.
    store.program(Tool::Terraform, VERSION).await.unwrap();
    drop(store);
    world.store().program(Tool::Terraform, VERSION).await.unwrap();
    assert_eq!((world.site.count(".zip"), world.left("partial")), (1, 0));
}

#[tokio::test]
async fn opentofu_has_its_own_layout() {
    let world = World::new().await;
    world.site.publish(&world.signer, "tofu", "1.8.0", b"tofu").unwrap();
    let store = world.store();
    let (tool, version) = store.choose("1.8.0").unwrap();
    let program = store.program(tool, &version).await.unwrap();
    assert_eq!(program.path, program.directory.join("tofu"));
    assert_eq!(fs::read(program.path).unwrap(), b"tofu");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_at_once_cause_one_download() {
    let world = World::new().await;
    let (one, other) = (world.store(), world.store());
    // Two stores are as two processes.
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..16 {
        let store = if number % 2 == 0 { one.clone() } else { other.clone() };
        asked.spawn(async move {
            store.program(Tool::Terraform, VERSION).await.map(|program| program.path)
        });
    }
    let paths: Vec<_> = asked.join_all().await.into_iter().map(Result::unwrap).collect();
    assert!(paths.windows(2).all(|two| two[0] == two[1]));
    assert_eq!(
        (world.site.count(".zip"), world.site.count("SHA256SUMS"), world.left("programs")),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn a_list_without_a_good_signature_installs_nothing() {
    let world = World::new().await;
    let stranger = Signer::new().unwrap();
    world.site.publish(&stranger, "terraform", VERSION, b"evil").unwrap();
    let error = world.refused().await.to_string();
    assert!(error.contains("not one of the trusted keys"), "{error}");
    assert_eq!(world.site.count(".zip"), 0);

    world.site.publish(&world.signer, "terraform", VERSION, b"good").unwrap();
    let other = world.signer.sign(b"another list").unwrap();
    world.site.put(&world.path("SHA256SUMS.sig"), &other);
    let error = world.refused().await;
    assert!(
        matches!(&error, StoreError::Untrusted(text) if text.contains("other content")),
        "{error}"
    );

    for bytes in [&b""[..], b"garbage", b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n"] {
        world.site.put(&world.path("SHA256SUMS.sig"), bytes);
        let error = world.refused().await;
        assert!(matches!(error, StoreError::Untrusted(_)), "{error}");
    }
}

#[tokio::test]
async fn an_archive_with_another_checksum_installs_nothing() {
    let world = World::new().await;
    world.site.put(&world.archive(), &archive("terraform", b"evil").unwrap());
    let error = world.refused().await;
    assert!(
        matches!(&error, StoreError::Untrusted(text) if text.contains("its checksum is")),
        "{error}"
    );
    // No failure is remembered.
    world.site.publish(&world.signer, "terraform", VERSION, b"good").unwrap();
    world.store().program(Tool::Terraform, VERSION).await.unwrap();
}

#[tokio::test]
async fn an_archive_that_is_signed_but_odd_installs_nothing() {
    let world = World::new().await;
    let odd = archive("other", b"x").unwrap();
    world.site.publish_archive(&world.signer, "terraform", VERSION, &odd).unwrap();
    let error = world.refused().await.to_string();
    assert!(error.contains("has an entry \"other\""), "{error}");
}

#[tokio::test]
async fn a_truncated_download_installs_nothing() {
    let world = World::new().await;
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nPK";
    world.site.answer(&world.archive(), head.to_vec());
    let error = world.refused().await;
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    // It could have been the network.
    assert_eq!(world.site.count(".zip"), 4);
}

#[tokio::test]
async fn a_download_that_is_too_long_is_given_up() {
    let world = World::new().await;
    let long = vec![b'x'; usize::try_from(CHECKSUMS_MAX).unwrap() + 1];
    world.site.put(&world.path("SHA256SUMS"), &long);
    let error = world.refused().await.to_string();
    assert!(error.ends_with("it has more than 1048576 bytes"), "{error}");
    let mut unsaid = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    unsaid.extend(long);
    world.site.answer(&world.path("SHA256SUMS"), unsaid);
    let error = world.refused().await.to_string();
    assert!(error.ends_with("it has more than 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn a_version_that_does_not_exist_names_the_field() {
    let world = World::new().await;
    let error = world.store().program(Tool::Terraform, "1.5.4").await.unwrap_err();
    let StoreError::Invalid(text) = error else { panic!("{error}") };
    assert!(
        text.starts_with("`terraformVersion` asks for terraform 1.5.4") && text.contains("404"),
        "{text}"
    );
    let offline = Config { download: false, ..world.config() };
    let error = Store::open(offline).unwrap().program(Tool::Terraform, VERSION).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Invalid(text) if text.contains("downloads are turned off")),
        "{error}"
    );
}

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever_and_not_anywhere() {
    let world = World::new().await;
    let redirect = |from: &str, to: &str| {
        let answer = format!(
            "HTTP/1.1 302 Found\r\nconnection: close\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"
        );
        world.site.answer(from, answer.into_bytes());
    };
    let program = archive("terraform", script("Terraform", VERSION).as_bytes()).unwrap();
    world.site.put("/storage/a.zip", &program);
    redirect(&world.archive(), "/storage/a.zip");
    world.store().program(Tool::Terraform, VERSION).await.unwrap();
    fs::remove_dir_all(world.place.path().join("tools")).unwrap();
    for (to, why) in [
        (world.archive().as_str(), "it is redirected too often"),
        ("file:///etc/passwd", "the server answered with 302 Found"),
    ] {
        redirect(&world.archive(), to);
        let error = world.refused().await.to_string();
        assert!(error.ends_with(why), "{error}");
    }
    // None of these is tried again: the first, its target's 6 and the last.
    assert_eq!(world.site.count(&world.archive()), 1 + 6 + 1);
}

#[tokio::test]
async fn what_a_crash_has_left_is_not_taken_for_installed() {
    let world = World::new().await;
    drop(world.store());
    let tools = world.place.path().join("tools");
    let half = tools.join("partial/3-half/tree/bin");
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("terraform"), "half").unwrap();
    fs::create_dir_all(tools.join("partial/strange")).unwrap();
    // What a rename of a program that has no record would look like.
    fs::create_dir_all(tools.join("programs/terraform-1.5.5/bin")).unwrap();
    let store = world.store();
    assert_eq!(world.left("partial"), 0);
    store.program(Tool::Terraform, VERSION).await.unwrap();
    assert_eq!(world.site.count(".zip"), 1);
}

#[tokio::test]
async fn what_another_process_is_making_is_left_alone() {
    let world = World::new().await;
    let installed = Installed::open(world.place.path().join("tools")).unwrap();
    let lock = installed.lock("terraform-1.5.5").await.unwrap();
    let partial = installed.begin(&lock).unwrap();
    drop(world.store());
    assert!(partial.path().is_dir());
    drop((partial, lock));
    assert_eq!(world.left("partial"), 0);
}

#[tokio::test]
async fn a_program_that_was_changed_is_noticed_and_replaced() {
    let world = World::new().await;
    let store = world.store();
    let good = script("Terraform", VERSION);
    type Tamper = fn(&std::path::Path);
    let tampers: [Tamper; 6] = [
        |bin| fs::write(bin.join("terraform"), "evil").unwrap(),
        |bin| {
            fs::remove_file(bin.join("tofu")).unwrap();
            fs::write(bin.join("tofu"), "evil").unwrap();
        },
        |bin| {
            fs::remove_file(bin.join("terraform")).unwrap();
            std::os::unix::fs::symlink("/bin/sh", bin.join("terraform")).unwrap();
        },
        |bin| fs::write(bin.join("ls"), "evil").unwrap(),
        |bin| fs::write(bin.join("../record.json"), "{}").unwrap(),
        // Both, with the right digest.
        |bin| {
            fs::write(bin.join("terraform"), "evil").unwrap();
            let record = format!("{{\"sha256\":\"{}\"}}", Digest::of(b"evil"));
            fs::write(bin.join("../record.json"), record).unwrap();
        },
    ];
    for (tamper, downloads) in tampers.into_iter().zip(2..) {
        let program = store.program(Tool::Terraform, VERSION).await.unwrap();
        tamper(&program.directory);
        let program = store.program(Tool::Terraform, VERSION).await.unwrap();
        assert_eq!(world.site.count(".zip"), downloads);
        assert_eq!(fs::read_to_string(program.path).unwrap(), good);
        assert_eq!(fs::read_dir(program.directory).unwrap().count(), 2);
    }
}

#[tokio::test]
async fn programs_in_use_are_not_removed() {
    let world = World::new().await;
    for version in ["1.5.1", "1.5.2", "1.5.3", "1.5.4"] {
        world.site.publish(&world.signer, "terraform", version, &[b'x'; 1000]).unwrap();
    }
    let store = Store::open(Config { max_bytes: 2500, ..world.config() }).unwrap();
    let held = store.program(Tool::Terraform, "1.5.1").await.unwrap();
    for version in ["1.5.2", "1.5.3", "1.5.4"] {
        drop(store.program(Tool::Terraform, version).await.unwrap());
    }
    assert!(held.path.is_file());
    let mut left: Vec<_> = fs::read_dir(world.place.path().join("tools/programs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["terraform-1.5.1", "terraform-1.5.4"]);
    drop(held);
    drop(store.program(Tool::Terraform, "1.5.2").await.unwrap());
    assert!(!world.place.path().join("tools/programs/terraform-1.5.1").exists());
}

#[tokio::test]
async fn a_program_of_the_machine_is_asked_again_when_it_changes() {
    let world = World::new().await;
    let path = world.place.path().join("my-terraform");
    let write = |name: &str, version: &str| {
        fs::write(&path, script(name, version)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    write("Terraform", VERSION);
    let missing = world.place.path().join("missing");
    let store = Store::open(Config {
        system: vec![missing, path.clone()],
        download: false,
        ..world.config()
    })
    .unwrap();
    let program = store.program(Tool::Terraform, VERSION).await.unwrap();
    assert_eq!(program.path, path.canonicalize().unwrap());
    for name in ["terraform", "tofu"] {
        assert_eq!(program.directory.join(name).canonicalize().unwrap(), program.path);
    }
    store.program(Tool::Tofu, VERSION).await.unwrap_err();
    store.program(Tool::Terraform, "1.5.4").await.unwrap_err();
    write("OpenTofu", "1.8.0");
    store.program(Tool::Terraform, VERSION).await.unwrap_err();
    store.program(Tool::Tofu, "1.8.0").await.unwrap();
    // Nothing was downloaded.
    assert_eq!(world.site.count(""), 0);
}

#[test]
fn keys_that_are_not_those_of_the_fingerprints_stop_the_start() {
    let place = tempfile::tempdir().unwrap();
    let releases = |fingerprint: &str, url: &str| Releases {
        url: url.parse().unwrap(),
        key_file: None,
        fingerprints: vec![fingerprint.to_owned()],
    };
    let config = |terraform: &str| Config {
        directory: place.path().join("tools"),
        force: None,
        system: Vec::new(),
        download: true,
        terraform: releases(terraform, TERRAFORM_RELEASES),
        tofu: releases(TOFU_FINGERPRINT, "https://user:secret@mirror.example.com/tofu/"),
        max_bytes: 0,
        ca_files: Vec::new(),
        proxy: Some("http://user:secret@proxy.example.com".parse().unwrap()),
    };
    let store = Store::open(config(TERRAFORM_FINGERPRINT)).unwrap();
    assert!(!format!("{store:?}").contains("secret"), "{store:?}");
    let error = Store::open(config(&"0".repeat(40))).unwrap_err().to_string();
    assert!(error.contains("none of the keys has the fingerprint 0000"), "{error}");
    Store::open(config("short")).unwrap_err();
    let release = Release::new(Tool::Tofu, "1.8.0", &config(TERRAFORM_FINGERPRINT).tofu).unwrap();
    let url = release.url(&release.signature).unwrap();
    assert_eq!(url.path(), "/tofu/v1.8.0/tofu_1.8.0_SHA256SUMS.gpgsig");
    let error = release.failed("x", DownloadError::Transport("down".to_owned()));
    assert!(!format!("{error:?}{error}").contains("secret"));
}
