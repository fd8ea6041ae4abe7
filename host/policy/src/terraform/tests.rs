use super::*;
use crate::grants::Grants;
use crate::limits::Limits;
use crate::policy::Policy;
use std::sync::Arc;
use std::time::Duration;

const SECTION: &str = "[terraform]\nreason = 'r'\nverbs = ['plan']\nrepositories = ['*']\n";

fn policy(name: &str, text: &str) -> Arc<Policy> {
    let text = format!("description = 'test'\n{text}");
    Arc::new(Policy::parse(name, &text).unwrap_or_else(|mistakes| panic!("{mistakes}")))
}

fn permit(text: &str) -> TerraformPermit {
    let grants = Grants::new(policy("team-a.toml", text), None, &Limits::default());
    grants.terraform().expect("granted")
}

/// A section with these repositories.
fn repositories(list: &str) -> TerraformPermit {
    permit(&SECTION.replace("'*'", list))
}

fn under(text: &str, ceiling: &str) -> Grants {
    let (own, ceiling) = (policy("team-a.toml", text), policy("conf/org.toml", ceiling));
    Grants::new(own, Some(ceiling), &Limits::default())
}

fn excess(text: &str, ceiling: &str) -> Vec<String> {
    under(text, ceiling)
        .excess()
        .into_iter()
        .map(|e| format!("{}: {}", e.at.line, e.what))
        .collect()
}

#[test]
fn repositories_are_granted_by_scheme_user_host_port_and_path() {
    for (pattern, url) in [
        ("*", "https://github.com/acme/x"),
        ("*", "ssh://git@host:2222/x"),
        ("*", "https://10.0.0.1:8443/x"),
        ("https://github.com/acme/*", "https://github.com/acme/deep/er.git"),
        ("https://github.com/acme/x", "https://github.com/acme/x.git"),
        ("https://github.com/acme/x.git", "https://github.com/acme/x"),
        ("https://GitHub.com:443/acme/x", "https://github.com/acme/x"),
        ("https://*.acme.example/*", "https://a.git.acme.example/x"),
        ("https://*/acme/*", "https://anything.example/acme/x"),
        ("https://git.example:8443/*", "https://git.example:8443/x"),
        ("https://[::1]/*", "https://[::1]/x"),
        ("https://host/a%20b/*", "https://host/a%20b/x"),
        ("ssh://git.acme.example/*", "ssh://git@git.acme.example/x"),
        ("ssh://git.acme.example/*", "ssh://git.acme.example/x"),
        ("ssh://git@git.acme.example/*", "ssh://git@git.acme.example/x"),
        ("http://127.0.0.1:3000/*", "http://127.0.0.1:3000/x"),
        ("file:///srv/git/*", "file:///srv/git/x"),
    ] {
        let permit = repositories(&format!("'{pattern}'"));
        assert!(permit.repository(url).is_ok(), "{pattern} {url}");
    }
    for (pattern, url) in [
        ("*", "http://github.com/acme/x"),
        ("*", "file:///srv/git/x"),
        ("https://github.com/acme/*", "https://github.com/acme"),
        ("https://github.com/acme/*", "https://github.com/Acme/x"),
        ("https://github.com/acme/*", "https://github.com/acme2/x"),
        ("https://github.com/acme/*", "https://github.com.evil.example/acme/x"),
        ("https://github.com/acme/*", "https://evil.example/github.com/acme/x"),
        ("https://github.com/acme/*", "https://github.com:8443/acme/x"),
        ("https://github.com/acme/*", "ssh://github.com/acme/x"),
        ("https://*.acme.example/*", "https://acme.example/x"),
        ("https://*.acme.example/*", "https://evil.example/.acme.example/x"),
        ("https://*/acme/*", "https://10.0.0.1/acme/x"),
        ("ssh://git@git.acme.example/*", "ssh://root@git.acme.example/x"),
        ("ssh://git@git.acme.example/*", "ssh://git.acme.example/x"),
        ("ssh://host/*", "ssh://host:2222/x"),
        ("https://host:8000/*", "http://host:8000/x"),
        ("https://host:8000/*", "ssh://host:8000/x"),
    ] {
        let permit = repositories(&format!("'{pattern}'"));
        assert!(permit.repository(url).is_err(), "{pattern} {url}");
    }
}

