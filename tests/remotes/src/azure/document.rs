//! Runs and timelines as Azure DevOps writes them.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Outcome;
use super::run::Run;
use crate::clock;
use crate::progress::Phase;

/// From the outside in. A stage begins with a checkpoint, which is left out when it has nothing to check.
const KINDS: [&str; 4] = ["Stage", "Phase", "Job", "Task"];

impl Run {
    pub(super) fn document(&self, url: &str, organization: &str) -> Value {
        let Self { id, project, pipeline, .. } = self;
        let base = format!("{url}/{organization}/{}", encoded(project));
        let run = format!("{base}/_apis/pipelines/{}/runs/{id}", pipeline.0);
        let web = format!("{base}/_build/results?buildId={id}");
        let mut document = json!({
            "_links": {"self": {"href": run}, "web": {"href": web}},
            "templateParameters": self.parameters,
            "pipeline": {
                "url": format!("{base}/_apis/pipelines/{}?revision=1", pipeline.0),
                "id": pipeline.0,
                "revision": 1,
                "name": pipeline.1,
                "folder": "\\",
            },
            "state": self.state().as_str(),
            "createdDate": clock::text(self.created),
            "url": run,
            "resources": {"repositories": {"self": {
                "repository": {"id": Uuid::from_u128(1), "type": "azureReposGit"},
                "refName": self.reference,
                "version": "a91957a858320c0e17f3a0eca7cfacbff50ea29a",
            }}},
            "id": id,
            "name": format!("20260101.{id}"),
        });
        // Absent, not null, until there is one.
        if let (Some(result), Some(object)) = (self.result(), document.as_object_mut()) {
            object.insert("result".to_owned(), json!(result.as_str()));
            object.insert("finishedDate".to_owned(), time(self.progress.changed()));
        }
        document
    }

    /// None as long as nothing has been planned.
    pub(super) fn timeline(&self, url: &str, organization: &str) -> Option<Value> {
        if self.progress.whole() == Phase::Waiting {
            return None;
        }
        let stages = 0..self.plan.stages.len();
        let mut records: Vec<_> = stages.flat_map(|index| self.records(index)).collect();
        // They come in no order that means anything.
        records.reverse();
        let timeline = Uuid::from_u128(u128::from(self.id) << 64);
        Some(json!({
            "records": records,
            "lastChangedBy": Uuid::from_u128(2),
            "lastChangedOn": time(self.progress.changed()),
            "id": timeline,
            "changeId": 1,
            "url": format!(
                "{url}/{organization}/{}/_apis/build/builds/{}/Timeline/{timeline}",
                encoded(&self.project), self.id
            ),
        }))
    }

    /// A stage and what is in it.
    fn records(&self, index: usize) -> Vec<Value> {
        let name = self.plan.stages.get(index).map_or("", |(name, _)| name.as_str());
        let id = |depth: usize| {
            Uuid::from_u128(u128::from(self.id) << 64 | (index as u128) << 8 | depth as u128)
        };
        let (result, phase) = (self.stage_result(index), self.progress.part(index));
        // What is skipped has never begun.
        let has_begun = result != Some(Outcome::Skipped);
        let started = self.progress.started(index).filter(|_| has_begun);
        let kinds = KINDS.iter().enumerate();
        let records = kinds.map(|(depth, kind)| {
            json!({
                "previousAttempts": [],
                "id": id(depth),
                "parentId": depth.checked_sub(1).map(id),
                "type": kind,
                "name": if depth == 0 { name.to_owned() } else { format!("{name} {kind}") },
                "identifier": name,
                "startTime": time(started),
                "finishTime": time(self.progress.finished(index)),
                "currentOperation": null,
                "percentComplete": null,
                "state": state(phase),
                "result": result.map(Outcome::as_str),
                "resultCode": null,
                "changeId": 1,
                "lastModified": "0001-01-01T00:00:00",
                "workerName": null,
                "order": if depth == 0 { index + 1 } else { 1 },
                "details": null,
                "errorCount": u8::from(result == Some(Outcome::Failed)),
                "warningCount": u8::from(result == Some(Outcome::SucceededWithIssues)),
                "url": null,
                "log": null,
                "task": null,
                "attempt": 1,
            })
        });
        records.collect()
    }
}

/// A name with blanks in an address.
fn encoded(name: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(name, NON_ALPHANUMERIC)
}

fn state(phase: Phase) -> &'static str {
    match phase {
        Phase::Done => "completed",
        Phase::Running => "inProgress",
        Phase::Waiting => "pending",
    }
}

fn time(at: Option<OffsetDateTime>) -> Value {
    at.map(clock::text).map_or(Value::Null, Value::String)
}
