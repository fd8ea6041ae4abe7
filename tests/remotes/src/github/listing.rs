//! Lists, page by page. Main function: [`page`].

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::repository::Repository;
use super::run::Run;
use super::{Remote, Route, failed, not_found};
use crate::call::{Answer, Call};
use crate::clock;

const PER_PAGE: usize = 30;
const PER_PAGE_MAX: usize = 100;
const FILTERS: &[&str] = &[
    "actor",
    "branch",
    "check_suite_id",
    "created",
    "event",
    "exclude_pull_requests",
    "head_sha",
    "page",
    "per_page",
    "status",
];

impl Remote {
    pub(super) fn list(
        &mut self,
        call: &mut Call<'_, Route>,
        repository: &Repository,
        workflow: &str,
    ) -> Result<Answer, Answer> {
        let (workflow, _) = repository.find_workflow(workflow).ok_or_else(not_found)?;
        let pairs = url::form_urlencoded::parse(call.query.unwrap_or_default().as_bytes());
        let unknown: Vec<_> = pairs
            .map(|(name, _)| name.into_owned())
            .filter(|n| !FILTERS.contains(&n.as_str()))
            .collect();
        for name in unknown {
            call.breach(format!("an unknown filter `{name}`"));
        }
        let created = match call.parameter("created") {
            Some(text) => Some(Created::parse(&text).ok_or_else(|| {
                call.breach("the filter `created` can't be read");
                failed(422, "Validation Failed")
            })?),
            None => None,
        };
        let (branch, event) = (call.parameter("branch"), call.parameter("event"));
        let status = call.parameter("status");
        let full_name = repository.full_name();
        let mut found = Vec::new();
        for run in &mut self.runs {
            if run.repository != full_name || run.workflow.0 != workflow {
                continue;
            }
            if run.hidden > 0 {
                run.hidden -= 1;
                continue;
            }
            found.push(&*run);
        }
        found.retain(|run| {
            branch.as_ref().is_none_or(|branch| *branch == run.branch)
                && event.as_ref().is_none_or(|event| event == run.event)
                && created.as_ref().is_none_or(|created| created.holds(run.created))
                && status.as_ref().is_none_or(|status| has_status(run, status))
        });
        // The newest first; of the same second, the highest number.
        found.sort_by_key(|run| std::cmp::Reverse((run.created.unix_timestamp(), run.id)));
        let documents = found.iter().map(|run| run.document(call.url, self.prefix)).collect();
        Ok(page(call, "workflow_runs", documents))
    }
}

fn has_status(run: &Run, status: &str) -> bool {
    let conclusion = run.conclusion().map(super::Conclusion::as_str);
    run.status().as_str() == status || conclusion == Some(status)
}

/// One page of a list, with links to the others.
pub(super) fn page(call: &Call<'_, Route>, key: &str, items: Vec<Value>) -> Answer {
    let number = |name: &str| call.parameter(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("per_page").unwrap_or(PER_PAGE).clamp(1, PER_PAGE_MAX);
    let at = number("page").unwrap_or(1).max(1);
    let (count, pages) = (items.len(), items.len().div_ceil(size));
    let shown: Vec<_> = items.into_iter().skip((at - 1) * size).take(size).collect();
    let mut links = Vec::new();
    let mut link = |to: usize, rel: &str| {
        links.push(format!("<{}>; rel=\"{rel}\"", address(call, to)));
    };
    if at > 1 {
        link(at - 1, "prev");
    }
    if at < pages {
        link(at + 1, "next");
        link(pages, "last");
    }
    if at > 1 {
        link(1, "first");
    }
    let answer = Answer::json(200, &json!({"total_count": count, key: shown}));
    if links.is_empty() { answer } else { answer.with("link", links.join(", ")) }
}

/// The same list at another page.
fn address(call: &Call<'_, Route>, page: usize) -> String {
    let pairs = url::form_urlencoded::parse(call.query.unwrap_or_default().as_bytes());
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.filter(|(name, _)| name != "page"));
    query.append_pair("page", &page.to_string());
    format!("{}{}?{}", call.url, call.path, query.finish())
}

/// When a run was created, in the syntax of GitHub's search.
enum Created {
    After(OffsetDateTime),
    Before(OffsetDateTime),
    Between(OffsetDateTime, OffsetDateTime),
    On(OffsetDateTime),
    Since(OffsetDateTime),
    Until(OffsetDateTime),
}

impl Created {
    fn parse(text: &str) -> Option<Self> {
        if let Some((from, to)) = text.split_once("..") {
            return match (from, to) {
                ("*", to) => clock::parse(to).map(Self::Until),
                (from, "*") => clock::parse(from).map(Self::Since),
                (from, to) => Some(Self::Between(clock::parse(from)?, clock::parse(to)?)),
            };
        }
        if let Some(rest) = text.strip_prefix(">=") {
            return clock::parse(rest).map(Self::Since);
        }
        if let Some(rest) = text.strip_prefix("<=") {
            return clock::parse(rest).map(Self::Until);
        }
        if let Some(rest) = text.strip_prefix('>') {
            return clock::parse(rest).map(Self::After);
        }
        if let Some(rest) = text.strip_prefix('<') {
            return clock::parse(rest).map(Self::Before);
        }
        clock::parse(text).map(Self::On)
    }

    /// To the second, which is all that GitHub shows.
    fn holds(&self, at: OffsetDateTime) -> bool {
        let at = at.replace_nanosecond(0).unwrap_or(at);
        match self {
            Self::After(from) => at > *from,
            Self::Before(to) => at < *to,
            Self::Between(from, to) => at >= *from && at <= *to,
            Self::On(day) => at >= *day && at < *day + time::Duration::DAY,
            Self::Since(from) => at >= *from,
            Self::Until(to) => at <= *to,
        }
    }
}
