//! Native programs without a daemon: [`native`], and [`paths`] for what they work in.

use crate::{on_path, program};
use anyhow::Result;
use blockhouse::git::{self, Git};
use blockhouse::shim::{Ladder, Launcher, Orphan};
use blockhouse::terraform::providers::{self, Mirrors};
use blockhouse::terraform::store::{self, Store};
use blockhouse::terraform::{Config, Paths, Pushing, Terraform};
use blockhouse::unseal::PrivateKey;
use blockhouse_policy::TerraformLimits;
use secrecy::SecretString;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// What states are sealed to when they can't be written.
pub const NATIVE_KEY: &str = include_str!("../../fixtures/sealed/TEST-ONLY-runner-pkcs8.pem");

/// The Terraform of this machine with git and the shim, and short waits everywhere; what it keeps is in `state`.
///
/// # Errors
/// If one of its directories can't be made.
pub fn native(state: &Path) -> Result<Terraform> {
    native_with(state, |_| {})
}

/// The same with differences.
///
/// # Errors
/// If one of its directories can't be made.
pub fn native_with(state: &Path, change: impl FnOnce(&mut Config)) -> Result<Terraform> {
    let key = PrivateKey::from_pem(&SecretString::from(NATIVE_KEY))?;
    let reading = Ladder {
        grace: Duration::from_secs(20),
        stall: None,
        limit: Duration::from_secs(20),
        force: Duration::from_secs(5),
        orphan: Orphan::Continues,
    };
    let mut config = Config {
        users: None,
        defaults: TerraformLimits::default(),
        writing: Ladder { limit: Duration::from_secs(60), ..reading },
        reading,
        init_pause: Duration::from_millis(50),
        lock_wait: Duration::ZERO,
        pushing: Pushing {
            tries: 3,
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_millis(50),
            timeout: Duration::from_secs(60),
            total: Duration::from_secs(600),
        },
        environment: Config::inherited(std::env::vars()),
        bash: Some("/bin/bash".into()),
        quarantine: state.join("quarantine"),
        locks: state.join("locks"),
        key: Some(Arc::clone(key.public())),
        sources_max_bytes: 1 << 30,
        sources_max_files: 1000,
    };
    change(&mut config);
    let unreachable: Url = "https://releases.invalid".parse()?;
    let releases =
        || store::Releases { url: unreachable.clone(), key_file: None, fingerprints: Vec::new() };
    let store = Store::open(store::Config {
        directory: state.join("tools"),
        force: Some(store::Tool::Terraform),
        system: vec![on_path("terraform")],
        download: false,
        terraform: releases(),
        tofu: releases(),
        max_bytes: 1 << 30,
        ca_files: Vec::new(),
        proxy: None,
    });
    let mirrors = Mirrors::new(providers::Config {
        directory: state.join("providers"),
        mirrors: Vec::new(),
        local: Vec::new(),
        direct: true,
        max_bytes: 1 << 30,
    });
    let git = Git::open(git::Config {
        mirrors: state.join("git"),
        git: on_path("git"),
        ssh: "/usr/bin/ssh".into(),
        mirrors_max_bytes: 1 << 30,
        known_hosts: None,
        insecure_host_keys: false,
        ca_file: None,
        proxy: Vec::new(),
    });
    let launcher = Launcher { program: program() };
    Ok(Terraform::new(config, store?, mirrors, git?, launcher))
}

/// The directories of a run below this one, which are made.
///
/// # Errors
/// If they can't be.
pub fn paths(root: &Path) -> io::Result<Paths> {
    let below = |name: &str| {
        let path = root.join(name);
        fs::create_dir_all(&path)?;
        io::Result::Ok(path)
    };
    Ok(Paths {
        work: below("work")?,
        home: below("home")?,
        tmp: below("tmp")?,
        data: below("data")?,
        plan: below("plan")?,
        secrets: below("secrets")?,
        operations: below("operations")?,
        root: root.to_owned(),
    })
}
