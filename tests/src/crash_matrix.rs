//! At which places the program is killed in runs of every type, and what must hold all the same.
//!
//! Data: a [`Story`] is a run with what happens to it, [`Story::passes`] are the crash points that it comes by, and
//! [`Story::promise`] is how the run ends if the program is killed there. [`table`] is the same as a document.
//!
//! Whatever is promised: exactly one final status, outputs and state as reported, nothing done twice, no lock, no process, no file of a
//! run and no secret left.

use blockhouse::crash::CrashPoint;
use std::fmt;

/// A run, and what happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Story {
    /// A MANUAL run.
    Manual,
    /// A component that works on files.
    Files,
    /// A GITHUB_WORKFLOW run, followed to its end.
    Github,
    /// A GITLAB_CICD run, which is handed over.
    Gitlab,
    /// An AZURE_DEVOPS run, followed to its end.
    Azure,
    /// A TERRAFORM run that makes a resource.
    Apply,
    /// A TERRAFORM run that unmakes it.
    Destroy,
    /// The same as [`Story::Apply`], but the state is refused once.
    Refused,
    /// The same, but its user aborts it while the resource is made.
    Aborted,
    /// A MANUAL run, left behind by a first daemon: what is killed is the second one.
    ManualAgain,
    /// The same for [`Story::Apply`], left behind while the resource is made.
    ApplyAgain,
    /// A MANUAL run whose daemon is told to stop: once, and then again.
    Stopped,
}

/// How a run ends whose program was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// As if nothing had happened.
    GoesOn,
    /// As it would have ended anyway, which is as failed or as aborted.
    EndsTheSame,
    /// As if nothing had happened; or as failed, if a request may have been carried out that must not be repeated, or a program is gone.
    /// Its messages say so.
    GoesOnOrFails,
    /// As failed, since nobody can know more; its messages say this (in lower case).
    Fails(&'static str),
    /// By meshStack's own timeout: nobody here ever knew of it, and nothing was done.
    TimesOut,
    /// As if nothing had happened if the next daemon knows of it, else by meshStack's own timeout.
    GoesOnOrTimesOut,
}

use CrashPoint as P;

/// What a run says whose program is gone.
pub const ENDED: &str = "ended by a signal";

/// Before anything is claimed.
const START: &[P] = &[P::JournalCarried, P::RecoveryCleaned, P::RecoveryBegun];

/// Every run.
const RUN: &[P] = &[
    P::ClaimAnswered,
    P::RunAdmitted,
    P::RunShared,
    P::RunPrepared,
    P::JournalAppended,
    P::ClaimWritten,
    P::ComponentInstantiated,
    P::ComponentReturned,
    P::ReportRegistered,
    P::EndDecided,
    P::EndWritten,
    P::EndAccepted,
    P::EndSettled,
];

/// Those that last longer than the first second, in which nothing is reported.
const LONG: &[P] = &[P::ReportStepsWritten, P::ReportAccepted];

/// Those that send requests.
const HTTP: &[P] = &[
    P::ClaimDurable,
    P::HttpPermitted,
    P::HttpConnected,
    P::HttpAnswered,
    P::TapeWritten,
    P::EndDirectoryRemoved,
];

/// Those with a directory.
const DIRECTORY: &[P] = &[P::DirectoryMade, P::EndDirectoryRemoved];

/// Those that drive programs.
const NATIVE: &[P] = &[
    P::ClaimDurable,
    P::WorkspaceEntered,
    P::TapeWritten,
    P::CallRecorded,
    P::CallAnswered,
    P::OperationTicketed,
    P::OperationBegun,
    P::OperationEnded,
    P::ShimOrdered,
    P::ShimClaimed,
    P::ShimStarted,
    P::ShimStatusWritten,
    P::ShimProgramEnded,
    P::ShimEndWritten,
    P::StateSettled,
];

/// What a second daemon comes by before it claims anything.
const RECOVERY: &[P] =
    &[P::JournalCarried, P::JournalRemoved, P::RecoveryCleaned, P::RecoveryBegun];

