//! What the platform owner wants to know afterwards: [`Auditor`] writes it to the log under the target `audit`.
//!
//! Every event has the same fields, so that a machine can read them: `event`, `run`, `tenant`, `owner`, `component`,
//! `policy`, and where a rule decided `rule`, `file` and `line`. A component can't flood the log: what it can bring about at
//! will is written once per subject, and for so many subjects.

use crate::redact::Redactor;
use blockhouse_policy::{Denied, Position};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Denials and uses of secrets that are written per run, and signatures. Against a component that asks for something new for ever.
const SUBJECTS_MAX: usize = 100;

/// Bytes of a subject; the component chooses it.
const SUBJECT_MAX: usize = 300;

/// Which run the events are about, as texts.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The run's id.
    pub run: String,
    /// The workspace that ordered the block.
    pub tenant: String,
    /// The workspace that owns the definition.
    pub owner: String,
    /// The component's digest.
    pub component: String,
    /// The policy's name.
    pub policy: String,
}

/// Writes the events of one run. Dropping it says how many were left out.
#[derive(Debug)]
pub struct Auditor {
    about: About,
    redactor: RwLock<Arc<Redactor>>,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    subjects: HashSet<(&'static str, String)>,
    signatures: usize,
    left_out: usize,
}

/// Where the rule stands that an event is about.
struct Place<'a> {
    file: Option<&'a str>,
    line: Option<u32>,
}

impl<'a> Place<'a> {
    fn of(at: Option<&'a Position>) -> Self {
        Self { file: at.map(|at| &*at.file), line: at.map(|at| at.line) }
    }
}

/// An event with the fields that all have in common, those of a rule among them.
macro_rules! event {
    ($auditor:expr, $level:ident, $event:literal, $place:expr, { $($field:tt)* }, $($message:tt)+) => {{
        let About { run, tenant, owner, component, policy } = &$auditor.about;
        let Place { file, line } = $place;
        tracing::$level!(
            target: "audit",
            event = $event,
            run,
            tenant,
            owner,
            component,
            policy,
            file,
            line,
            $($field)*
            $($message)+
        );
    }};
}

impl Auditor {
    /// Events about this run, without its secrets: a component may ask for a host whose name is one.
    #[must_use]
    pub fn new(about: About, redactor: Arc<Redactor>) -> Self {
        Self { about, redactor: RwLock::new(redactor), written: Mutex::default() }
    }

    /// From now on without what this one finds: a token has come up.
    pub fn redact_with(&self, redactor: &Arc<Redactor>) {
        *self.redactor.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(redactor);
    }