#[test]
fn what_is_not_the_canonical_url_of_a_repository_is_granted_by_nothing() {
    let permit = repositories(
        "'*', 'https://github.com/*', 'https://*/*', 'http://*/*', 'file:///*', 'ssh://*/*'",
    );
    for url in [
        "https://github.com/acme@evil.example/../x",
        "https://github.com/acme/../other",
        "https://github.com/acme/./x",
        "https://github.com//acme",
        "https://github.com/acme/",
        "https://github.com/",
        "https://github.com",
        "https://GitHub.com/acme",
        "HTTPS://github.com/acme",
        "https://github.com:443/acme",
        "https://github.com:0443/acme",
        "https://github.com:/acme",
        "https://github.com./acme",
        "https://me@github.com/acme",
        "https://me:secret@github.com/acme",
        "https://github.com\\@evil.example/acme",
        "https://github.com%2fevil/acme",
        "https://github.com/acme%2f..%2fother",
        "https://github.com/acme/%2e%2e/other",
        "https://github.com/%61cme",
        "https://github.com/acme%0a",
        "https://github.com/acme?x",
        "https://github.com/acme#x",
        "https://github.com/a b",
        "https://github.com/acmé",
        "https://github.com/acme\n",
        "https://0x7f.1/acme",
        "https:///acme",
        "http:acme",
        "ssh://git@git@host/x",
        "ssh://-oProxyCommand=id/x",
        "ssh://-u@host/x",
        "ssh://git:pw@host/x",
        "git@github.com:acme/x",
        "git://github.com/acme",
        "ext::sh -c id",
        "file://host/srv",
        "--upload-pack=x",
        "/srv/git",
        "",
        "*",
    ] {
        assert!(permit.repository(url).is_err(), "{url}");
        assert!(permit.git_credentials(url).is_none(), "{url}");
    }
    // A character that is a pattern's is one of a path as well, and opens nothing.
    assert!(repositories("'https://a.example/x/*'").repository("https://a.example/*/y").is_err());
}

#[test]
fn patterns_that_match_nothing_or_are_read_otherwise_are_mistakes() {
    for text in [
        "",
        "github.com/acme/*",
        "git@github.com:acme/*",
        "https://github.com",
        "https://github.com/",
        "https*://github.com/*",
        "*://github.com/*",
        "https://git*.example/*",
        "https://*.com/*",
        "https://github.com/../*",
        "https://github.com//x",
        "https://me@github.com/*",
        "ssh://*@host/*",
        "ssh://a:b@host/*",
        "https://github.com:0/*",
        "https://github.com:x/*",
        "git://a.example/*",
        "HTTPS://a.example/*",
        "file://host/*",
        "https://a.example/x?y",
        "https://a.example/a b/*",
        "https://a.example/%61/*",
        "https://a.example/%2f/*",
        "**",
    ] {
        assert!(RepositoryPattern::parse(text).is_err(), "{text}");
    }
    for text in [
        "*",
        "https://*.a.example:8443/x*/*",
        "ssh://git@a.example/*",
        "file:///srv/*",
        "http://[::1]/x",
    ] {
        assert_eq!(RepositoryPattern::parse(text).expect(text).to_string(), text);
    }
}

#[test]
fn plain_schemes_are_allowed_by_those_who_name_them() {
    let permit = repositories("'*', 'http://a.example/*'");
    assert!(
        permit.allows_scheme("https")
            && permit.allows_scheme("ssh")
            && permit.allows_scheme("http")
    );
    assert!(!permit.allows_scheme("file") && !permit.allows_scheme("ext"));
    let text = SECTION.replace("'*'", "'*', 'file:///srv/*'");
    let bounded = under(&text, SECTION).terraform().expect("granted");
    assert!(!bounded.allows_scheme("file"), "the ceiling names it not");
}

