//! The mirror with the real Terraform, which installs from a directory of archives as it would from a registry.

use super::*;
use crate::process::{Program, Surroundings};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Cursor, Write as _};
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const THING: &str = "registry.terraform.io/acme/thing";

fn terraform() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([PathBuf::from("/usr/local/bin")]);
    let found = places.map(|place| place.join("terraform")).find(|path| path.is_file());
    found.expect("these tests need `terraform` in the PATH or in /usr/local/bin")
}

fn target() -> String {
    let (system, processor) = crate::terraform::store::platform();
    format!("{system}_{processor}")
}

struct World {
    place: TempDir,
    mirror: Mirror,
}

impl World {
    fn new(max_bytes: u64) -> Self {
        let place = tempfile::tempdir().unwrap();
        // A name that needs quotes.
        let mirror = Self::mirror(place.path(), "the \"mirror\" ${of} \\us", max_bytes);
        Self { place, mirror }
    }

    fn mirror(place: &Path, name: &str, max_bytes: u64) -> Mirror {
        let local = place.join("archives");
        fs::create_dir_all(&local).unwrap();
        let directory = place.join(name);
        let (mirrors, direct) = (Vec::new(), false);
        let config = Config { directory, mirrors, local: vec![local], direct, max_bytes };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match Mirror::open(config.clone()) {
                // A process that another test is just starting has our open files, with this lock, until it executes its program.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    assert!(Instant::now() < deadline, "somebody else has the mirror");
                    std::thread::yield_now();
                }
                opened => return opened.unwrap(),
            }
        }
    }

    /// Something that Terraform takes for a provider as long as it needn't execute it.
    fn publish(&self, version: &str, content: &str) {
        let folder = self.place.path().join("archives").join(THING);
        fs::create_dir_all(&folder).unwrap();
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode, content) in [
            (format!("terraform-provider-thing_v{version}"), 0o755, content),
            ("LICENSE".to_owned(), 0o644, "free"),
        ] {
            writer.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        let archive = folder.join(format!("terraform-provider-thing_{version}_{}.zip", target()));
        fs::write(archive, writer.finish().unwrap().into_inner()).unwrap();
    }

    fn run(&self, name: &str, constraint: &str) -> Run {
        let [work, data] =
            ["work", "data"].map(|kind| self.place.path().join(format!("{name}-{kind}")));
        fs::create_dir_all(&work).unwrap();
        let text = format!(
            "terraform {{\n  required_providers {{\n    thing = {{ source = \"acme/thing\", version = \"{constraint}\" }}\n  }}\n}}\n"
        );
        fs::write(work.join("main.tf"), text).unwrap();
        Run { lock_file: work.join(".terraform.lock.hcl"), work, data }
    }

    fn content(&self, version: &str) -> Option<String> {
        let directory = self.mirror.paths()[0].join(THING).join(version).join(target());
        fs::read_to_string(directory.join(format!("terraform-provider-thing_v{version}"))).ok()
    }
}

struct Run {
    work: PathBuf,
    data: PathBuf,
    lock_file: PathBuf,
}

impl Run {
    fn init(&self, mirror: &Mirror, include: &[&str]) -> Result<(), String> {
        let include: Vec<_> = include.iter().map(|pattern| (*pattern).to_owned()).collect();
        let configuration = self.work.with_extension("tfrc");
        fs::write(&configuration, mirror.cli_configuration(&include, &[])).unwrap();
        let path = terraform();
        let mut work = OsString::from("-chdir=");
        work.push(&self.work);
        let arguments = [work, "init".into(), "-input=false".into(), "-no-color".into()].to_vec();
        let environment = [
            ("TF_CLI_CONFIG_FILE".into(), configuration.into()),
            ("TF_DATA_DIR".into(), self.data.clone().into()),
            ("HOME".into(), self.data.clone().into()),
        ];
        let (path, timeout) = (path.as_path(), Duration::from_secs(120));
        let program = Program { path, arguments, stdin: &[], stdout_max: 1 << 20, timeout };
        let surroundings = Surroundings { environment: &environment, ..Surroundings::default() };
        program.run_in(&surroundings).map(|_| ()).map_err(|error| error.to_string())
    }

    async fn import(&self, mirror: &Mirror) -> Vec<String> {
        mirror.import(&self.data, &self.lock_file).await
    }

