//! What to say about a key that we don't know: the nearest known key, or what became of it.

use super::mistake::shown;

/// Keys that runners of other makes or releases have and that we do differently: (section, key, what to do).
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("", "blockrunner", "this is the older layout; write `uuid` and `api` at the top level"),
    (
        "",
        "implementations",
        "this runner executes all types itself; remove the key or use `routes`",
    ),
    (
        "",
        "limits",
        "limits are in policies: write `routes[].policy`, or `ceiling` for a bound on all of them",
    ),
    ("", "maxConcurrentRuns", "write `runs.concurrency`"),
    ("", "namespace", "this runner creates no Kubernetes jobs; remove the key"),
    ("", "nodeSelector", "this runner creates no Kubernetes jobs; remove the key"),
    (
        "",
        "registration",
        "write `register: true`, `displayName`, `ownedByWorkspace` and `crypto.publicKey`",
    ),
    ("", "shutdownGraceSeconds", "write `runs.drainTimeout`"),
    ("", "tolerations", "this runner creates no Kubernetes jobs; remove the key"),
    ("", "version", "this runner reports its own version; remove the key"),
    ("api", "uuid", "write `runnerUuid` at the top level"),
    ("routes[]", "limits", "limits are in policies: write `policy: { file: <path> }`"),
    ("routes[]", "reveal", "secrets are granted by policies: write `policy: { file: <path> }`"),
];

/// How different a key may be from a known one to be taken for a typing mistake: a third of it.
fn is_near(distance: usize, length: usize) -> bool {
    distance <= (length / 3).max(1)
}

/// A hint about the unknown `key` in the section `path`, whose keys are `known`.
pub(super) fn hint(path: &str, key: &str, known: &[&str]) -> Option<String> {
    // All routes have the same keys.
    let path = if path.starts_with("routes[") && path.ends_with(']') { "routes[]" } else { path };
    let elsewhere = ELSEWHERE.iter().find(|(section, name, _)| *section == path && *name == key);
    if let Some((_, _, hint)) = elsewhere {
        return Some((*hint).to_owned());
    }
    if key == "<<" {
        return Some("YAML merge keys are not supported; write the keys out".to_owned());
    }
    nearest(key, known).map(|name| format!("did you mean `{name}`?"))
}

/// The known name that `given` was most likely meant to be. Upper and lower case count as equal.
pub(super) fn nearest<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let given = shown(given).to_lowercase();
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&given, &name.to_lowercase()), *name))
        .filter(|(distance, name)| is_near(*distance, name.len()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_recognised_and_wild_ones_are_not() {
        let known = ["concurrency", "drainTimeout", "abortGrace", "user"];
        assert_eq!(nearest("concurency", &known), Some("concurrency"));
        assert_eq!(nearest("drain_timeout", &known), Some("drainTimeout"));
        assert_eq!(nearest("DRAINTIMEOUT", &known), Some("drainTimeout"));
        assert_eq!(nearest("usr", &known), Some("user"));
        assert_eq!(nearest("fuel", &known), None);
        assert_eq!(nearest("", &known), None);
    }

    #[test]
    fn keys_of_other_runners_say_what_to_write_instead() {
        assert_eq!(hint("", "maxConcurrentRuns", &[]).unwrap(), "write `runs.concurrency`");
        assert_eq!(hint("runs", "maxConcurrentRuns", &[]), None);
    }
}
