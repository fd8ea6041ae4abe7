//! Configurations that must work, above all those that people have already.

use std::time::Duration;

use crate::meshstack::Credentials;
use routes::Component;

use super::*;

fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

#[test]
fn least_configuration_gets_all_defaults() {
    let config = Setup::with(LEAST).config();
    let (api, key) = config.daemon();
    assert_eq!(api.base_url.as_str(), "https://meshstack.example.com/");
    assert_eq!(api.runner_uuid.to_string(), UUID);
    assert_eq!(key.expose_secret(), "some key");
    assert_eq!(config.file, Some(PathBuf::from("runner-config.yml")));
    assert_eq!(config.runs.concurrency, 16);
    assert_eq!(config.runs.drain_timeout, minutes(30));
    assert_eq!(config.runs.abort_grace, Duration::from_secs(10));
    assert_eq!(config.runs.memory_mib, 8192);
    assert_eq!(config.runs.waiting, 1000);
    assert_eq!(config.poll.interval, Duration::from_secs(10));
    assert_eq!(config.runs.wall_time, None);
    assert!(config.rules.ceiling.is_none());
    assert_eq!((config.components.compile_memory_mib, config.components.cache_mib), (2048, 1024));
    assert_eq!(config.components.compile_timeout, minutes(1));
    assert_eq!(config.state.directory, PathBuf::from("/var/lib/blockhouse"));
    assert_eq!((config.journal.min_free_mib, config.journal.max_mib), (64, 256));
    assert_eq!(config.journal.retention, minutes(30 * 24 * 60));
    assert_eq!(config.admin.address.unwrap().to_string(), "127.0.0.1:8100");
    assert_eq!(config.log.format, log::Format::Auto);
    assert_eq!(config.log.level, "info");
    assert_eq!(config.http.total_timeout, Duration::from_secs(60));
    assert!(config.http.way.proxy.is_none());
    assert_eq!(config.registration, None);
}

#[test]
fn existing_terraform_runner_configuration_works_unchanged() {
    let key = block(PEM);
    let setup = Setup::with(&format!(
        "runnerUuid: \"{UUID}\"\ntimeoutMins: 60\nwsTimeoutMins: 6\ninitTimeoutMins: 4\n\
         workingDir: /tmp/runner/wd\ntfInstallDir: /tmp/runner/tfbin\n\
         api:\n  url: http://localhost:8300\n  user: bb-api\n  password: guest\n\
         insecureHostKeys: true\nprivateKey: |\n{key}"
    ));
    let (config, warnings) = setup.load().unwrap();
    let (api, key) = config.daemon();
    assert_eq!(key.expose_secret(), PEM);
    let Credentials::Basic { username, password } = &api.credentials else { panic!() };
    assert_eq!((&**username, password.expose_secret()), ("bb-api", "guest"));
    assert_eq!(config.runs.wall_time, Some(minutes(60)));
    let wall_times = config.rules.routes.iter().map(|route| route.grants.limits().wall_time);
    assert!(wall_times.into_iter().all(|wall_time| wall_time == minutes(60)));
    assert_eq!(config.state.directory, PathBuf::from("/tmp/runner/wd"));
    assert_eq!(config.terraform.workspace_timeout, Some(minutes(6)));
    assert_eq!(config.terraform.init_timeout, Some(minutes(4)));
    assert_eq!(config.terraform.tools.directory, Some(PathBuf::from("/tmp/runner/tfbin")));
    assert!(config.terraform.sources.insecure_host_keys);
    let keys: Vec<_> = warnings.iter().map(|warning| &*warning.key).collect();
    assert_eq!(keys, ["insecureHostKeys"]);
}