#[test]
fn versions_and_tools_are_granted_together() {
    let permit =
        permit(&format!("{SECTION}tools = ['tofu']\nversions = ['=1.5.5', '>=1.8, <2']\n"));
    for (tool, version, expected) in [
        ("tofu", "1.9.3", true),
        ("tofu", "1.5.5", true),
        ("terraform", "1.9.3", false),
        ("tofu", "1.6.0", false),
        ("tofu", "1.9.0-rc1", false),
        ("tofu", "v1.9.3", false),
        ("tofu", "1.9", false),
        ("tofu", "", false),
        ("Tofu", "1.9.3", false),
        ("sh", "1.9.3", false),
    ] {
        assert_eq!(permit.version(tool, version).is_ok(), expected, "{tool} {version}");
    }
    let any = self::permit(SECTION);
    assert!(
        any.version("terraform", "0.11.0").is_ok() && any.version("tofu", "1.10.0-beta1").is_ok()
    );
    assert!(any.version("sh", "1.0.0").is_err() && any.version("terraform", "latest").is_err());
}

#[test]
fn what_is_left_out_is_everything_or_nothing_as_documented() {
    let permit = permit(SECTION);
    assert_eq!(permit.providers(), ["*/*/*"]);
    assert!(permit.provider("registry.opentofu.org/hashicorp/aws").is_ok());
    assert!(permit.module("./modules/x").is_ok() && permit.module("../x").is_ok());
    assert!(permit.module("registry.terraform.io/a/b/c").is_err());
    assert!(permit.environment("ARM_CLIENT_ID").is_ok());
    for name in ["TF_LOG", "PATH", "", "A=B", "A\0B", "BASH_FUNC_x%%", "ä"] {
        assert!(permit.environment(name).is_err(), "{name:?}");
    }
    assert!(permit.script().is_err() && !permit.reveals_code() && !permit.releases_locks());
    assert_eq!(permit.required(), []);
    assert_eq!(*permit.limits(), TerraformLimits::default());
    assert!(permit.verb(TerraformVerb::Plan).is_ok() && permit.verb(TerraformVerb::Apply).is_err());
}

#[test]
fn without_the_section_there_is_no_terraform() {
    let text = "[[secrets.use]]\nreason = 'r'\nkeys = ['*']\nin = ['terraform']\n";
    let grants = Grants::new(policy("team-a.toml", text), None, &Limits::default());
    assert_eq!(grants.terraform().unwrap_err().rule, "policy `team-a` grants no Terraform");
    assert!(grants.secret_in_terraform("x").is_err());
    assert!(Grants::none().terraform().is_err());
    let both = Grants::new(policy("p.toml", &format!("{SECTION}{text}")), None, &Limits::default());
    assert!(both.secret_in_terraform("x").is_ok());
    assert!(both.secret_in_output("x").is_err());
}

const FULL: &str = "[terraform]\nreason = 'r'\nverbs = ['plan', 'apply', 'destroy']\ntools = ['tofu', 'terraform']\n\
    versions = ['>=1.5, <2']\nrepositories = ['https://github.com/acme/*', 'http://a.example/*']\n\
    providers = ['registry.terraform.io/hashicorp/*']\nmodules = ['git::https://github.com/acme/*']\n\
    environment = ['ARM_*', 'TF_LOG']\nscripts = { network = true }\nreveal_code = true\nrelease_locks = true\n\
    [[terraform.git]]\nreason = 'r'\nhosts = ['github.com']\ntoken_file = 'token'\n\
    [[secrets.use]]\nreason = 'r'\nkeys = ['*']\nin = ['terraform']\n";

fn answers(grants: &Grants) -> Vec<bool> {
    let Ok(permit) = grants.terraform() else { return vec![false; 13] };
    vec![
        permit.verb(TerraformVerb::Apply).is_ok(),
        permit.version("tofu", "1.9.0").is_ok(),
        permit.repository("https://github.com/acme/x").is_ok(),
        permit.git_credentials("https://github.com/acme/x").is_some(),
        permit.allows_scheme("http"),
        permit.provider("registry.terraform.io/hashicorp/aws").is_ok(),
        permit.module("git::https://github.com/acme/x").is_ok(),
        permit.environment("ARM_X").is_ok(),
        permit.script().is_ok(),
        permit.script().is_ok_and(|scripts| scripts.network),
        permit.releases_locks(),
        permit.reveals_code(),
        grants.secret_in_terraform("x").is_ok(),
    ]
}

