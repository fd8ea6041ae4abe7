//! Every mistake that can be made, and how it is reported.

use super::*;

#[test]
fn several_mistakes_are_reported_at_once_with_line_and_column() {
    let setup = Setup::with(
        "runnerUuid: not-a-uuid\n\
         privateKey: k\n\
         api:\n  url: ftp://x\n  clientId: id\n  clientSecret: s\n\
         runs:\n  concurrency: much\n  concurency: 3\n\
         pollingIntervalSeconds: 0\n",
    )
    .and_env("PORT", "70000");
    assert_eq!(
        setup.load().unwrap_err().to_string(),
        "runner-config.yml:1:13: runnerUuid: must be a UUID\n\
         runner-config.yml:4:8: api.url: must be an `https` or `http` URL\n\
         runner-config.yml:8:16: runs.concurrency: must be a positive whole number (runs)\n\
         runner-config.yml:9:3: runs.concurency: is not a known key\n  hint: did you mean `concurrency`?\n\
         runner-config.yml:10:25: pollingIntervalSeconds: must be from 100ms to 1h\n\
         PORT: must be a port from 1 to 65535"
    );
}

#[test]
fn nothing_at_all_says_everything_that_is_missing() {
    let mistakes = Setup::empty().mistakes();
    let starts = [
        "configuration: runnerUuid: is missing",
        "configuration: api.url: is missing",
        "configuration: api.clientId: is missing, and so is `clientSecret`",
        "configuration: privateKeyFile: is missing",
    ];
    assert_eq!(mistakes.len(), starts.len(), "{mistakes:#?}");
    for start in starts {
        assert!(
            mistakes.iter().any(|mistake| mistake.starts_with(start)),
            "{start}: {mistakes:#?}"
        );
    }
}

#[test]
fn missing_keys_of_a_section_are_reported_at_the_section() {
    let setup = Setup::with(&LEAST.replace("  url: https://meshstack.example.com\n", ""));
    assert!(
        setup.only_mistake().starts_with("runner-config.yml:4:3: api.url: is missing\n  hint: ")
    );
}

#[test]
fn half_a_login_is_a_mistake() {
    for (given, missing) in [
        ("clientId: x", "api.clientSecret"),
        ("clientSecret: x", "api.clientId"),
        ("user: x", "api.password"),
        ("password: x", "api.username"),
        ("clientId: x\n  user: x\n  password: x", "api.clientSecret"),
    ] {
        let api = format!("  url: https://x.example.com\n  {given}\n");
        let setup = Setup::with(&format!("runnerUuid: {UUID}\nprivateKey: k\napi:\n{api}"));
        let mistake = setup.only_mistake();
        assert!(mistake.contains(&format!("{missing}: is missing, though")), "{given}: {mistake}");
    }
}

#[test]
fn both_names_of_a_setting_are_a_mistake_that_names_the_other() {
    let certificate = block(&certificate());
    for (more, expected) in [
        (
            "uuid: 79090ca8-94f8-4e56-b382-6d7db52b7e59\n",
            "runner-config.yml:7:7: uuid: sets the same as `runnerUuid` on line 1",
        ),
        (
            "maxConcurrentJobs: 3\nruns:\n  concurrency: 4\n",
            "9:16: runs.concurrency: sets the same as `maxConcurrentJobs` on line 7",
        ),
        (
            "pollingIntervalSeconds: 3\npoll: {interval: 4s}\n",
            "8:18: poll.interval: sets the same as `pollingIntervalSeconds` on line 7",
        ),
        (
            "timeoutMins: 3\nruns: {wallTime: 4s}\n",
            "8:18: runs.wallTime: sets the same as `timeoutMins` on line 7",
        ),
        ("privateKeyFile: x\n", "7:17: privateKeyFile: sets the same as `privateKey` on line 2"),
        (
            &format!("crypto:\n  publicKey: |\n{certificate}  privateKey: k\n"),
            "crypto.privateKey: sets the same as `privateKey` on line 2",
        ),
    ] {
        let mistakes = Setup::least_and(more).mistakes();
        assert!(mistakes[0].contains(expected), "{more}: {mistakes:#?}");
    }
    for (more, expected) in [
        (
            "clientSecretFile: x",
            "api.clientSecretFile: sets the same as `api.clientSecret` on line",
        ),
        (
            "user: a\n  username: b\n  password: c",
            "api.user: sets the same as `api.username` on line",
        ),
        (
            "user: a\n  password: b\n  passwordFile: c",
            "api.passwordFile: sets the same as `api.password` on line",
        ),
    ] {
        let setup =
            Setup::with(&LEAST.replace("  clientSecret", &format!("  {more}\n  clientSecret")));
        let mistakes = setup.mistakes();
        assert!(mistakes[0].contains(expected), "{more}: {mistakes:#?}");
    }
}

