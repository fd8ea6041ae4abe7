use super::*;
use crate::files::FilesAccess;
use crate::host_pattern::HostPattern;
use core::net::IpAddr;

mod given_away;

const REASON: &str = "reason = \"test\"\n";

fn policy(name: &str, text: &str) -> Arc<Policy> {
    let text = format!("description = \"test\"\n{text}").replace("REASON", REASON);
    Arc::new(Policy::parse(name, &text).unwrap_or_else(|mistakes| panic!("{mistakes}")))
}

fn grants(text: &str) -> Grants {
    Grants::new(policy("team-a.toml", text), None, &Limits::default())
}

fn under(text: &str, ceiling: &str) -> Grants {
    let ceiling = policy("conf/org.toml", ceiling);
    Grants::new(policy("team-a.toml", text), Some(ceiling), &Limits::default())
}

fn target(url: &str) -> Target {
    let (scheme, authority) = url.split_once("://").expect("a scheme");
    Target::parse(scheme, authority).expect("a target")
}

fn http(hosts: &str) -> String {
    format!("[[http]]\nREASON\nhosts = [{hosts}]\n")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn a_wall_time_of_the_operators_own_is_bounded_by_the_ceiling_alone() {
    let limits = |time: &str| format!("[limits]\nREASON\nwall_time = '{time}'\n");
    let (free, bounded) = (grants(&limits("5h")), under(&limits("5h"), &limits("2h")));
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    assert_eq!(free.with_wall_time(hours(9)).limits().wall_time, hours(9));
    assert_eq!(bounded.clone().with_wall_time(hours(9)).limits().wall_time, hours(2));
    assert_eq!(bounded.with_wall_time(hours(1)).limits().wall_time, hours(1));
}

#[test]
fn nothing_is_granted_by_default() {
    for grants in [Grants::none(), grants(""), under("", &http("\"*\""))] {
        assert!(grants.allows_http().is_err());
        assert!(grants.http(&target("https://example.com")).is_err());
        assert!(grants.reveal("token").is_err());
        assert!(grants.secret_in_output("token").is_err());
        assert!(grants.secret_in_http("token", &target("https://example.com")).is_err());
        assert!(grants.allows_jwt().is_err());
        assert!(grants.secret_in_jwt("token").is_err());
        assert!(grants.token_in_http("token", &target("https://example.com")).is_err());
        let place = target("https://example.com");
        assert!(grants.received_in_http(&place, &place).is_err());
        assert!(grants.allows_run_document().is_err());
        assert!(grants.run_document(&target("https://example.com")).is_err());
        assert!(grants.terraform().is_err());
        assert!(!grants.reach_outside());
        assert!(grants.secret_in_terraform("token").is_err());
        assert!(grants.allows_files().is_err());
        assert_eq!(grants.files(), None);
        assert_eq!(grants.configuration().count(), 0);
        assert_eq!(*grants.limits(), Limits::default());
        assert_eq!(grants.excess(), []);
    }
}

#[test]
fn whoever_may_send_requests_or_run_terraform_reaches_outside() {
    let (requests, terraform) = (
        http("\"a.example\""),
        "[terraform]\nREASON\nverbs = [\"plan\"]\nrepositories = [\"*\"]\n",
    );
    assert!(grants(&requests).reach_outside() && grants(terraform).reach_outside());
    assert!(under(&requests, &requests).reach_outside());
    assert!(!under(&requests, terraform).reach_outside(), "neither of them is left");
    let files = "[files]\nREASON\nwork = \"read-write\"\nquota_mib = 1\nquota_files = 1";
    assert!(grants(files).allows_files().is_ok() && !grants(files).reach_outside());
}

#[test]
fn secrets_are_revealed_by_whole_key() {
    let grants = grants("[[secrets.reveal]]\nREASON\nkeys = [\"token\"]");
    assert_eq!(grants.reveal("token").expect("granted").rule().to_string(), "team-a.toml:2");
    for other in ["Token", "token2", "toke", "", "*"] {
        assert!(grants.reveal(other).is_err(), "{other}");
    }
}

#[test]
fn denials_speak_in_the_words_of_the_policy() {
    let said = |grants: &Grants, url: &str| grants.http(&target(url)).unwrap_err();
    let none = Grants::none();
    assert_eq!(said(&none, "https://a.example").rule, "policy `deny-all` grants no outbound HTTP");
    let own = grants(&http("\"api.github.com\""));
    let denied = said(&own, "http://api.github.com:8080");
    assert_eq!(denied.rule, "policy `team-a` does not grant http://api.github.com:8080");
    assert_eq!((&*denied.policy, denied.at), ("team-a", None));
    let bounded = under(&http("\"a.example\""), &http("\"b.example\""));
    let denied = said(&bounded, "https://a.example");
    assert_eq!(denied.rule, "the ceiling `org` does not grant https://a.example");
    assert_eq!(&*denied.policy, "org");
    assert_eq!(
        under(&http("\"a.example\""), "").allows_http().unwrap_err().rule,
        "the ceiling `org` grants no outbound HTTP"
    );
    let permit = own.http(&target("https://api.github.com")).expect("granted");
    let denied = permit.address(ip("10.1.2.3")).unwrap_err();
    assert_eq!(
        denied.rule,
        "policy `team-a` does not grant api.github.com at 10.1.2.3 (not public: private, 10.0.0.0/8)"
    );
    assert_eq!(denied.at.map(|at| at.to_string()).as_deref(), Some("team-a.toml:2"));
    assert_eq!(
        own.reveal("a\nb").unwrap_err().rule,
        "policy `team-a` does not reveal the secret `a\\u{a}b`"
    );
}

#[test]
fn a_ceiling_lowers_limits_and_never_raises_them() {
    let limits = "[limits]\nREASON\n";
    let grants = under(
        &format!("{limits}fuel = 500\nsteps = 7\nwall_time = \"2h\""),
        &format!(
            "{limits}fuel = 100\nsteps = 9\nwall_time = \"1h\"\nmemory_mib = 512\nlog_kib = 1\ntenant_runs = 3"
        ),
    );
    let defaults = Limits::default();
    assert_eq!(
        *grants.limits(),
        Limits {
            fuel: 100_000_000,
            steps: 7,
            wall_time: Duration::from_secs(3600),
            log_kept_bytes: 1024,
            tenant_runs: Some(3),
            ..defaults
        }
    );
    let excess: Vec<_> =
        grants.excess().into_iter().map(|e| format!("{}: {}", e.at, e.what)).collect();
    assert_eq!(
        excess,
        [
            "team-a.toml:5: `fuel` is 500 million instructions; the ceiling `org` grants 100 million instructions",
            "team-a.toml:7: `wall_time` is 2h; the ceiling `org` grants 1h",
        ]
    );
}

#[test]
fn limits_that_nobody_says_are_the_defaults_given() {
    let defaults = Limits { steps: 3, fuel: 17, ..Limits::default() };
    let text = "[limits]\nREASON\nsteps = 5";
    let grants = Grants::new(policy("a.toml", text), None, &defaults);
    assert_eq!(*grants.limits(), Limits { steps: 5, ..defaults });
}

#[test]
fn every_question_is_asked_of_the_ceiling_too() {
    let all = format!(
        "{}headers = [{{ name = \"Authorization\", secret = \"token\" }}]\n\
         [files]\nREASON\nwork = \"read-write\"\nquota_mib = 10\nquota_files = 10\n\
         [[secrets.reveal]]\nREASON\nkeys = [\"token\"]\n\
         [[secrets.use]]\nREASON\nkeys = [\"*\"]\nin = [\"outputs\", \"http\", \"jwt\"]\nhosts = [\"a.example\"]\n\
         [[run_document]]\nREASON\nhosts = [\"a.example\"]\n\
         [configuration]\nREASON\nvalues = {{ region = \"eu\" }}",
        http("\"a.example\"")
    );
    let to = target("https://a.example");
    let answers = |grants: &Grants| {
        [
            grants.http(&to).is_ok(),
            grants.allows_files().is_ok(),
            grants.reveal("token").is_ok(),
            grants.secret_in_output("x").is_ok(),
            grants.secret_in_http("x", &to).is_ok(),
            grants.configuration().next().is_some(),
            grants.allows_jwt().is_ok(),
            grants.secret_in_jwt("x").is_ok(),
            grants.token_in_http("x", &to).is_ok(),
            grants.received_in_http(&to, &to).is_ok(),
            grants.allows_run_document().is_ok(),
            grants.run_document(&to).is_ok(),
        ]
    };
    assert_eq!(answers(&grants(&all)), [true; 12]);
    let same = under(&all, &all);
    assert_eq!(answers(&same), [true; 12]);
    assert_eq!(same.excess(), []);
    let none = under(&all, "");
    assert_eq!(answers(&none), [false; 12]);
    assert_eq!(none.excess().len(), 8, "{:#?}", none.excess());
}

#[test]
fn a_header_needs_its_secret_from_the_ceiling() {
    let header = |name: &str| format!("headers = [{{ name = \"{name}\", secret = \"token\" }}]\n");
    let uses = |text: &str| format!("[[secrets.use]]\nREASON\nkeys = [\"to*\"]\n{text}\n");
    let place = http("\"a.example\"");
    let own = format!("{place}{}", header("Authorization"));
    for (ceiling, expected) in [
        (place.clone(), false),
        (format!("{place}{}", header("X-Other")), true),
        (format!("{place}{}", uses("in = [\"http\"]\nhosts = [\"a.example\"]")), true),
        (format!("{place}{}", uses("in = [\"http\"]\nhosts = [\"b.example\"]")), false),
        (format!("{place}{}", uses("in = [\"outputs\"]")), false),
        (format!("{place}{}{}", http("\"b.example\""), header("A")), false),
    ] {
        let grants = under(&own, &ceiling);
        let answer = grants.http(&target("https://a.example"));
        assert_eq!(answer.is_ok(), expected, "{ceiling}");
        assert_eq!(grants.excess().is_empty(), expected, "{:#?}", grants.excess());
        if let Err(denied) = answer {
            let expected = "the ceiling `org` does not grant the secret `token` in requests to https://a.example";
            assert_eq!(denied.rule, expected);
        }
    }
}

#[test]
fn files_are_the_smaller_of_policy_and_ceiling() {
    let write = |mib: u64, files: u64| {
        format!("[files]\nREASON\nwork = \"read-write\"\nquota_mib = {mib}\nquota_files = {files}")
    };
    let read = "[files]\nREASON\nwork = \"read-only\"";
    let permit = under(&write(10, 5), &write(4, 50)).allows_files().expect("granted");
    assert_eq!(permit.access(), FilesAccess::ReadWrite);
    assert_eq!((permit.quota_bytes(), permit.quota_files()), (4 << 20, 5));
    for grants in [under(read, &write(1, 1)), under(&write(1, 1), read)] {
        let grant = grants.files().expect("granted");
        assert_eq!(grant.access, FilesAccess::ReadOnly);
        assert_eq!((grant.quota_bytes, grant.quota_files), (0, 0));
    }
    let excess = under(&write(10, 5), &write(4, 50)).excess();
    assert_eq!(excess[0].what, "`quota_mib` is 10; the ceiling `org` grants 4");
    assert_eq!(
        under(&write(1, 1), read).excess()[0].what,
        "the ceiling `org` grants files read-only only"
    );
}

#[test]
fn the_first_rule_that_grants_the_target_counts() {
    let text = format!(
        "{}headers = [{{ name = \"A\", secret = \"one\" }}]\n{}private = [\"10.0.0.0/8\"]\n",
        http("\"a.example\""),
        http("\"*.example\", \"*.test\"").replace("\"*.example\", ", "")
    );
    let text = text.replace("\"*.test\"", "\"a.example\", \"b.example\"");
    let grants = grants(&text);
    let a = grants.http(&target("https://a.example")).expect("granted");
    assert_eq!(a.headers()[0].secret, "one");
    assert!(a.address(ip("10.0.0.1")).is_err(), "the second rule does not help the first");
    let b = grants.http(&target("https://b.example")).expect("granted");
    assert!(b.headers().is_empty());
    assert!(b.address(ip("10.0.0.1")).is_ok());
    assert_ne!(a.rule_id(), b.rule_id());
    assert_eq!(b.rule_id(), grants.policy().http()[1].id());
}

#[test]
fn any_rule_of_a_ceiling_may_grant_an_address() {
    let ceiling =
        format!("{}{}private = [\"10.0.0.0/8\"]\n", http("\"*\""), http("\"*.internal\""));
    let private = format!("{}private = [\"10.0.0.0/8\"]\n", http("\"*.internal\", \"a.example\""));
    let grants = under(&private, &ceiling);
    let inside = grants.http(&target("https://git.internal")).expect("granted");
    assert!(inside.address(ip("10.0.0.1")).is_ok());
    let outside = grants.http(&target("https://a.example")).expect("granted");
    assert!(outside.address(ip("10.0.0.1")).is_err());
    assert!(outside.address(ip("8.8.8.8")).is_ok());
    let excess = grants.excess();
    assert_eq!(excess.len(), 1, "{excess:#?}");
    assert_eq!(excess[0].what, "the ceiling `org` does not grant `a.example` in 10.0.0.0/8");
}

#[test]
fn a_secret_goes_only_where_requests_may_go() {
    let text = format!(
        "{}[[secrets.use]]\nREASON\nkeys = [\"db_*\"]\nin = [\"http\"]\nhosts = [\"*\"]\n",
        http("\"a.example\"")
    );
    let grants = grants(&text);
    assert!(grants.secret_in_http("db_password", &target("https://a.example")).is_ok());
    for (key, url) in [
        ("db_password", "http://a.example"),
        ("db_password", "https://a.example:8443"),
        ("db_password", "https://b.example"),
        ("token", "https://a.example"),
    ] {
        assert!(grants.secret_in_http(key, &target(url)).is_err(), "{key} {url}");
    }
    assert!(grants.secret_in_output("db_password").is_err());
}

#[test]
fn excess_names_hosts_ports_and_schemes() {
    let text = format!(
        "{}ports = [443, \"8000-8100\"]\nschemes = [\"https\", \"http\"]",
        http("\"a.example\", \"x.test\"")
    );
    let ceiling = format!("{}ports = [443, \"8000-8050\", \"8051-9000\"]", http("\"*.example\""));
    let ceiling = ceiling.replace("*.example", "a.example");
    let said: Vec<_> = under(&text, &ceiling).excess().into_iter().map(|e| e.what).collect();
    assert_eq!(
        said,
        [
            "the ceiling `org` does not grant `a.example` by http on port 443",
            "the ceiling `org` does not grant `a.example` by http on port 8000-8100",
            "the ceiling `org` does not grant `x.test`",
        ]
    );
}

/// A random policy over a small world, so that rules meet.
fn random_policy(random: &mut fastrand::Rng) -> String {
    let mut pick = |choices: &[&str]| {
        let mut list: Vec<_> = choices.iter().filter(|_| random.bool()).copied().collect();
        if list.is_empty() {
            list.push(choices[random.usize(..choices.len())]);
        }
        list.join(", ")
    };
    let mut text = String::new();
    for _ in 0..2 {
        // A name is always among them, so that `private` is about something.
        text += &http(&format!("\"c.test\", {}", pick(HOSTS)));
        text += &format!("schemes = [{}]\n", pick(&["\"http\"", "\"https\""]));
        text += &format!("ports = [{}]\n", pick(&["80", "443", "\"8000-9000\""]));
        text += &format!("private = [{}]\n", pick(&["\"10.0.0.0/8\"", "\"169.254.169.254/32\""]));
    }
    text += &format!("[[secrets.reveal]]\nREASON\nkeys = [{}]\n", pick(&["\"a\"", "\"b\""]));
    text += "[[secrets.use]]\nREASON\nin = [\"outputs\", \"http\"]\n";
    text += &format!("keys = [{}]\nhosts = [{}]\n", pick(&["\"a\"", "\"b*\""]), pick(HOSTS));
    text += "[[secrets.use]]\nREASON\nin = [\"jwt\"]\n";
    text += &format!("keys = [{}]\nhosts = [{}]\n", pick(&["\"a\"", "\"b*\""]), pick(HOSTS));
    text += &format!("[[run_document]]\nREASON\nhosts = [{}]\n", pick(HOSTS));
    text += "[limits]\nREASON\n";
    for key in ["fuel", "steps", "memory_mib", "tenant_runs", "handles"] {
        if random.bool() {
            text += &format!("{key} = {}\n", random.u32(16..200));
        }
    }
    text += "wall_time = \"1m\"\n";
    text
}

const HOSTS: &[&str] =
    &["\"*\"", "\"a.test\"", "\"*.test\"", "\"*.a.test\"", "\"10.0.0.0/8\"", "\"10.0.0.1\""];

#[test]
fn policy_under_a_ceiling_grants_what_both_grant_and_nothing_else() {
    let mut random = fastrand::Rng::with_seed(1);
    let targets: Vec<_> =
        ["a.test", "b.a.test", "c.test", "test", "10.0.0.1", "10.2.0.1", "[::ffff:10.0.0.1]"]
            .into_iter()
            .flat_map(|host| ["http", "https"].map(|scheme| (scheme, host)))
            .flat_map(|(scheme, host)| {
                ["", ":443", ":8080", ":81"].map(|p| format!("{scheme}://{host}{p}"))
            })
            .map(|url| target(&url))
            .collect();
    let addresses = ["8.8.8.8", "10.0.0.1", "127.0.0.1", "169.254.169.254"].map(ip);
    for _ in 0..200 {
        let (own, ceiling) = (random_policy(&mut random), random_policy(&mut random));
        let both = under(&own, &ceiling);
        let (own, ceiling) = (grants(&own), grants(&ceiling));
        for target in &targets {
            let permit = both.http(target);
            let expected = own.http(target).is_ok() && ceiling.http(target).is_ok();
            assert_eq!(permit.is_ok(), expected, "{target}");
            if let Ok(permit) = permit {
                for address in addresses {
                    if permit.address(address).is_ok() {
                        let own = own.http(target).expect("granted").address(address);
                        assert!(own.is_ok(), "{target} {address}");
                        let mut rules = ceiling.policy().http().iter();
                        let granted = rules
                            .any(|r| r.grants(target) && r.vet(target.host(), address).is_ok());
                        assert!(granted, "{target} {address}");
                    }
                }
            }
            for key in ["a", "b", "bc"] {
                let ask = |grants: &Grants| {
                    [
                        grants.reveal(key).is_ok(),
                        grants.secret_in_output(key).is_ok(),
                        grants.secret_in_http(key, target).is_ok(),
                        grants.secret_in_jwt(key).is_ok(),
                        grants.token_in_http(key, target).is_ok(),
                        grants.run_document(target).is_ok(),
                    ]
                };
                let (both, own, ceiling) = (ask(&both), ask(&own), ask(&ceiling));
                for question in 0..both.len() {
                    assert_eq!(
                        both[question],
                        own[question] && ceiling[question],
                        "{target} {key}"
                    );
                }
            }
        }
        for limit in Limits::TABLE {
            let least = |limits: &Limits| limit.base(limits).unwrap_or(u64::MAX);
            let said = ceiling.policy().limits().is_some_and(|given| {
                given.limits().iter().any(|given| given.limit().key == limit.key)
            });
            let most = if said { least(ceiling.limits()) } else { u64::MAX };
            assert_eq!(least(both.limits()), least(own.limits()).min(most), "{}", limit.key);
        }
        // What is not reported as excess is granted.
        if both.excess().is_empty() {
            for target in &targets {
                assert_eq!(both.http(target).is_ok(), own.http(target).is_ok(), "{target}");
                let given = [&both, &own].map(|grants| grants.run_document(target).is_ok());
                assert_eq!(given[0], given[1], "{target}");
                let sent = [&both, &own].map(|grants| grants.token_in_http("a", target).is_ok());
                assert_eq!(sent[0], sent[1], "{target}");
            }
        }
    }
}

#[test]
fn covering_hosts_match_all_that_the_covered_match() {
    let patterns = HOSTS.iter().map(|t| HostPattern::parse(t.trim_matches('"')).expect("right"));
    let patterns: Vec<_> = patterns.collect();
    let hosts = ["a.test", "b.a.test", "c.b.a.test", "test", "10.0.0.1", "10.2.0.1", "other"];
    for wide in &patterns {
        assert!(wide.covers(wide));
        for narrow in &patterns {
            for host in hosts.map(|host| target(&format!("https://{host}")).host().clone()) {
                let is_wider = !narrow.matches(&host) || wide.matches(&host);
                assert!(is_wider || !wide.covers(narrow), "{wide} {narrow} {host}");
            }
        }
    }
}