    fn redactor(&self) -> Arc<Redactor> {
        Arc::clone(&self.redactor.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Policy said no at call time: `what` is the kind of thing (`secret`, `http`), `subject` the thing that was asked for.
    ///
    /// Says whether this was the first time, so that others can tell it once, too.
    pub fn denied(&self, what: &'static str, subject: &str, denied: &Denied) -> bool {
        let line = denied.at.as_ref().map(|at| at.line);
        self.deny(what, subject, &denied.rule, Place { file: Some(&denied.file), line })
    }

    /// More than a rule grants was asked for; the component goes on.
    pub fn quota(&self, what: &'static str, subject: &str, rule: &str, at: Option<&Position>) {
        self.deny(what, subject, rule, Place::of(at));
    }

    fn deny(&self, what: &'static str, subject: &str, rule: &str, place: Place<'_>) -> bool {
        // SECURITY: audit::secrets_are_in_no_event
        let redactor = self.redactor();
        let (subject, rule) = (redactor.redact(subject), redactor.redact(rule));
        let subject = clip(&subject);
        let is_first = self.is_first(what, subject);
        if is_first {
            event!(self, warn, "denied", place, { what, subject, rule = &*rule, }, "{what} denied");
        }
        is_first
    }

    /// A connection for a request, or the attempt at one: where to by name and by address, what allowed it and what came of it.
    pub fn egress(&self, target: &str, address: Option<&str>, result: &str, at: Option<&Position>) {
        let redactor = self.redactor();
        let target = &*redactor.redact(target);
        event!(self, info, "egress", Place::of(at), { target_host = target, address, result, }, "outbound HTTP");
    }

    /// The run was ended by a limit; `at` is where the limit was set, if it is not a default.
    pub fn limit(&self, code: &str, used: u64, allowed: u64, at: Option<&Position>) {
        event!(self, warn, "limit", Place::of(at), { code, used, allowed, }, "limit hit");
    }

    /// The run is not executed at all.
    pub fn refused(&self, rule: &str) {
        event!(self, warn, "refused", Place::of(None), { rule, }, "run refused");
    }

    /// The component has seen the plain text of a secret.
    pub fn revealed(&self, key: &str, at: Option<&Position>) {
        let key = clip(key);
        if self.is_first("reveal", key) {
            event!(self, info, "revealed", Place::of(at), { what = "secret", subject = key, }, "secret revealed");
        }
    }

    /// The document of the run was put into a request to `target`.
    pub fn document(&self, target: &str, at: &Position) {
        let redactor = self.redactor();
        let target = &*redactor.redact(target);
        if self.is_first("document", target) {
            event!(self, info, "document", Place::of(Some(at)), { target_host = target, }, "the run's document was given away");
        }
    }

    /// A token was signed with the secret of this key: each is written, up to a number.
    pub fn signed(&self, key: &str, at: &Position) {
        if self.is_within() {
            event!(self, info, "signed", Place::of(Some(at)), { what = "secret", subject = clip(key), }, "token signed");
        }
    }

    /// Counts a signature, and says whether it is one of the first.
    fn is_within(&self) -> bool {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let Written { signatures, left_out, .. } = &mut *written;
        let is_within = *signatures < SUBJECTS_MAX;
        *(if is_within { signatures } else { left_out }) += 1;
        is_within
    }

    // SECURITY: e2e::containment::asking_for_a_secret_for_ever_is_logged_once
    fn is_first(&self, what: &'static str, subject: &str) -> bool {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.subjects.contains(&(what, subject.to_owned())) {
            return false;
        }
        if written.subjects.len() >= SUBJECTS_MAX {
            written.left_out = written.left_out.saturating_add(1);
            return false;
        }
        written.subjects.insert((what, subject.to_owned()))
    }
}

impl Drop for Auditor {
    fn drop(&mut self) {
        let written = self.written.get_mut().unwrap_or_else(PoisonError::into_inner);
        let left_out = written.left_out;
        if left_out > 0 {
            event!(self, warn, "left-out", Place::of(None), { left_out, }, "{left_out} more audit events were left out");
        }
    }
}

fn clip(text: &str) -> &str {
    text.get(..text.floor_char_boundary(SUBJECT_MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockhouse_policy::Grants;

    fn denied() -> Denied {
        Grants::none().reveal("token").unwrap_err()
    }

    #[test]
    fn a_denial_is_told_once_per_subject() {
        let auditor = Auditor::new(About::default(), Arc::default());
        assert!(auditor.denied("secret", "token", &denied()));
        assert!(!auditor.denied("secret", "token", &denied()));
        assert!(auditor.denied("http", "token", &denied()), "another kind of thing");
    }

    #[test]
    fn denials_are_bounded_in_number_and_the_rest_is_counted() {
        let mut auditor = Auditor::new(About::default(), Arc::default());
        let told = (0..1_000).filter(|n| auditor.denied("http", &n.to_string(), &denied()));
        assert_eq!(told.count(), SUBJECTS_MAX);
        assert_eq!(auditor.written.get_mut().unwrap().left_out, 900);
    }

    #[test]
    fn signatures_are_written_each_and_bounded_in_number() {
        let mut auditor = Auditor::new(About::default(), Arc::default());
        assert_eq!((0..1_000).filter(|_| auditor.is_within()).count(), SUBJECTS_MAX);
        assert_eq!(auditor.written.get_mut().unwrap().left_out, 900);
    }

    #[test]
    fn secrets_are_in_no_event() {
        let secret = secrecy::SecretString::from("hooks-7f3a9c.example.com");
        let (redactor, _) = Redactor::new([("webhook", &secret)]).unwrap();
        let mut auditor = Auditor::new(About::default(), Arc::new(redactor));
        assert!(auditor.denied("http", "https://hooks-7f3a9c.example.com:8443", &denied()));
        let subjects = &auditor.written.get_mut().unwrap().subjects;
        let expected = ("http", "https://[secret webhook]:8443".to_owned());
        assert!(subjects.contains(&expected), "{subjects:?}");
    }

    #[test]
    fn a_subject_is_cut_between_characters() {
        let auditor = Auditor::new(About::default(), Arc::default());
        assert!(auditor.denied("http", &"ü".repeat(1_000), &denied()));
        assert_eq!(clip(&"ü".repeat(1_000)).len(), SUBJECT_MAX);
    }
}
