//! Parts of something remote, shown as steps: [`Mirror`].

use crate::Failure;
use crate::host::{Change, Host, StepName};
use crate::step::untold;
use crate::text::{is_plain_id, one_line, web_link};
use std::collections::BTreeMap;

/// Names are longer than this only by mistake or in spite.
const NAME_BYTES_MAX: usize = 150;

/// How far a part has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartState {
    /// It ended badly.
    Failed,
    /// It is being worked on.
    Running,
    /// It ended well, or was not needed.
    Succeeded,
    /// It has not begun.
    Waiting,
}

/// A part of something remote, such as a job of a workflow.
#[derive(Clone, Debug)]
pub struct RemotePart {
    /// As the service has given it.
    pub id: String,
    /// What the user reads about it. A part that waits has no message yet.
    pub message: String,
    /// As the service has given it.
    pub name: String,
    /// How far it has got.
    pub state: PartState,
}

/// What the steps are called.
#[derive(Clone, Copy, Debug)]
pub struct Naming {
    /// In front of the id.
    pub id: &'static str,
    /// In front of the name.
    pub label: &'static str,
    /// The step for those that have none of their own.
    pub others: &'static str,
}

/// Shows each part as a step, and those beyond `most` (or with an id that is neither number nor UUID) together as one.
#[derive(Debug)]
pub struct Mirror<'h, H> {
    host: &'h H,
    most: usize,
    naming: Naming,
    others: Option<(StepName, BTreeMap<PartState, usize>, usize)>,
    shown: BTreeMap<String, (PartState, String)>,
}

impl RemotePart {
    /// What is known of a part, in a line: a word, when it began and ended, and where to look.
    pub fn message(
        word: &str,
        began: Option<&str>,
        ended: Option<&str>,
        link: Option<&str>,
    ) -> String {
        let mut message = one_line(word, 40);
        let [began, ended] = [began, ended].map(|time| time.filter(|time| is_time(time)));
        if let Some(began) = began {
            message.push_str(&format!(", from {began}"));
        }
        if let Some(ended) = ended {
            message.push_str(&format!(", until {ended}"));
        }
        if let Some(link) = link.and_then(web_link) {
            message.push_str(&format!(": {link}"));
        }
        message
    }
}

/// Whether this has the form of a time, such as `2026-11-02T10:00:00Z`.
fn is_time(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_digit() || b"-:.+TZ".contains(&byte);
    (10..=35).contains(&text.len()) && text.bytes().all(is_part)
}

impl<'h, H: Host> Mirror<'h, H> {
    /// Shows nothing yet.
    pub fn new(host: &'h H, naming: Naming, most: usize) -> Self {
        Self { host, most, naming, others: None, shown: BTreeMap::new() }
    }

    /// Shows how far the parts have got. `unseen` is how many more there are that nobody has looked at.
    ///
    /// # Errors
    /// If the host does not take a step.
    pub fn show(&mut self, parts: &[RemotePart], unseen: usize) -> Result<(), Failure> {
        let mut others = BTreeMap::new();
        for part in parts {
            let is_known = self.shown.contains_key(&part.id);
            if is_known || self.shown.len() < self.most && is_plain_id(&part.id) {
                self.show_part(part)?;
            } else {
                *others.entry(part.state).or_default() += 1;
            }
        }
        if self.others.is_some() || !others.is_empty() || unseen > 0 {
            self.show_others(others, unseen)?;
        }
        Ok(())
    }

    /// Ends the step of those that have none of their own. The others have ended with their parts.
    ///
    /// # Errors
    /// If the host does not take it.
    pub fn finish(&mut self) -> Result<(), Failure> {
        let Some((step, counts, _)) = self.others.take() else { return Ok(()) };
        if counts.contains_key(&PartState::Failed) {
            let message = format!("Not all of them went well: {}.", in_words(&counts, 0));
            self.change(&step, Change::Fail(&message))
        } else {
            self.change(&step, Change::Succeed)
        }
    }

    fn show_part(&mut self, part: &RemotePart) -> Result<(), Failure> {
        let before = self.shown.get(&part.id);
        let has_ended = before
            .is_some_and(|(state, _)| matches!(state, PartState::Failed | PartState::Succeeded));
        let is_same =
            before.is_some_and(|(state, message)| (*state, message) == (part.state, &part.message));
        if has_ended || is_same {
            return Ok(());
        }
        let name = format!("{}{}", self.naming.label, part.name);
        let step = StepName::new(
            format!("{}{}", self.naming.id, part.id),
            one_line(&name, NAME_BYTES_MAX),
        );
        self.host.declare(std::slice::from_ref(&step));
        if part.state != PartState::Waiting {
            self.change(&step, Change::Start)?;
            self.change(&step, Change::Tell(&part.message))?;
        }
        match part.state {
            PartState::Failed => self.change(&step, Change::Fail(&part.message))?,
            PartState::Succeeded => self.change(&step, Change::Succeed)?,
            PartState::Running | PartState::Waiting => {}
        }
        self.shown.insert(part.id.clone(), (part.state, part.message.clone()));
        Ok(())
    }