#[test]
fn every_question_is_asked_of_the_ceiling_too() {
    assert_eq!(answers(&under(FULL, FULL)), [true; 13]);
    assert_eq!(excess(FULL, FULL), [] as [&str; 0]);
    assert_eq!(answers(&under(FULL, "")), [false; 13]);
    assert_eq!(
        excess(FULL, ""),
        [
            "2: the ceiling `org` grants no Terraform",
            "18: the ceiling `org` does not grant the secret `*` in Terraform"
        ]
    );
    let tight = "[terraform]\nreason = 'r'\nverbs = ['plan']\ntools = ['terraform']\nversions = ['=1.0.0']\n\
        repositories = ['https://github.com/other/*']\nproviders = ['registry.terraform.io/other/*']\n\
        environment = ['AWS_*']\n";
    assert_eq!(answers(&under(FULL, tight)), [false; 13]);
    assert_eq!(answers(&under(tight, FULL)), [false; 13]);
    let said = |what: &str| format!("2: the ceiling `org` {what}");
    assert_eq!(
        excess(FULL, tight),
        [
            said("does not grant `plan`").replace("plan", "apply"),
            said("does not grant `destroy`"),
            said("does not grant `tofu`"),
            said("does not grant the versions `>=1.5, <2`"),
            said("does not grant the repositories `https://github.com/acme/*`"),
            said("does not grant the repositories `http://a.example/*`"),
            said("does not grant the providers `registry.terraform.io/hashicorp/*`"),
            said("does not grant the modules `git::https://github.com/acme/*`"),
            said("does not grant the environment variables `ARM_*`"),
            said("does not grant the environment variables `TF_LOG`"),
            said("grants no scripts"),
            said("does not let sensitive code be seen"),
            said("does not let locks be released"),
            "18: the ceiling `org` does not grant the secret `*` in Terraform".to_owned(),
        ]
    );
}

#[test]
fn a_ceiling_without_a_list_takes_nothing_away() {
    let wide = "[terraform]\nreason = 'r'\nverbs = ['plan', 'apply', 'destroy']\nrepositories = ['*', 'http://a.example/*']\n\
        modules = ['*']\nscripts = { network = false }\nreveal_code = true\nrelease_locks = true\n";
    assert_eq!(
        excess(&FULL.replace(", 'TF_LOG'", ""), wide),
        [
            "2: the ceiling `org` grants scripts no network",
            "18: the ceiling `org` does not grant the secret `*` in Terraform"
        ]
    );
    let permit = under(FULL, wide).terraform().expect("granted");
    assert!(!permit.script().expect("granted").network);
    assert!(permit.environment("TF_LOG").is_err(), "reserved names need the ceiling's word");
    assert_eq!(permit.providers(), ["registry.terraform.io/hashicorp/*"]);
    assert_eq!(under(SECTION, FULL).excess().len(), 1, "only its repositories were asked for");
}

#[test]
fn limits_are_the_smaller_and_requirements_the_union() {
    let own = format!(
        "{SECTION}require = ['landlock', 'users']\n[terraform.limits]\nreason = 'r'\nmemory_mib = 4096\nplan_time = '1h'\n"
    );
    let ceiling = format!(
        "{SECTION}require = ['no-network', 'landlock']\n[terraform.limits]\nreason = 'r'\nmemory_mib = 512\nplan_time = '2h'\ndisk_mib = 100\n"
    );
    let permit = under(&own, &ceiling).terraform().expect("granted");
    let hour = Duration::from_secs(3600);
    assert_eq!((permit.limits().memory_bytes, permit.limits().disk_bytes), (512 << 20, 100 << 20));
    assert_eq!(permit.limits().plan_time, hour);
    assert_eq!(
        permit.required(),
        [Requirement::Landlock, Requirement::NoNetwork, Requirement::Users]
    );
    let rule = |key| permit.limit_rule(key).map(ToString::to_string);
    assert_eq!(rule("memory_mib").as_deref(), Some("conf/org.toml:9"));
    assert_eq!(rule("plan_time").as_deref(), Some("team-a.toml:10"));
    assert_eq!(rule("output_mib"), None);
    assert_eq!(
        excess(&own, &ceiling),
        ["9: `memory_mib` is 4096 MiB; the ceiling `org` grants 512 MiB"]
    );
    let defaults = TerraformLimits {
        init_time: hour,
        plan_time: hour * 9,
        disk_bytes: 1 << 40,
        ..TerraformLimits::default()
    };
    let limits = *permit.with_defaults(&defaults).limits();
    assert_eq!((limits.init_time, limits.plan_time, limits.disk_bytes), (hour, hour, 100 << 20));
}