#[test]
fn existing_controller_configuration_works_unchanged() {
    let (key, certificate) = (block(PEM), block(&certificate()));
    let setup = Setup::with(&format!(
        "uuid: {UUID}\napi:\n  url: https://meshstack.example.com\n  username: me\n  password: guest\n\
         ownedByWorkspace: platform-team\ndisplayName: Universal Run Controller\n\
         crypto:\n  publicKey: |\n{certificate}  privateKey: |\n{key}\
         pollingIntervalSeconds: 5\nmaxConcurrentJobs: 20\nregister: true\n"
    ));
    let config = setup.config();
    let (api, key) = config.daemon();
    assert_eq!(key.expose_secret(), PEM);
    assert!(matches!(&api.credentials, Credentials::Basic { username, .. } if username == "me"));
    assert_eq!(config.poll.interval, Duration::from_secs(5));
    assert_eq!(config.runs.concurrency, 20);
    let registration = config.registration.unwrap();
    assert_eq!(registration.owned_by_workspace, "platform-team");
    assert_eq!(registration.display_name, "Universal Run Controller");
    assert!(registration.certificate_pem.starts_with("-----BEGIN CERTIFICATE-----\n"));
}

#[test]
fn unlimited_jobs_of_the_controller_are_as_many_as_possible() {
    let setup = Setup::least_and("maxConcurrentJobs: -1\n");
    let (config, warnings) = setup.load().unwrap();
    assert_eq!(config.runs.concurrency, 10_000);
    assert_eq!(warnings.len(), 1);
}

#[test]
fn everything_required_can_come_from_variables_without_a_file() {
    let setup = Setup::empty()
        .and_file("key.pem", format!("{PEM}\n"))
        .and_env("RUNNER_UUID", UUID)
        .and_env("RUNNER_API_URL", "https://meshstack.example.com/")
        .and_env("RUNNER_API_CLIENT_ID", "id")
        .and_env("RUNNER_API_CLIENT_SECRET", "secret\n")
        .and_env("RUNNER_PRIVATE_KEY_FILE", "key.pem")
        .and_env("PORT", "9000");
    let config = setup.config();
    let (api, key) = config.daemon();
    assert_eq!(config.file, None);
    assert_eq!(api.runner_uuid.to_string(), UUID);
    assert_eq!(key.expose_secret(), PEM);
    let Credentials::ApiKey { client_id, client_secret } = &api.credentials else { panic!() };
    assert_eq!((&**client_id, client_secret.expose_secret()), ("id", "secret"));
    assert_eq!(config.admin.address.unwrap().to_string(), "0.0.0.0:9000");
}

#[test]
fn basic_credentials_can_come_from_variables() {
    let setup = Setup::with("privateKey: k\n")
        .and_env("RUNNER_UUID", UUID)
        .and_env("RUNNER_API_URL", "http://127.0.0.1:8080")
        .and_env("RUNNER_API_USERNAME", "me")
        .and_env("RUNNER_API_PASSWORD", "secret");
    let config = setup.config();
    let Credentials::Basic { username, password } = &config.daemon().0.credentials else {
        panic!()
    };
    assert_eq!((&**username, password.expose_secret()), ("me", "secret"));
}

#[test]
fn every_variable_wins_over_the_file() {
    let setup = Setup::least_and("admin: {address: 'off'}\n")
        .and_file("key.pem", "other key")
        .and_env("RUNNER_UUID", "11111111-1111-4111-8111-111111111111")
        .and_env("RUNNER_API_URL", "https://other.example.com")
        .and_env("RUNNER_API_CLIENT_ID", "other")
        .and_env("RUNNER_API_CLIENT_SECRET", "other secret")
        .and_env("RUNNER_PRIVATE_KEY_FILE", "key.pem")
        .and_env("PORT", "9000");
    let config = setup.config();
    let (api, key) = config.daemon();
    assert_eq!(api.runner_uuid.to_string(), "11111111-1111-4111-8111-111111111111");
    assert_eq!(api.base_url.host_str(), Some("other.example.com"));
    let Credentials::ApiKey { client_id, client_secret } = &api.credentials else { panic!() };
    assert_eq!((&**client_id, client_secret.expose_secret()), ("other", "other secret"));
    assert_eq!(key.expose_secret(), "other key");
    assert_eq!(config.admin.address.unwrap().port(), 9000);
}