#[test]
fn unknown_keys_are_mistakes_in_every_section() {
    let sections = [
        ("", "runnerUUID", "`runnerUuid`"),
        ("runs", "concurency", "`concurrency`"),
        ("poll", "intervall", "`interval`"),
        ("components", "compileMemory", "`compileMemoryMib`"),
        ("state", "dirctory", "`directory`"),
        ("journal", "minFree", "`minFreeMib`"),
        ("admin", "adress", "`address`"),
        ("log", "levl", "`level`"),
        ("http", "noproxy", "`noProxy`"),
        ("egress", "prxy", "`proxy`"),
        ("crypto", "pubicKey", "`publicKey`"),
    ];
    for (section, key, hint) in sections {
        let more = if section.is_empty() {
            format!("{key}: x\n")
        } else {
            format!("{section}:\n  {key}: x\n")
        };
        let mistake = Setup::least_and(&more).only_mistake();
        let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
        assert!(mistake.contains(&format!("{path}: is not a known key")), "{mistake}");
        assert!(mistake.ends_with(&format!("hint: did you mean {hint}?")), "{mistake}");
    }
    let setup = Setup::with(&LEAST.replace("  url", "  clientSecrt: x\n  url"));
    assert!(
        setup
            .only_mistake()
            .contains("api.clientSecrt: is not a known key\n  hint: did you mean `clientSecret`?")
    );
}

#[test]
fn duplicate_keys_are_mistakes() {
    assert_eq!(
        Setup::least_and("runs: {}\nruns: {}\n").only_mistake(),
        "runner-config.yml:8:1: runs: is given twice, first on line 7"
    );
}

#[test]
fn values_of_a_wrong_form_are_mistakes() {
    for (more, expected) in [
        ("runs: 3\n", "runs: must be a section of keys and values"),
        ("runs: [concurrency]\n", "runs: must be a section of keys and values"),
        ("runs: {concurrency: [3]}\n", "runs.concurrency: must be a single value"),
        ("limits: {fuel: 1}\n", "limits: is not a known key\n  hint: limits are in policies"),
        ("runs: {wallTime: 30}\n", "runs.wallTime: must be a duration\n  hint: "),
        ("timeoutMins: 1h\n", "timeoutMins: must be a positive whole number (minutes)"),
        ("timeoutMins: 0\n", "timeoutMins: must be from 1s to 7days"),
        ("pollingIntervalSeconds: 0\n", "pollingIntervalSeconds: must be from 100ms to 1h"),
        ("poll: {interval: 99ms}\n", "poll.interval: must be from 100ms to 1h"),
        (
            "components: {compileMemoryMib: 255}\n",
            "components.compileMemoryMib: must be from 256 to 65536 (MiB)",
        ),
        (
            "components: {compileTimeout: 500ms}\n",
            "components.compileTimeout: must be from 1s to 1h",
        ),
        ("runs: {concurrency: 10001}\n", "runs.concurrency: must be from 1 to 10000 (runs)"),
        ("runs: {concurrency: -1}\n", "runs.concurrency: must be a positive whole number (runs)"),
        ("runs: {memoryMib: 0}\n", "runs.memoryMib: must be from 1 to 1073741824 (MiB)"),
        ("runs: {waiting: 0}\n", "runs.waiting: must be from 1 to 10000 (runs)"),
        ("admin: {address: localhost}\n", "admin.address: must be an IP address with a port"),
        (
            "log: {format: jsn}\n",
            "log.format: must be `auto`, `human` or `json`\n  hint: did you mean `json`?",
        ),
        ("log: {level: verbose}\n", "log.level: must be a level, or modules with levels"),
        ("http: {proxy: 'x y'}\n", "http.proxy: must be an absolute URL"),
        ("egress: {proxy: 'x y'}\n", "egress.proxy: must be an absolute URL"),
        ("egress: {connectTimeout: 1s}\n", "egress.connectTimeout: is not a known key"),
        ("http: {noProxy: []}\n", "http.noProxy: must not be an empty list"),
        ("http: {noProxy: [a, 'b c']}\n", "http.noProxy[1]: must be a host, domain or network"),
        ("http: {caFiles: [absent.pem]}\n", "http.caFiles[0]: names a file that can't be read"),
        (
            "http: {caFiles: runner-config.yml}\n",
            "http.caFiles: names a file that is not a list of X.509 certificates",
        ),
        ("http: {connectTimeout: 1ms}\n", "http.connectTimeout: must be from 100ms to 10m"),
        ("register: maybe\n", "register: must be `true` or `false`"),
        (
            "displayName: x\nownedByWorkspace: y\nregister: true\n",
            "crypto.publicKey: is missing, and `register` needs it",
        ),
        (
            "crypto: {publicKey: x}\n",
            "crypto.publicKey: must be an X.509 certificate in PEM format",
        ),
        ("wsTimeoutMins: x\n", "wsTimeoutMins: must be a positive whole number (minutes)"),
        ("initTimeoutMins: 0\n", "initTimeoutMins: must be from 1m to 7days"),
        ("insecureHostKeys: 3\n", "insecureHostKeys: must be `true` or `false`"),
    ] {
        let mistake = Setup::least_and(more).only_mistake();
        assert!(mistake.contains(expected), "{more}: {mistake}");
    }
}