#[test]
fn providers_of_policy_and_ceiling_are_what_they_have_in_common() {
    let with = |list: &str| format!("{SECTION}providers = [{list}]\n");
    let both = |own: &str, most: &str| {
        let permit = under(&with(own), &with(most)).terraform().expect("granted");
        permit.providers()
    };
    assert_eq!(
        both("'*/*/*'", "'a.example/x/*', 'b.example/*/*'"),
        ["a.example/x/*", "b.example/*/*"]
    );
    assert_eq!(both("'a.example/*/*'", "'a.example/x/y', 'b.example/*/*'"), ["a.example/x/y"]);
    // An empty list would be everything to whoever writes the CLI configuration.
    assert_eq!(both("'a.example/*/*'", "'b.example/*/*'"), ["nothing.invalid/nothing/nothing"]);
}

#[test]
fn credentials_go_to_their_servers_by_https_only() {
    let text = format!(
        "{}[[terraform.git]]\nreason = 'r'\nhosts = ['git.acme.example', 'git.acme.example:8443']\nuser = 'bot'\ntoken_file = 'one'\n\
         [[terraform.git]]\nreason = 'r'\nhosts = ['*.acme.example']\ntoken_file = 'two'\nca_file = 'ca.pem'\n",
        SECTION.replace("'*'", "'*', 'http://git.acme.example:443/*'")
    );
    let permit = permit(&text);
    let token = |url: &str| permit.git_credentials(url).and_then(|found| found.token_file);
    assert_eq!(token("https://git.acme.example/x").as_deref(), Some("one"));
    assert_eq!(token("https://git.acme.example:8443/x").as_deref(), Some("one"));
    assert_eq!(token("https://other.acme.example/x").as_deref(), Some("two"));
    for url in [
        "http://git.acme.example:443/x",
        "ssh://git@git.acme.example/x",
        "ssh://git@git.acme.example:443/x",
        "https://git.acme.example:444/x",
        "https://git.acme.example.evil.example/x",
        "https://evil.example/x",
    ] {
        assert!(permit.git_credentials(url).is_none(), "{url}");
    }
}

#[test]
fn credentials_for_every_host_are_a_mistake() {
    let text = |more: &str| {
        format!(
            "description = 'd'\n{SECTION}[[terraform.git]]\nreason = 'r'\nhosts = ['*']\n{more}"
        )
    };
    for more in
        ["token_file = 't'", "client_certificate = { certificate_file = 'c', key_file = 'k' }"]
    {
        let mistakes = Policy::parse("p.toml", &text(more)).unwrap_err();
        assert!(mistakes.to_string().contains("whatever host a definition names"), "{mistakes}");
    }
    assert!(Policy::parse("p.toml", &text("ca_file = 'ca.pem'")).is_ok());
    assert!(Policy::parse("p.toml", &text("")).is_err());
}

#[test]
fn denials_name_the_policy_and_its_section_and_no_secret() {
    let permit = under(SECTION, FULL).terraform().expect("granted");
    let denied = permit.verb(TerraformVerb::Apply).unwrap_err();
    assert_eq!(denied.rule, "policy `team-a` does not grant `apply`");
    assert_eq!(denied.at.map(|at| at.to_string()).as_deref(), Some("team-a.toml:2"));
    let denied = permit.repository("https://github.com/evil/x").unwrap_err();
    assert_eq!(
        denied.rule,
        "the ceiling `org` does not grant the repository `https://github.com/evil/x`"
    );
    assert_eq!(denied.at.map(|at| at.to_string()).as_deref(), Some("conf/org.toml:2"));
    for denied in [
        permit.repository("https://me:hunter2@github.com/acme/x").unwrap_err(),
        permit.module("git::https://me:hunter2@evil.example/x?sshkey=hunter2").unwrap_err(),
    ] {
        assert!(!denied.rule.contains("hunter2"), "{}", denied.rule);
    }
    assert_eq!(
        permit.environment("LD_PRELOAD").unwrap_err().rule,
        "policy `team-a` does not grant the environment variable `LD_PRELOAD`, which loads code into every process"
    );
}