#[test]
fn empty_variables_and_values_count_as_not_given() {
    let setup = Setup::least_and("http:\nruns: ~\nadmin: {address: ''}\n")
        .and_env("RUNNER_UUID", "")
        .and_env("PORT", " ")
        .and_env("RUNNER_CONFIG_FILE", "")
        .and_env("EXECUTION_MODE", "")
        .and_env("RUNNER_PRIVATE_KEY_FILE", "");
    assert_eq!(setup.config().admin.address.unwrap().port(), 8100);
    let setup = Setup::with(
        &LEAST
            .replace("clientId: my-client", "clientId: ''")
            .replace("clientSecret: s3cret-marker", "user: a\n  password: b"),
    );
    assert!(matches!(setup.config().daemon().0.credentials, Credentials::Basic { .. }));
}

#[test]
fn named_file_wins_over_the_variable_and_that_over_the_default() {
    let with_port = |port: u16| format!("{LEAST}admin: {{address: '127.0.0.1:{port}'}}\n");
    let mut setup =
        Setup::with(&with_port(1)).and_file("2.yml", with_port(2)).and_file("3.yml", with_port(3));
    let port = |setup: &Setup| setup.config().admin.address.unwrap().port();
    assert_eq!(port(&setup), 1);
    setup = setup.and_env("RUNNER_CONFIG_FILE", "2.yml");
    assert_eq!(port(&setup), 2);
    setup.file = Some(PathBuf::from("3.yml"));
    assert_eq!(port(&setup), 3);
}

#[test]
fn secrets_come_from_files_without_their_last_line_break() {
    let setup = Setup::with(&format!(
        "runnerUuid: {UUID}\nprivateKeyFile: key.pem\n\
         api: {{url: 'https://x.example.com', clientId: id, clientSecretFile: secret}}\n"
    ))
    .and_file("key.pem", format!("{PEM}\r\n"))
    .and_file("secret", "from file\n\n");
    let config = setup.config();
    let (api, key) = config.daemon();
    assert_eq!(key.expose_secret(), PEM);
    let Credentials::ApiKey { client_secret, .. } = &api.credentials else { panic!() };
    assert_eq!(client_secret.expose_secret(), "from file");

    let setup = Setup::with(&format!(
        "runnerUuid: {UUID}\nprivateKey: x\n\
         api: {{url: 'https://x.example.com', user: me, passwordFile: secret}}\n"
    ))
    .and_file("secret", "word");
    let config = setup.config();
    let Credentials::Basic { password, .. } = &config.daemon().0.credentials else { panic!() };
    assert_eq!(password.expose_secret(), "word");
}

#[test]
fn private_key_beside_the_configuration_wins_over_an_inline_one() {
    let setup = Setup::with(LEAST).and_file("runner-private.pem", "mounted key");
    let (config, warnings) = setup.load().unwrap();
    assert_eq!(config.daemon().1.expose_secret(), "mounted key");
    assert_eq!(warnings[0].key, "privateKey");
    let setup = Setup::with(&LEAST.replace("privateKey: some key\n", ""))
        .and_file("runner-private.pem", "k");
    assert_eq!(setup.config().daemon().1.expose_secret(), "k");
}

#[test]
fn api_key_wins_over_basic_with_a_warning() {
    let setup =
        Setup::with(&LEAST.replace("  clientId", "  user: me\n  password: word\n  clientId"));
    let (config, warnings) = setup.load().unwrap();
    assert!(matches!(config.daemon().0.credentials, Credentials::ApiKey { .. }));
    assert_eq!(warnings[0].key, "api.user");
}

#[test]
fn unencrypted_connection_to_another_machine_is_a_warning() {
    let with_url = |url: &str| Setup::with(&LEAST.replace("https://meshstack.example.com", url));
    assert_eq!(
        with_url("http://meshstack.example.com").warnings(),
        ["runner-config.yml:4:8: api.url: sends credentials and secrets unencrypted; use https"]
    );
    assert_eq!(with_url("http://localhost:8080").warnings(), [""; 0]);
}