#[test]
fn wrong_routes_are_mistakes() {
    let manual = "{match: {implementationType: MANUAL}, component: {embedded: manual}}";
    let digest = format!("sha256:{}", "ab".repeat(32));
    for (routes, expected) in [
        ("[]".to_owned(), "routes: must have 1 to 1000 routes\n  hint: "),
        ("[x]".to_owned(), "routes[0]: must be a section of keys and values"),
        ("[{match: {tenant: a}}]".to_owned(), "routes[0].component: is missing"),
        (
            "[{component: {embedded: manual}}]".to_owned(),
            "routes[0].match: is missing\n  hint: give at least one of",
        ),
        (
            "[{match: {tenant: a}, component: {embedded: manul}}]".to_owned(),
            "routes[0].component.embedded: names no embedded component\n  hint: did you mean `manual`?",
        ),
        (
            "[{match: {tenant: a}, component: {embedded: x}}]".to_owned(),
            "hint: embedded are: manual, pipeline, hello",
        ),
        (
            "[{match: {tenant: a}, component: {file: x}}]".to_owned(),
            "routes[0].component.digest: is missing",
        ),
        (
            "[{match: {tenant: a}, component: {file: x, digest: 'sha256:ab'}}]".to_owned(),
            "routes[0].component.digest: must be `sha256:` and 64 hexadecimal digits",
        ),
        (
            format!(
                "[{{match: {{tenant: a}}, component: {{file: x, embedded: manual, digest: '{digest}'}}}}]"
            ),
            "routes[0].component.embedded: excludes `file`",
        ),
        (
            format!(
                "[{{match: {{tenant: a}}, component: {{embedded: manual, digest: '{digest}'}}}}]"
            ),
            "routes[0].component.digest: belongs to `file`",
        ),
        (
            "[{match: {definition: mine}, component: {embedded: manual}}]".to_owned(),
            "routes[0].match.definition: must be the UUID of a definition",
        ),
        (
            "[{match: {tenants: a}, component: {embedded: manual}}]".to_owned(),
            "routes[0].match.tenants: is not a known key\n  hint: did you mean `tenant`?",
        ),
        (
            format!("[{manual}, {manual}]"),
            "routes[1]: can never match, since `routes[0]` matches all of it",
        ),
        (
            format!("[{{match: {{tenant: a}}, component: {{file: x, digest: '{digest}'}}}}]"),
            "routes[0].policy: is missing\n  hint: write `policy: { file: <path> }`",
        ),
        (
            "[{match: {tenant: a}, component: {embedded: manual}, policy: {embedded: manul}}]".to_owned(),
            "routes[0].policy.embedded: names no embedded policy\n  hint: did you mean `manual`?",
        ),
        (
            "[{match: {tenant: a}, component: {embedded: manual}, policy: {embedded: manual, file: x}}]"
                .to_owned(),
            "routes[0].policy.embedded: excludes `file`",
        ),
        (
            "[{match: {tenant: a}, component: {embedded: manual}, policy: {file: nowhere.toml}}]".to_owned(),
            "routes[0].policy.file: names a file that can't be read: ",
        ),
        (
            "[{match: {tenant: a}, component: {embedded: manual}, policy: {}}]".to_owned(),
            "routes[0].policy: is missing",
        ),
        (
            "[{match: {tenant: a}, component: {embedded: manual}, reveal: [x]}]".to_owned(),
            "routes[0].reveal: is not a known key\n  hint: secrets are granted by policies",
        ),
    ] {
        let mistakes = Setup::least_and(&format!("routes: {routes}\n")).mistakes();
        assert!(
            mistakes.iter().any(|mistake| mistake.contains(expected)),
            "{routes}: {mistakes:#?}"
        );
    }
}

