//! What a decision costs: a request, its address and a secret, each asked of a policy and a ceiling of fifty rules; and
//! finding the route of a run among a hundred.
//!
//! The worst case: what is asked for is granted by the last rule. The target is 2 µs for a decision.

#![expect(clippy::expect_used, reason = "a bench that can't be set up measures nothing")]
#![expect(clippy::print_stdout, reason = "this is how a bench reports")]

use blockhouse_policy::{Grants, Limits, Pattern, Policy, RouteMatch, Subject, Target};
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const RULES: usize = 50;
const ROUTES: usize = 100;
const ROUNDS: usize = 2_000;
const CALLS: u32 = 100;

fn policy() -> Arc<Policy> {
    let mut text = "description = \"bench\"\n".to_owned();
    for rule in 0..RULES {
        write!(
            text,
            "[[http]]\nreason = \"bench\"\nhosts = [\"api-{rule}.example.com\", \"*.zone-{rule}.example.com\", \"10.{rule}.0.0/16\"]\n\
             ports = [443, \"8000-8100\"]\nprivate = [\"10.{rule}.0.0/16\"]\n\
             [[secrets.reveal]]\nreason = \"bench\"\nkeys = [\"token-{rule}\"]\n\
             [[secrets.use]]\nreason = \"bench\"\nkeys = [\"db-{rule}-*\"]\nin = [\"http\"]\nhosts = [\"*.zone-{rule}.example.com\"]\n"
        )
        .expect("a text can be written to");
    }
    Arc::new(Policy::parse("bench.toml", &text).expect("the policy is right"))
}

fn main() {
    let grants = Grants::new(policy(), Some(policy()), &Limits::default());
    let last = RULES - 1;
    let target = format!("a.zone-{last}.example.com:8050");
    let target = Target::parse("https", &target).expect("a target");
    let elsewhere = Target::parse("https", "evil.example.org").expect("a target");
    let (token, db) = (format!("token-{last}"), format!("db-{last}-password"));
    let address = format!("10.{last}.0.1").parse().expect("an address");
    let permit = grants.http(&target).expect("granted");

    let decision = measure(|| {
        let permit = grants.http(black_box(&target)).expect("granted");
        black_box(permit.address(black_box(address)).expect("granted"));
        black_box(grants.reveal(black_box(&token)).expect("granted"));
    });
    println!("decision (http + address + reveal): {decision:?}, target 2µs");
    let parts: [(&str, Duration); 6] = [
        ("http", measure(|| drop(black_box(grants.http(black_box(&target)))))),
        ("address", measure(|| drop(black_box(permit.address(black_box(address)))))),
        ("reveal", measure(|| drop(black_box(grants.reveal(black_box(&token)))))),
        ("secret_in_http", measure(|| drop(black_box(grants.secret_in_http(&db, &target))))),
        ("http, denied", measure(|| drop(black_box(grants.http(black_box(&elsewhere)))))),
        (
            "target",
            measure(|| drop(black_box(Target::parse("https", black_box("a.example.com:443"))))),
        ),
    ];
    for (name, time) in parts {
        println!("  {name}: {time:?}");
    }

    let routes: Vec<_> = (0..ROUTES).map(route).collect();
    let tenant = format!("team-{}-a", ROUTES - 1);
    let subject = Subject {
        implementation_type: "TERRAFORM",
        definition: "b23cfb9a-0000-4000-8000-000000000001",
        owner: "platform",
        tenant: &tenant,
    };
    let found = measure(|| {
        black_box(routes.iter().position(|route| route.matches(black_box(&subject))));
    });
    println!("route, the last of {ROUTES}: {found:?}");
}

fn route(number: usize) -> RouteMatch {
    let pattern = |text: String| vec![Pattern::new(text)];
    RouteMatch {
        implementation_type: pattern("TERRA*".to_owned()),
        tenant: pattern(format!("team-{number}-*")),
        ..RouteMatch::default()
    }
}

/// The median time of one call.
fn measure(mut call: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..CALLS {
                call();
            }
            start.elapsed() / CALLS
        })
        .collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