    fn installed(&self, version: &str) -> PathBuf {
        self.data.join("providers").join(THING).join(version).join(target())
    }
}

#[tokio::test]
async fn what_init_installs_is_taken_and_linked_to_the_next_time() {
    let world = World::new(1 << 30);
    world.publish("1.1.0", "one");
    let first = world.run("first", ">= 1.0.0");
    first.init(&world.mirror, &[]).unwrap();
    assert!(fs::symlink_metadata(first.installed("1.1.0")).unwrap().is_dir());
    assert_eq!(first.import(&world.mirror).await, [format!("{THING} 1.1.0")]);
    assert_eq!(world.content("1.1.0").as_deref(), Some("one"));
    // Again: it's there already.
    assert!(first.import(&world.mirror).await.is_empty());

    // From the mirror alone.
    fs::remove_dir_all(world.place.path().join("archives/registry.terraform.io")).unwrap();
    let second = world.run("second", ">= 1.0.0");
    second.init(&world.mirror, &[]).unwrap();
    let link = fs::read_link(second.installed("1.1.0")).unwrap();
    assert!(link.starts_with(&world.mirror.paths()[0]), "{link:?}");
    assert!(second.import(&world.mirror).await.is_empty());

    // Also by the next process, which finds what is left of an import that was cut off.
    let World { place, mirror } = world;
    drop(mirror);
    let name = "the \"mirror\" ${of} \\us";
    let partial = place.path().join(name).join("partial/half");
    fs::create_dir(&partial).unwrap();
    let world = World { mirror: World::mirror(place.path(), name, 1 << 30), place };
    assert!(!partial.exists());
    let third = world.run("third", ">= 1.0.0");
    third.init(&world.mirror, &["acme/*"]).unwrap();
    for pattern in ["other/*", "not a pattern"] {
        let denied = world.run(&pattern[..3], ">= 1.0.0");
        let error = denied.init(&world.mirror, &[pattern]).unwrap_err();
        assert!(error.contains("was not found in any of the search"), "{error}");
    }
}

#[tokio::test]
async fn the_mirror_wins_for_a_version_and_hides_no_newer_one() {
    let world = World::new(1 << 30);
    world.publish("1.1.0", "one");
    let first = world.run("first", ">= 1.0.0");
    first.init(&world.mirror, &[]).unwrap();
    first.import(&world.mirror).await;
    world.publish("1.2.0", "two");
    let newer = world.run("newer", ">= 1.0.0");
    newer.init(&world.mirror, &[]).unwrap();
    assert!(newer.installed("1.2.0").is_dir());
    let same = world.run("same", "1.1.0");
    same.init(&world.mirror, &[]).unwrap();
    assert!(fs::symlink_metadata(same.installed("1.1.0")).unwrap().is_symlink());
    // A committed lock file is kept to, and one with other hashes fails.
    let locked = world.run("locked", ">= 1.0.0");
    fs::copy(&first.lock_file, &locked.lock_file).unwrap();
    locked.init(&world.mirror, &[]).unwrap();
    assert!(locked.installed("1.1.0").is_dir() && !locked.installed("1.2.0").exists());
    let other = world.run("other", ">= 1.0.0");
    let text = fs::read_to_string(&newer.lock_file).unwrap().replace("1.2.0", "1.1.0");
    fs::write(&other.lock_file, text).unwrap();
    let error = other.init(&world.mirror, &[]).unwrap_err();
    assert!(error.contains("match any of the checksums"), "{error}");
}

#[tokio::test]
async fn what_the_lock_file_does_not_know_is_not_taken() {
    let world = World::new(1 << 30);
    world.publish("1.1.0", "one");
    let run = world.run("run", ">= 1.0.0");
    run.init(&world.mirror, &[]).unwrap();
    let good = fs::read_to_string(&run.lock_file).unwrap();
    let locks = [
        good.replace("1.1.0", "1.1.1"),
        good.replace("acme", "other"),
        good.replace("h1:", "h1:AA"),
        String::new(),
    ];
    for text in locks {
        fs::write(&run.lock_file, &text).unwrap();
        assert!(run.import(&world.mirror).await.is_empty(), "{text}");
    }
    fs::remove_file(&run.lock_file).unwrap();
    assert!(run.import(&world.mirror).await.is_empty());
    fs::write(&run.lock_file, good).unwrap();
    let program = run.installed("1.1.0").join("terraform-provider-thing_v1.1.0");
    fs::write(&program, "evil").unwrap();
    assert!(run.import(&world.mirror).await.is_empty());
    assert_eq!(world.content("1.1.0"), None);
    fs::write(&program, "one").unwrap();
    fs::write(run.installed("1.1.0").join("more"), "").unwrap();
    assert!(run.import(&world.mirror).await.is_empty());
    fs::remove_file(run.installed("1.1.0").join("more")).unwrap();
    assert_eq!(run.import(&world.mirror).await.len(), 1);
    assert_eq!(fs::read_dir(world.mirror.paths()[1].with_file_name("partial")).unwrap().count(), 0);
}