#[test]
fn mistakes_of_policies_come_with_those_of_the_configuration() {
    let setup = Setup::least_and(
        "ceiling: bad.toml\nnonsense: 1\nroutes:\n\
         - {match: {tenant: a}, component: {embedded: manual}, policy: {file: bad.toml}}\n",
    )
    .and_file("bad.toml", "description = 'd'\n[limits]\nfule = 1\n");
    let mistakes = setup.mistakes();
    assert_eq!(mistakes.len(), 2, "each policy is read once: {mistakes:#?}");
    assert!(
        mistakes[0].starts_with("runner-config.yml:7:10: ceiling: names a policy with mistakes:\n")
    );
    assert!(
        mistakes[0].contains("bad.toml:3:1: ") && mistakes[0].contains("`fuel`"),
        "{mistakes:#?}"
    );
}

#[test]
fn wrong_secret_files_are_mistakes() {
    let with = |key: &str| {
        Setup::with(&LEAST.replace("privateKey: some key", &format!("privateKeyFile: {key}")))
            .and_file("empty", "\n")
            .and_file("bad", "BAD")
            .and_file("binary", [0xff, 0xfe])
            .and_file("huge", vec![b'x'; 1024 * 1024 + 1])
    };
    for (file, expected) in [
        ("absent", "2:17: privateKeyFile: names a file that can't be read"),
        ("empty", "2:17: privateKeyFile: names an empty file"),
        ("bad", "2:17: privateKeyFile: is not a private key"),
        ("binary", "2:17: privateKeyFile: names a file that can't be read"),
        (
            "huge",
            "2:17: privateKeyFile: names a file that can't be read: it is larger than 1024 KiB",
        ),
        (".", "2:17: privateKeyFile: names a file that can't be read"),
    ] {
        let mistake = with(file).only_mistake();
        assert!(mistake.contains(expected), "{file}: {mistake}");
    }
    let setup = with("empty").and_env("RUNNER_PRIVATE_KEY_FILE", "bad");
    assert_eq!(setup.only_mistake(), "RUNNER_PRIVATE_KEY_FILE: is not a private key");
}

#[test]
fn mistakes_in_variables_name_the_variable() {
    for (name, value, expected) in [
        ("RUNNER_UUID", "x", "RUNNER_UUID: must be a UUID"),
        ("RUNNER_API_URL", "x", "RUNNER_API_URL: must be an absolute URL"),
        (
            "RUNNER_PRIVATE_KEY_FILE",
            "absent",
            "RUNNER_PRIVATE_KEY_FILE: names a file that can't be read",
        ),
        ("PORT", "x", "PORT: must be a port from 1 to 65535"),
        ("EXECUTION_MODE", "x", "EXECUTION_MODE: must be `single-run`, or not set"),
        (
            "EXECUTION_MODE",
            "single-run",
            "EXECUTION_MODE: needs the path of the run document in RUN_JSON_FILE_PATH",
        ),
    ] {
        let mistake = Setup::with(LEAST).and_env(name, value).only_mistake();
        assert!(mistake.starts_with(expected), "{mistake}");
    }
}

#[test]
fn file_that_can_not_be_read_is_the_only_mistake() {
    let mut setup = Setup::empty();
    setup.file = Some(PathBuf::from("absent.yml"));
    assert!(setup.only_mistake().starts_with("absent.yml: can't be read: "));
    let setup = Setup::empty().and_env("RUNNER_CONFIG_FILE", "absent.yml");
    assert!(setup.only_mistake().starts_with("absent.yml: can't be read: "));
    let setup = Setup::empty().and_file(DEFAULT_FILE, [0xff]);
    assert!(setup.only_mistake().starts_with("runner-config.yml: can't be read: "));
    let setup = Setup::empty().and_file(DEFAULT_FILE, vec![b'#'; MAX_FILE_BYTES + 1]);
    assert!(setup.only_mistake().contains("larger than 1024 KiB"));
}

#[test]
fn yaml_bombs_are_refused() {
    let laughs = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
    assert!(
        Setup::with(laughs).only_mistake().starts_with("runner-config.yml:2:8: uses a YAML alias")
    );
    assert!(Setup::with(&"[".repeat(40)).only_mistake().contains("nested deeper than 32 levels"));
    assert!(Setup::with(&"[".repeat(1000)).only_mistake().contains("is not valid YAML"));
    assert!(Setup::with("api: {").only_mistake().contains("is not valid YAML"));
    assert!(
        Setup::with("just text").mistakes()[0].contains("must be a section of keys and values")
    );
}

#[test]
fn state_directory_without_a_home_is_a_mistake() {
    for (platform, hint) in
        [(Platform::Unix { root: false }, "or set HOME"), (Platform::Windows, "or set PROGRAMDATA")]
    {
        let mut setup = Setup::with(LEAST).and_env("XDG_STATE_HOME", "relative/is/ignored");
        setup.platform = platform;
        let mistake = setup.only_mistake();
        assert!(mistake.starts_with("runner-config.yml: state.directory: is missing"), "{mistake}");
        assert!(mistake.ends_with(hint), "{mistake}");
    }
}