#[test]
fn single_run_needs_neither_api_nor_key() {
    let setup = Setup::empty()
        .and_env("EXECUTION_MODE", "single-run")
        .and_env("RUN_JSON_FILE_PATH", "/var/run/run.json")
        .and_env("RUNNER_UUID", UUID);
    let Mode::SingleRun { run_file, runner_uuid, base_url } = setup.config().mode else { panic!() };
    assert_eq!(run_file, PathBuf::from("/var/run/run.json"));
    assert_eq!((runner_uuid.to_string(), base_url), (UUID.to_owned(), None));
    let setup = setup.and_env("RUNNER_API_URL", "https://x.example.com");
    let Mode::SingleRun { base_url, .. } = setup.config().mode else { panic!() };
    assert_eq!(base_url.unwrap().host_str(), Some("x.example.com"));
}

#[test]
fn every_setting_of_ours_is_taken() {
    let ca = certificate();
    let config = Setup::least_and(
        "runs: {concurrency: 3, drainTimeout: 1h, abortGrace: 1m 5s, memoryMib: 77, waiting: 5, wallTime: 2m}\n\
         poll: {interval: 100ms}\n\
         components: {compileMemoryMib: 512, compileTimeout: 2m, cacheMib: 0}\n\
         state: {directory: /state}\nworkingDir: /elsewhere\n\
         journal: {minFreeMib: 0, maxMib: 5, retention: 2days}\n\
         admin: {address: 'off'}\n\
         log: {format: json, level: 'info,blockhouse=debug'}\n\
         http:\n  proxy: http://me:word@proxy:3128\n  noProxy: [a.local, .example.com]\n  caFiles: [ca.pem]\n  \
           connectTimeout: 1s\n  readTimeout: 2s\n  totalTimeout: 3s\n\
         egress: {proxy: 'https://out:3129', noProxy: .corp.example, caFiles: ca.pem}\n",
    )
    .and_file("ca.pem", format!("{ca}{ca}"))
    .config();
    assert_eq!((config.runs.concurrency, config.runs.drain_timeout), (3, minutes(60)));
    assert_eq!(config.runs.abort_grace, Duration::from_secs(65));
    assert_eq!(config.runs.memory_mib, 77);
    assert_eq!(config.runs.waiting, 5);
    assert_eq!(config.poll.interval, Duration::from_millis(100));
    assert_eq!(config.runs.wall_time, Some(minutes(2)));
    assert_eq!((config.components.compile_memory_mib, config.components.cache_mib), (512, 0));
    assert_eq!(config.components.compile_timeout, minutes(2));
    assert_eq!(config.state.directory, PathBuf::from("/state"));
    assert_eq!((config.journal.min_free_mib, config.journal.max_mib), (0, 5));
    assert_eq!(config.journal.retention, minutes(2 * 24 * 60));
    assert_eq!(config.admin.address, None);
    assert_eq!(
        (config.log.format, &*config.log.level),
        (log::Format::Json, "info,blockhouse=debug")
    );
    assert_eq!(config.http.way.proxy.unwrap().url().expose_secret(), "http://me:word@proxy:3128/");
    assert_eq!(config.http.way.no_proxy, ["a.local", ".example.com"]);
    assert_eq!(config.http.way.ca_files[0].certificates.len(), 2);
    assert_eq!(config.egress.proxy.unwrap().address().as_str(), "https://out:3129/");
    assert_eq!(config.egress.no_proxy, [".corp.example"]);
    assert_eq!(config.egress.ca_files[0].certificates.len(), 2);
    let timeouts =
        [config.http.connect_timeout, config.http.read_timeout, config.http.total_timeout];
    assert_eq!(timeouts.map(|timeout| timeout.as_secs()), [1, 2, 3]);
}

#[test]
fn default_routes_give_embedded_components_their_types_under_their_policies() {
    let config = Setup::with(LEAST).config();
    let routes: Vec<_> = config
        .rules
        .routes
        .iter()
        .map(|route| {
            let steps = route.grants.limits().steps;
            (&*route.name, route.matches.implementation_type.len(), steps)
        })
        .collect();
    assert_eq!(routes, [("manual", 1, 7), ("pipeline", 2, 100)]);
}