#[tokio::test]
async fn links_are_not_taken() {
    let world = World::new(1 << 30);
    world.publish("1.1.0", "one");
    let run = world.run("run", ">= 1.0.0");
    run.init(&world.mirror, &[]).unwrap();
    let elsewhere = world.place.path().join("elsewhere");
    let mut place = run.installed("1.1.0");
    // At each level up to TF_DATA_DIR's `providers`.
    for _ in 0..6 {
        fs::rename(&place, &elsewhere).unwrap();
        symlink(&elsewhere, &place).unwrap();
        assert!(run.import(&world.mirror).await.is_empty(), "{place:?}");
        fs::remove_file(&place).unwrap();
        fs::rename(&elsewhere, &place).unwrap();
        place.pop();
    }
    let program = run.installed("1.1.0").join("terraform-provider-thing_v1.1.0");
    fs::rename(&program, &elsewhere).unwrap();
    symlink(&elsewhere, &program).unwrap();
    assert!(run.import(&world.mirror).await.is_empty());
    assert_eq!(world.content("1.1.0"), None);
}

#[tokio::test]
async fn the_first_content_of_a_version_stays() {
    let world = World::new(1 << 30);
    world.publish("1.1.0", "one");
    let first = world.run("first", ">= 1.0.0");
    first.init(&world.mirror, &[]).unwrap();
    first.import(&world.mirror).await;
    world.publish("1.1.0", "another one");
    let other = World::mirror(world.place.path(), "other", 1 << 30);
    let second = world.run("second", ">= 1.0.0");
    second.init(&other, &[]).unwrap();
    assert!(second.import(&world.mirror).await.is_empty());
    assert_eq!(world.content("1.1.0").as_deref(), Some("one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_imports_at_once_take_everything_once() {
    let world = World::new(1 << 30);
    let mut runs = Vec::new();
    for number in 0..8 {
        let version = format!("1.{}.0", number / 2);
        world.publish(&version, &version);
        let run = world.run(&number.to_string(), &version);
        run.init(&world.mirror, &[]).unwrap();
        runs.push(run);
    }
    let mut imports = tokio::task::JoinSet::new();
    for run in runs {
        let mirror = world.mirror.clone();
        imports.spawn(async move { run.import(&mirror).await });
    }
    let mut taken = imports.join_all().await.concat();
    taken.sort();
    let expected: Vec<_> = (0..4).map(|number| format!("{THING} 1.{number}.0")).collect();
    assert_eq!(taken, expected);
}

#[tokio::test]
async fn what_live_runs_use_is_not_removed() {
    let world = World::new(2500);
    let mut guards = Vec::new();
    for (number, version) in ["1.1.0", "1.2.0", "1.3.0"].into_iter().enumerate() {
        world.publish(version, &version.repeat(200));
        let run = world.run(version, version);
        if number == 0 {
            // A run that goes on, linked to the mirror.
            let again = world.run("again", version);
            guards.push(world.mirror.guard(&again.data));
            run.init(&world.mirror, &[]).unwrap();
            run.import(&world.mirror).await;
            again.init(&world.mirror, &[]).unwrap();
        } else {
            run.init(&world.mirror, &[]).unwrap();
            run.import(&world.mirror).await;
        }
        // The order of their use.
        let seconds = u64::try_from(number).unwrap();
        let used = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let directory = world.mirror.paths()[0].join(THING).join(version).join(target());
        File::open(directory).unwrap().set_modified(used).unwrap();
    }
    let left = |world: &World| {
        ["1.1.0", "1.2.0", "1.3.0", "1.4.0"].map(|version| world.content(version).is_some())
    };
    assert_eq!(left(&world), [true, false, true, false]);
    // While somebody else is at it, nothing is removed.
    let turns = [world.mirror.turn("a").await, world.mirror.turn("b").await];
    world.publish("1.4.0", &"1.4.0".repeat(200));
    let run = world.run("1.4.0", "1.4.0");
    run.init(&world.mirror, &[]).unwrap();
    drop(guards);
    run.import(&world.mirror).await;
    assert_eq!(left(&world), [true, false, true, true]);
    drop(turns);
    let run = world.run("1.2.0-again", "1.2.0");
    run.init(&world.mirror, &[]).unwrap();
    run.import(&world.mirror).await;
    assert_eq!(left(&world), [false, true, false, true]);
}

#[test]
fn one_process_writes() {
    let world = World::new(0);
    let config = world.mirror.0.config.clone();
    let error = Mirror::open(config).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
    let relative = Config { directory: "relative".into(), ..world.mirror.0.config.clone() };
    Mirror::open(relative).unwrap_err();
    let mut config = world.mirror.0.config.clone();
    config.mirrors.push("https://user:secret@mirror.example.com/".parse().unwrap());
    assert!(!format!("{config:?}").contains("secret"));
}

#[tokio::test]
async fn what_one_tenant_has_downloaded_is_not_shown_to_another() {
    let world = World::new(1 << 30);
    let mirrors = Mirrors::new(Config {
        directory: world.mirror.0.config.directory.with_extension("all"),
        ..world.mirror.0.config.clone()
    });
    let (one, other) = (mirrors.of("one", "owner").unwrap(), mirrors.of("other", "owner").unwrap());
    let paths = |mirror: &Mirror| mirror.paths().into_iter().take(2).collect::<Vec<_>>();
    assert_eq!(paths(&one), paths(&mirrors.of("one", "owner").unwrap()));
    assert!(paths(&one).iter().all(|path| !paths(&other).contains(path)));
    assert!(!one.cli_configuration(&[], &[]).contains(paths(&other)[0].to_str().unwrap()));
}

#[tokio::test]
async fn a_mirror_that_a_run_uses_is_not_removed() {
    let world = World::new(1 << 30);
    let directory = world.mirror.0.config.directory.with_extension("all");
    let config =
        Config { directory: directory.clone(), max_bytes: 2_500, ..world.mirror.0.config.clone() };
    let mirrors = Mirrors::new(config);
    let used = mirrors.of("used", "owner").unwrap();
    for tenant in ["old", "new"] {
        let mirror = mirrors.of(tenant, "owner").unwrap();
        fs::write(mirror.0.config.directory.join("large"), [0; 1000]).unwrap();
    }
    fs::write(used.0.config.directory.join("large"), [0; 1000]).unwrap();
    let age = |tenant: &str, seconds| {
        let place = mirrors.of(tenant, "owner").unwrap().0.config.directory.clone();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        File::open(&place).unwrap().set_modified(time).unwrap();
        place
    };
    let places = [age("used", 1), age("old", 2), age("new", 3)];
    mirrors.make_room().await;
    assert_eq!(places.map(|place| place.is_dir()), [true, false, true]);
    // Descriptors are given back with the last run.
    assert_eq!(mirrors.open().len(), 1);
}

#[tokio::test]
async fn a_lock_file_of_another_system_is_served_by_the_registry() {
    let world = World::new(1 << 30);
    world.publish("1.1.0", "one");
    let first = world.run("first", ">= 1.0.0");
    first.init(&world.mirror, &[]).unwrap();
    first.import(&world.mirror).await;
    assert!(world.mirror.mismatched(&first.lock_file).is_empty());
    let text = fs::read_to_string(&first.lock_file).unwrap();
    let line = text.lines().find(|line| line.contains("h1:")).unwrap();
    let foreign = text.replace(line.trim(), "\"h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",");
    let lock_file = first.lock_file.with_extension("foreign");
    fs::write(&lock_file, foreign).unwrap();
    assert_eq!(world.mirror.mismatched(&lock_file), [THING]);
    let text = world.mirror.cli_configuration(&[], &[THING.to_owned()]);
    assert_eq!(text.matches("exclude").count(), 1, "{text}");
}
