//! What is shown, and what never is.

use super::*;

/// Stands in every place that can hold a secret.
const MARKER: &str = "MaRkEr";

/// All that can come out of a load, as text.
fn everything(setup: &Setup) -> String {
    match setup.load() {
        Ok((config, warnings)) => {
            let warned: String = warnings.iter().map(ToString::to_string).collect();
            format!("{config:?}\n{config:#?}\n{}\n{warnings:?}\n{warned}", config.show())
        }
        Err(mistakes) => format!("{mistakes}\n{mistakes:?}"),
    }
}

#[test]
fn secrets_appear_nowhere() {
    let config = |proxy: &str, more: &str| {
        Setup::with(&format!(
            "runnerUuid: {UUID}\nprivateKey: {MARKER}\n\
             api: {{url: 'https://x.example.com', clientId: id, clientSecret: {MARKER}, user: u, password: {MARKER}}}\n\
             http: {{proxy: '{proxy}'}}\n{more}"
        ))
    };
    let good_proxy = format!("http://{MARKER}:{MARKER}@proxy:3128");
    let setups = [
        config(&good_proxy, ""),
        config(&good_proxy, "nonsense: 1\n"),
        config(&format!("{good_proxy}/path"), ""),
        config(&format!("ftp://{MARKER}@x"), ""),
        config(MARKER, ""),
        config(&good_proxy, &format!("crypto: {{privateKey: {MARKER}, publicKey: {MARKER}}}\n")),
        config(
            &good_proxy,
            &format!("admin: {{address: {MARKER}}}\nlog: {{level: {MARKER}, format: {MARKER}}}\n"),
        ),
        config(
            &good_proxy,
            &format!(
                "runs: {{concurrency: {MARKER}, wallTime: {MARKER}}}\nceiling: {MARKER}\nregister: {MARKER}\n"
            ),
        ),
        config(
            &good_proxy,
            &format!(
                "routes: [{{match: {{definition: {MARKER}}}, component: {{embedded: {MARKER}}}, policy: {{file: {MARKER}}}}}]\n"
            ),
        ),
        config(&good_proxy, &format!("x: {MARKER}: y\n")),
        config(&good_proxy, &format!("x: *{MARKER}\n")),
        config(&good_proxy, &format!("x: \"{MARKER}\n")),
        config(&good_proxy, &format!("x: !<{MARKER} y\n%{MARKER} z\n")),
        Setup::with(LEAST)
            .and_env("RUNNER_API_URL", &format!("https://{MARKER}:{MARKER}@x.example.com")),
        Setup::with(LEAST)
            .and_env("RUNNER_UUID", MARKER)
            .and_env("PORT", MARKER)
            .and_env("EXECUTION_MODE", MARKER),
        Setup::with(LEAST).and_env("RUNNER_API_CLIENT_SECRET", MARKER),
        Setup::with(LEAST)
            .and_file("secret", format!("BAD {MARKER}"))
            .and_env("RUNNER_PRIVATE_KEY_FILE", "secret"),
        Setup::with(LEAST).and_file("runner-private.pem", MARKER),
        Setup::with(&LEAST.replace("clientSecret: s3cret-marker", "clientSecretFile: secret"))
            .and_file("secret", MARKER),
        Setup::with(
            &LEAST.replace("clientId: my-client", "user: u").replace("clientSecret:", "password:"),
        )
        .and_env("RUNNER_API_PASSWORD", MARKER),
    ];
    for (index, setup) in setups.iter().enumerate() {
        let text = everything(setup);
        assert!(!text.contains(MARKER) && !text.contains("s3cret-marker"), "{index}: {text}");
    }
}

fn rich() -> Setup {
    Setup::with(include_str!("rich.yml"))
        .and_file("client-secret", "s3cret-marker\n")
        .and_file("ca.pem", certificate())
        .and_file("ours.toml", "description = 'ours'\n")
        .and_file("most.toml", "description = 'most'\n")
        .and_file("key.pem", "s3cret-marker")
        .and_env("RUNNER_UUID", UUID)
        .and_env("RUNNER_PRIVATE_KEY_FILE", "key.pem")
}

#[test]
fn show_names_the_origin_of_every_value() {
    let (config, _) = rich().load().unwrap();
    assert_eq!(config.show().to_string(), include_str!("rich.shown.yml"));
}

#[test]
fn shown_configuration_can_be_loaded_again() {
    for setup in [
        rich(),
        Setup::with(LEAST),
        Setup::with(&LEAST.replace("clientId", "user").replace("clientSecret", "password")),
    ] {
        let (config, _) = setup.load().unwrap();
        let mut again = Setup::with(&config.show().to_string());
        for name in ["client-secret", "ca.pem", "key.pem", "ours.toml", "most.toml"] {
            if let Ok(content) = fs::read(setup.directory.path().join(name)) {
                again = again.and_file(name, content);
            }
        }
        let (loaded, _) = again.load().unwrap();
        let comparable = |config: &Config| {
            let Config {
                file: _,
                mode,
                http,
                egress,
                runs,
                poll,
                rules,
                components,
                state,
                journal,
                admin,
                log,
                registration,
                terraform,
                origins: _,
            } = config;
            format!("{mode:?} {http:?} {egress:?} {runs:?} {poll:?} {rules:?} {components:?} {state:?} {journal:?} {admin:?} {log:?} {registration:?} {terraform:?}")
                .replace("%3Credacted%3E", "<redacted>")
        };
        assert_eq!(comparable(&loaded), comparable(&config));
    }
}

#[test]
fn registration_and_single_run_are_shown_and_load_again() {
    let certificate = block(&certificate());
    let setup = Setup::least_and(&format!(
        "register: true\ndisplayName: 'me: #1'\nownedByWorkspace: w\ncrypto:\n  publicKey: |\n{certificate}"
    ));
    let config = setup.config();
    let again = Setup::with(&config.show().to_string()).config();
    assert_eq!(again.registration, config.registration);
    assert!(config.registration.is_some());

    let setup =
        setup.and_env("EXECUTION_MODE", "single-run").and_env("RUN_JSON_FILE_PATH", "run.json");
    let shown = setup.config().show().to_string();
    assert!(shown.starts_with("# file: runner-config.yml\n# single run: run.json\n"), "{shown}");
    assert!(!shown.contains("privateKey"), "{shown}");
}