    fn show_others(
        &mut self,
        counts: BTreeMap<PartState, usize>,
        unseen: usize,
    ) -> Result<(), Failure> {
        let is_same = self.others.as_ref().is_some_and(|(_, before, unseen_before)| {
            (before, *unseen_before) == (&counts, unseen)
        });
        if is_same {
            return Ok(());
        }
        let step = StepName::new(format!("{}others", self.naming.id), self.naming.others);
        self.host.declare(std::slice::from_ref(&step));
        self.change(&step, Change::Start)?;
        self.change(&step, Change::Tell(&format!("{}.", in_words(&counts, unseen))))?;
        self.others = Some((step, counts, unseen));
        Ok(())
    }

    fn change(&self, step: &StepName, change: Change<'_>) -> Result<(), Failure> {
        self.host.step(step, change).map_err(untold)
    }
}

fn in_words(counts: &BTreeMap<PartState, usize>, unseen: usize) -> String {
    let mut words: Vec<_> = counts
        .iter()
        .map(|(state, count)| {
            let state = match state {
                PartState::Failed => "failed",
                PartState::Running => "running",
                PartState::Succeeded => "succeeded",
                PartState::Waiting => "waiting",
            };
            format!("{count} {state}")
        })
        .collect();
    if unseen > 0 {
        words.push(format!("{unseen} not looked at"));
    }
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{Script, Status};

    const NAMING: Naming =
        Naming { id: "gh-workflow-job-", label: "GitHub Job: ", others: "Other GitHub Jobs" };

    fn part(id: &str, state: PartState) -> RemotePart {
        let message = format!("{state:?}");
        RemotePart { id: id.to_owned(), message, name: "build\n".to_owned(), state }
    }

    #[test]
    fn a_part_is_shown_as_far_as_it_has_got() {
        let host = Script::silent();
        let mut mirror = Mirror::new(&host, NAMING, 10);
        mirror.show(&[part("1", PartState::Waiting)], 0).unwrap();
        let step = host.find("gh-workflow-job-1").unwrap();
        assert_eq!(
            (step.status, step.display_name.as_str()),
            (Status::Pending, "GitHub Job: build")
        );
        mirror.show(&[part("1", PartState::Running), part("2", PartState::Succeeded)], 0).unwrap();
        assert_eq!(host.find("gh-workflow-job-1").unwrap().status, Status::InProgress);
        assert_eq!(host.find("gh-workflow-job-2").unwrap().status, Status::Succeeded);
        mirror.show(&[part("1", PartState::Failed), part("2", PartState::Running)], 0).unwrap();
        mirror.show(&[part("1", PartState::Failed)], 0).unwrap();
        let step = host.find("gh-workflow-job-1").unwrap();
        assert_eq!((step.status, step.message.as_str()), (Status::Failed, "Failed"));
        assert_eq!(host.find("gh-workflow-job-2").unwrap().status, Status::Succeeded);
        mirror.finish().unwrap();
        assert!(host.find("gh-workflow-job-others").is_none());
    }

    #[test]
    fn no_service_can_make_a_step_that_ends_the_run() {
        let host = Script::silent();
        let mut mirror = Mirror::new(&host, NAMING, 10);
        let parts =
            ["", "../x", "a b", &"9".repeat(99), "1\n"].map(|id| part(id, PartState::Running));
        mirror.show(&parts, 0).unwrap();
        assert_eq!(host.steps().len(), 1);
        assert_eq!(host.find("gh-workflow-job-others").unwrap().message, "5 running.");
    }

    #[test]
    fn more_parts_than_steps_are_summed_up() {
        let host = Script::silent();
        let mut mirror = Mirror::new(&host, NAMING, 50);
        let parts: Vec<_> = (0..60).map(|id| part(&id.to_string(), PartState::Succeeded)).collect();
        mirror.show(&parts, 7).unwrap();
        assert_eq!(host.steps().len(), 51);
        let step = host.find("gh-workflow-job-others").unwrap();
        assert_eq!(step.message, "10 succeeded, 7 not looked at.");
        let mut parts = parts;
        parts[55].state = PartState::Failed;
        mirror.show(&parts, 0).unwrap();
        mirror.finish().unwrap();
        let step = host.find("gh-workflow-job-others").unwrap();
        assert_eq!(step.status, Status::Failed);
        assert_eq!(step.message, "Not all of them went well: 1 failed, 9 succeeded.");
    }

    #[test]
    fn a_message_has_what_is_known_and_nothing_odd() {
        let message = RemotePart::message;
        let (began, ended) = (Some("2026-11-02T10:00:00Z"), Some("2026-11-02T10:05:00.123Z"));
        assert_eq!(
            message("success", began, ended, Some("https://x/1")),
            "success, from 2026-11-02T10:00:00Z, until 2026-11-02T10:05:00.123Z: https://x/1"
        );
        assert_eq!(
            message("in\nprogress", Some("yesterday"), None, Some("javascript:x")),
            "in progress"
        );
    }
}
