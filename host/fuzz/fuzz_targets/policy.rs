//! Policy files: whatever the text is, it is a policy or every mistake has a place in it, and a ceiling never adds a grant.
#![no_main]

use blockhouse_policy::{Grants, Limits, Policy, Target};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

const CEILING: &str = "description = 'c'\n[[http]]\nreason = 'r'\nhosts = ['*.example.com']\n\
    [terraform]\nreason = 'r'\nverbs = ['plan']\nrepositories = ['https://*.example.com/*']\n\
    modules = ['git::https://*.example.com/*']\n\
    [[secrets.use]]\nreason = 'r'\nkeys = ['key']\nin = ['jwt']\nhosts = ['*.example.com']\n\
    [[run_document]]\nreason = 'r'\nhosts = ['*.example.com']\n";

fuzz_target!(|text: &str| {
    let (text, authority) = text.split_once('\0').unwrap_or((text, "a.example.com"));
    let policy = match Policy::parse("fuzzed.toml", text) {
        Ok(policy) => Arc::new(policy),
        Err(mistakes) => {
            assert!(mistakes.to_string().contains("fuzzed.toml"));
            return;
        }
    };
    let ceiling = Arc::new(Policy::parse("ceiling.toml", CEILING).expect("the ceiling is good"));
    let limits = Limits::default();
    let alone = Grants::new(Arc::clone(&policy), None, &limits);
    let bounded = Grants::new(policy, Some(Arc::clone(&ceiling)), &limits);
    let bound = Grants::new(ceiling, None, &limits);
    let _ = bounded.excess();
    if let (Ok(both), Ok(one)) = (bounded.terraform(), alone.terraform()) {
        let most = bound.terraform().expect("the ceiling has the section");
        for text in [authority, &format!("https://{authority}")] {
            let granted = [&both, &one, &most].map(|permit| permit.repository(text).is_ok());
            assert_eq!(granted[0], granted[1] && granted[2]);
            let granted = [&both, &one, &most].map(|permit| permit.module(text).is_ok());
            assert_eq!(granted[0], granted[1] && granted[2]);
        }
    }
    for scheme in ["http", "https"] {
        let Ok(target) = Target::parse(scheme, authority) else { continue };
        if bounded.http(&target).is_ok() {
            assert!(alone.http(&target).is_ok() && bound.http(&target).is_ok());
        }
        let granted = [&bounded, &alone, &bound].map(|grants| {
            [grants.run_document(&target).is_ok(), grants.token_in_http("key", &target).is_ok()]
        });
        let [both, one, most] = granted;
        assert_eq!(both, [one[0] && most[0], one[1] && most[1]]);
    }
});