impl Story {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Manual,
        Self::Files,
        Self::Github,
        Self::Gitlab,
        Self::Azure,
        Self::Apply,
        Self::Destroy,
        Self::Refused,
        Self::Aborted,
        Self::ManualAgain,
        Self::ApplyAgain,
        Self::Stopped,
    ];

    /// The points that the run comes by and is killed at. What all types share is played to its beginning once only.
    #[must_use]
    pub fn passes(self) -> Vec<CrashPoint> {
        let parts: &[&[P]] = match self {
            Self::Manual => &[START, RUN],
            Self::Files => &[RUN, DIRECTORY],
            Self::Gitlab => &[RUN, HTTP],
            Self::Azure | Self::Github => &[RUN, LONG, HTTP],
            Self::Apply => &[RUN, LONG, DIRECTORY, NATIVE],
            // As one of the same type, it differs in its programs only.
            Self::Destroy => &[DIRECTORY, NATIVE],
            Self::Refused => &[&[P::StateKept, P::StatePushed, P::StateSettled]],
            Self::Aborted => &[&[P::OperationStopRequested, P::ShimStopWritten]],
            Self::ManualAgain => &[
                RECOVERY,
                &[P::TapeResumed, P::ComponentInstantiated, P::ComponentReturned],
                &[P::EndDecided, P::EndWritten, P::EndDirectoryRemoved],
            ],
            Self::ApplyAgain => &[
                RECOVERY,
                &[
                    P::TapeResumed,
                    P::RecoveryAdopted,
                    P::OperationEnded,
                    P::StateSettled,
                    P::ComponentReturned,
                ],
                &[P::EndDecided, P::EndWritten, P::EndDirectoryRemoved, P::EndAccepted],
            ],
            Self::Stopped => &[&[P::ShutdownDraining, P::ShutdownAborting, P::ShutdownDrained]],
        };
        parts.concat()
    }

    /// Points that belong to the type of the run, and so must all be in [`Self::passes`] if a run without any crash comes by them.
    #[must_use]
    pub fn is_whole(self) -> bool {
        matches!(
            self,
            Self::Apply | Self::Azure | Self::Files | Self::Github | Self::Gitlab | Self::Manual
        )
    }

    /// How the run ends if it is killed there.
    #[must_use]
    pub fn promise(self, point: CrashPoint) -> Promise {
        match point {
            P::ClaimAnswered => Promise::TimesOut,
            // The claim is written meanwhile.
            P::RunAdmitted | P::RunShared | P::RunPrepared => Promise::GoesOnOrTimesOut,
            P::HttpAnswered | P::HttpConnected | P::HttpPermitted => Promise::GoesOnOrFails,
            P::TapeWritten if self.passes().contains(&P::HttpConnected) => Promise::GoesOnOrFails,
            // A shim that is killed is the end of its program, see `kill_matrix`: interrupted, so that no state is lost.
            P::ShimStarted | P::ShimStatusWritten => {
                Promise::Fails("its supervisor was told to end")
            }
            P::ShimClaimed | P::ShimProgramEnded => Promise::Fails(ENDED),
            _ => match self {
                Self::Aborted | Self::Refused => Promise::EndsTheSame,
                _ => Promise::GoesOn,
            },
        }
    }

    /// Those that are also played with the power of the machine gone.
    pub const WITHOUT_POWER: [Self; 4] = [Self::Manual, Self::Files, Self::Github, Self::Apply];

    /// The points at which power is lost: those of the daemon.
    #[must_use]
    pub fn passes_without_power(self) -> Vec<CrashPoint> {
        self.passes().into_iter().filter(|point| !point.is_of_shim()).collect()
    }

    /// How the run ends if the machine loses power there.
    #[must_use]
    pub fn promise_without_power(self, point: CrashPoint) -> Promise {
        match point {
            // Until it is executed, nothing that it does has to be known.
            P::JournalAppended | P::ClaimWritten => Promise::GoesOnOrTimesOut,
            // meshStack has its end.
            P::EndAccepted | P::EndSettled => Promise::GoesOn,
            _ if START.contains(&point) => Promise::GoesOn,
            _ if matches!(self, Self::Files | Self::Manual) && point != P::ClaimAnswered => {
                Promise::GoesOnOrTimesOut
            }
            // Its program is gone with the machine, unless it had ended or there was none.
            P::OperationBegun | P::ReportAccepted | P::ReportRegistered | P::ReportStepsWritten
                if self == Self::Apply =>
            {
                Promise::GoesOnOrFails
            }
            _ => self.promise(point),
        }
    }
}

/// Points that no story comes by.
#[must_use]
pub fn dead_points() -> Vec<CrashPoint> {
    let passed: Vec<_> = Story::ALL.into_iter().flat_map(Story::passes).collect();
    let all = CrashPoint::ALL.iter().copied();
    all.filter(|point| !passed.contains(point)).collect()
}

/// What is promised, as a table in Markdown.
#[must_use]
pub fn table() -> String {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let heads = ["killed at", "how things stand"].map(str::to_owned);
    let stories = Story::ALL.map(|story| story.to_string());
    let powerless = Story::WITHOUT_POWER.map(|story| format!("{story}, power lost"));
    let heads: Vec<_> = heads.into_iter().chain(stories).chain(powerless).collect();
    let rule = vec!["---".to_owned(); heads.len()];
    let mut text = row(heads);
    text.push_str(&row(rule));
    for point in CrashPoint::ALL {
        let cell = |passes: Vec<P>, promise: Promise| match passes.contains(point) {
            true => promise.to_string(),
            false => String::new(),
        };
        let place = [format!("`{}`", point.name()), point.stands().to_owned()];
        let killed = Story::ALL.map(|story| cell(story.passes(), story.promise(*point)));
        let powerless = Story::WITHOUT_POWER
            .map(|story| cell(story.passes_without_power(), story.promise_without_power(*point)));
        text.push_str(&row(place.into_iter().chain(killed).chain(powerless).collect()));
    }
    // A cell of nothing.
    text.replace("|  |", "| |").replace("|  |", "| |")
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndsTheSame => "ends the same",
            Self::Fails(_) => "fails",
            Self::GoesOn => "goes on",
            Self::GoesOnOrFails => "goes on or fails",
            Self::GoesOnOrTimesOut => "goes on or times out",
            Self::TimesOut => "times out",
        })
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aborted => "apply, aborted",
            Self::Apply => "apply",
            Self::ApplyAgain => "apply, second daemon",
            Self::Azure => "Azure DevOps",
            Self::Destroy => "destroy",
            Self::Files => "files",
            Self::Github => "GitHub",
            Self::Gitlab => "GitLab",
            Self::Manual => "manual",
            Self::ManualAgain => "manual, second daemon",
            Self::Refused => "apply, state refused",
            Self::Stopped => "manual, told to stop",
        })
    }
}
