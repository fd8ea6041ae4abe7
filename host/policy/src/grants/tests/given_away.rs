//! What leaves without being seen: tokens, secrets out of responses, the document of the run.

use super::*;

#[test]
fn a_key_that_signs_is_not_sent_and_a_key_that_is_sent_does_not_sign() {
    let uses = |what: &str, host: &str| {
        format!(
            "[[secrets.use]]\nREASON\nkeys = [\"key\"]\nin = [\"{what}\"]\nhosts = [\"{host}\"]\n"
        )
    };
    let place = http("\"a.example\", \"b.example\"");
    let answers = |text: &str, host: &str| {
        let (grants, to) = (grants(text), target(&format!("https://{host}")));
        [
            grants.secret_in_jwt("key").is_ok(),
            grants.token_in_http("key", &to).is_ok(),
            grants.secret_in_http("key", &to).is_ok(),
        ]
    };
    let signing = format!("{place}{}", uses("jwt", "a.example"));
    assert_eq!(answers(&signing, "a.example"), [true, true, false]);
    assert_eq!(answers(&signing, "b.example"), [true, false, false]);
    let sending = format!("{place}{}", uses("http", "a.example"));
    assert_eq!(answers(&sending, "a.example"), [false, false, true]);
    let unreached = uses("jwt", "c.example");
    assert_eq!(answers(&format!("{place}{unreached}"), "c.example"), [true, false, false]);
    let denied = grants(&signing).token_in_http("key", &target("https://b.example")).unwrap_err();
    let expected = "policy `team-a` does not grant tokens signed with the secret `key` in requests to https://b.example";
    assert_eq!(denied.rule, expected);
    // The ceiling is asked for tokens, too.
    let bounded = under(&signing, &format!("{place}{}", uses("http", "a.example")));
    let excess: Vec<_> = bounded.excess().into_iter().map(|excess| excess.what).collect();
    let expected =
        "the ceiling `org` does not grant tokens signed with the secret `key` to `a.example`";
    assert_eq!(excess, [expected]);
    assert!(bounded.secret_in_jwt("key").is_err());
}

#[test]
fn a_received_secret_goes_back_to_where_it_came_from_and_nowhere_else() {
    let grants = grants(&format!("{}ports = [443, 8443]\n", http("\"a.example\", \"b.example\"")));
    let from = target("https://a.example");
    let permit =
        grants.received_in_http(&from, &target("https://A.example.:443")).expect("granted");
    assert_eq!(permit.rule().to_string(), "team-a.toml:2");
    for to in
        ["https://b.example", "https://a.example:8443", "http://a.example", "https://c.example"]
    {
        assert!(grants.received_in_http(&from, &target(to)).is_err(), "{to}");
    }
    let denied = grants.received_in_http(&from, &target("https://b.example")).unwrap_err();
    let expected = "policy `team-a` lets the secret received from https://a.example go back there and not to https://b.example";
    assert_eq!(denied.rule, expected);
}

#[test]
fn the_document_of_a_run_is_given_to_named_hosts_that_requests_may_reach() {
    let given = "[[run_document]]\nREASON\nhosts = [\"a.example\", \"*.c.example\"]\n";
    let text = format!("{}{given}", http("\"a.example\", \"b.example\""));
    let grants = grants(&text);
    assert!(grants.allows_run_document().is_ok());
    let permit = grants.run_document(&target("https://a.example")).expect("granted");
    assert_eq!(permit.rule().to_string(), "team-a.toml:6");
    let said = |to: &str| grants.run_document(&target(to)).unwrap_err().rule;
    let to_b = "policy `team-a` does not give the run's document to https://b.example";
    assert_eq!(said("https://b.example"), to_b);
    assert_eq!(said("https://x.c.example"), "policy `team-a` does not grant https://x.c.example");
    assert_eq!(said("http://a.example"), "policy `team-a` does not grant http://a.example");
    let ceiling = format!("{}{}", http("\"*\""), given.replace(", \"*.c.example\"", ""));
    let bounded = under(&text, &ceiling);
    assert!(bounded.run_document(&target("https://a.example")).is_ok());
    let excess: Vec<_> = bounded.excess().into_iter().map(|excess| excess.what).collect();
    assert_eq!(excess, ["the ceiling `org` does not give the run's document to `*.c.example`"]);
    let none = under(&text, &http("\"*\"")).allows_run_document().unwrap_err();
    assert_eq!(none.rule, "the ceiling `org` gives the run's document to nobody");
}