#[test]
fn routes_are_kept_in_order_each_with_its_policy_within_the_ceiling() {
    let hex = "0f".repeat(32);
    let setup = Setup::least_and(&format!(
        "ceiling: most.toml\n\
         timeoutMins: 60\n\
         routes:\n\
         - name: mine\n  match: {{implementationType: MANUAL, tenant: [a-*, b]}}\n  \
           component: {{file: mine.wasm, digest: 'sha256:{hex}'}}\n  policy: {{file: mine.toml}}\n\
         - match: {{definition: '*', owner: platform}}\n  component: {{embedded: hello}}\n  policy: {{embedded: manual}}\n\
         - match: {{owner: x}}\n  component: {{embedded: hello}}\n"
    ))
    .and_file("mine.toml", "description = 'd'\n[limits]\nreason = 'r'\nfuel = 9\nsteps = 50\nwall_time = '2m'\n")
    .and_file("most.toml", "description = 'd'\n[limits]\nreason = 'r'\nsteps = 5\n");
    let (config, warnings) = setup.load().unwrap();
    let [first, second, third] = &config.rules.routes[..] else { panic!() };
    assert_eq!((&*first.name, &*second.name), ("mine", "routes[1]"));
    assert_eq!(
        first.component,
        Component::File {
            given: "mine.wasm".into(),
            path: "mine.wasm".into(),
            digest: format!("sha256:{}", "0f".repeat(32)).parse().unwrap()
        }
    );
    assert_eq!(second.component, Component::Embedded { name: "hello".into() });
    let limits = |route: &routes::Route| {
        let limits = route.grants.limits();
        (limits.fuel, limits.steps, limits.wall_time)
    };
    assert_eq!(limits(first), (9_000_000, 5, minutes(2)));
    assert_eq!(
        limits(second),
        (10_000_000_000, 5, minutes(60)),
        "the embedded policy says 7 steps"
    );
    assert_eq!(limits(third), (10_000_000_000, 5, minutes(60)), "the component's own policy");
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    assert!(warnings[0].starts_with("mine.toml:5:1: "), "{warnings:#?}");
    assert!(warnings[0].contains("`most`") && warnings[0].contains("steps"), "{warnings:#?}");
}

#[test]
fn components_and_policies_are_found_from_the_configuration_file() {
    let hex = "0f".repeat(32);
    let mut setup = Setup::empty();
    fs::create_dir_all(setup.directory.path().join("etc/policies")).unwrap();
    let routes = format!(
        "{LEAST}ceiling: policies/deny.toml\nroutes:\n- match: {{owner: a}}\n  \
         component: {{file: mine.wasm, digest: 'sha256:{hex}'}}\n  policy: {{file: policies/deny.toml}}\n"
    );
    setup = setup
        .and_file("etc/runner.yml", routes)
        .and_file("etc/policies/deny.toml", "description = 'd'\n");
    setup.file = Some("etc/runner.yml".into());
    let config = setup.config();
    let Component::File { path, .. } = &config.rules.routes[0].component else { panic!() };
    assert_eq!(path, &PathBuf::from("etc/mine.wasm"));
    assert_eq!(&**config.rules.routes[0].grants.policy().file(), "etc/policies/deny.toml");
}

#[test]
fn state_directory_follows_the_platform() {
    let directory = |platform, name, value: &str| {
        let mut setup = Setup::with(LEAST).and_env(name, value);
        setup.platform = platform;
        setup.config().state.directory
    };
    let user = Platform::Unix { root: false };
    assert_eq!(directory(user, "XDG_STATE_HOME", "/xdg"), PathBuf::from("/xdg/blockhouse"));
    assert_eq!(
        directory(user, "HOME", "/home/me"),
        PathBuf::from("/home/me/.local/state/blockhouse")
    );
    assert_eq!(
        directory(Platform::Windows, "PROGRAMDATA", "C:\\ProgramData"),
        PathBuf::from("C:\\ProgramData").join("blockhouse")
    );
}
