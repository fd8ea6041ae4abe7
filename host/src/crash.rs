//! Crash points: named places at which a test build can stop as if it was killed. Main type: [`CrashPoint`].
//!
//! A build with debug assertions that finds `BLOCKHOUSE_CRASH_AT=<name>[:<pass>]` in its environment kills itself when it comes to that
//! point for the first or that time: no destructor runs and nothing is flushed. For a point that is named `shim.…` the number counts the
//! shims that the daemon has started, and the variable is handed to that shim alone. With `BLOCKHOUSE_CRASH_TRACE=<file>`, each pass of
//! a point adds a line to the file: its name, and the number of the process.
//!
//! In a release build [`point`] is a `const fn` without a body, which can neither look at the environment nor kill anything: nothing is
//! left of the points, and the variables mean nothing.

#[cfg(debug_assertions)]
mod armed;
#[cfg(not(debug_assertions))]
mod unarmed;

#[cfg(debug_assertions)]
pub use armed::{arm, point, variables_of_shim};
#[cfg(not(debug_assertions))]
pub use unarmed::{arm, point, variables_of_shim};

use std::str::FromStr;

/// What asks for a crash: the name of a point, perhaps a colon and a number.
pub const AT: &str = "BLOCKHOUSE_CRASH_AT";

/// What asks for a trace: a file.
pub const TRACE: &str = "BLOCKHOUSE_CRASH_TRACE";

/// Makes the points, so that each has its name, its documentation and its place in [`CrashPoint::ALL`] at once.
macro_rules! points {
    ($($point:ident $name:literal $stands:literal)+) => {
        /// A place at which a process can stop: what it has done by then, and what it has not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum CrashPoint {
            $(#[doc = $stands] $point,)+
        }

        impl CrashPoint {
            /// All of them, in the order of a run.
            pub const ALL: &'static [Self] = &[$(Self::$point,)+];

            /// What it is called outside of the code.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$point => $name,)+ }
            }

            /// How things stand there.
            #[must_use]
            pub const fn stands(self) -> &'static str {
                match self { $(Self::$point => $stands,)+ }
            }
        }
    };
}

points! {
    JournalCarried "journal.carried" "A start has written what is left over into a segment of its own; the old segments are still there."
    JournalRemoved "journal.removed" "A segment that nobody needs is gone; the next one to go is still there."
    RecoveryCleaned "recovery.cleaned" "Directories of runs that are over are gone; no run that is left over is gone on with."
    RecoveryBegun "recovery.begun" "The runs that are left over are being gone on with; nothing is claimed."
    ClaimAnswered "claim.answered" "meshStack has given us the run; nothing here knows of it."
    RunAdmitted "run.admitted" "The route is known; there is no room for the run yet, and the claim may not be in the journal."
    RunShared "run.shared" "There is room for the run; its secrets are sealed, and the claim may not be in the journal."
    RunPrepared "run.prepared" "The secrets are opened, in memory only; nothing is executed, and the claim may not be in the journal."
    JournalAppended "journal.appended" "A record is in the journal; who waits for it does not know."
    ClaimWritten "claim.written" "The claim is in the journal; nothing is executed."
    ClaimDurable "claim.durable" "The claim of a run that may do something outside is on the disk; nothing is executed."
    DirectoryMade "directory.made" "The run's directory is there, and nothing in it."
    WorkspaceEntered "workspace.entered" "The run has its block to itself and may drive programs; the component does not exist."
    ComponentInstantiated "component.instantiated" "The component is there; it was not called."
    HttpPermitted "http.permitted" "The component's request is permitted; nobody is connected to."
    HttpConnected "http.connected" "There is a connection for the request; nothing of it is sent."
    HttpAnswered "http.answered" "The request is answered; the component does not know."
    TapeWritten "tape.written" "What came from outside is on the run's tape, perhaps that a request is about to be sent; the component does not know."
    TapeResumed "tape.resumed" "The run's tape is found, and that this process goes on with it is written down; the component does not exist."
    CallRecorded "call.recorded" "It is written down that a program is about to be started; none is."
    CallAnswered "call.answered" "What a call without a program has come to is written down; the component does not know."
    OperationTicketed "operation.ticketed" "A shim may start a program; there is no shim."
    OperationBegun "operation.begun" "The shim says that the program runs; nobody here follows it."
    OperationStopRequested "operation.stop_requested" "It is written down that the program is to be stopped; the shim may not have seen it."
    OperationEnded "operation.ended" "The program's end is known here; nothing follows from it yet."
    ShimOrdered "shim.ordered" "The shim knows what to start; it has not said that it will."
    ShimClaimed "shim.claimed" "The shim has said that it is about to start the program; it has not."
    ShimStarted "shim.started" "The program runs; nothing says which process it is."
    ShimStatusWritten "shim.status_written" "It is written down which process the program is; the daemon was not told."
    ShimStopWritten "shim.stop_written" "It is written down that the program is interrupted; it is not."
    ShimProgramEnded "shim.program_ended" "The program is gone, and what it had started is swept; its end is not written down."
    ShimEndWritten "shim.end_written" "The program's end is written down; the shim is still there."
    StateKept "state.kept" "A state that could not be written is kept, sealed; it is where it belongs no more than before."
    StatePushed "state.pushed" "A state that was kept is pushed; its backend was not asked whether it has it."
    StateSettled "state.settled" "All is done about the state of a verb; the component does not know."
    ComponentReturned "component.returned" "The component has returned; how, is in memory only."
    ReportRegistered "report.registered" "meshStack knows who reports; nothing here notes that."
    ReportStepsWritten "report.steps_written" "The steps are in the journal; meshStack was not told of them."
    ReportAccepted "report.accepted" "meshStack has taken a report of progress; nothing here notes that."
    EndDecided "end.decided" "The final status is decided; it is in memory only."
    EndWritten "end.written" "The final status is in the journal, or on its way if the run may be executed again; its directory is there, and meshStack was not told."
    EndDirectoryRemoved "end.directory_removed" "The run's directory is gone; meshStack was not told of the end."
    EndAccepted "end.accepted" "meshStack has taken the final status; nothing here notes that."
    EndSettled "end.settled" "The journal is told that the run is settled; that may not be written."
    RecoveryAdopted "recovery.adopted" "A program that an earlier daemon has started is found; nobody follows it yet."
    ShutdownDraining "shutdown.draining" "Nothing is claimed any more; the runs are not waited for yet."
    ShutdownAborting "shutdown.aborting" "The runs are to be aborted; none is told."
    ShutdownDrained "shutdown.drained" "All runs are over; the daemon is still there."
}

/// What stands in [`AT`] is no point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{AT}` names no crash point: `{given}`")]
pub struct UnknownPoint {
    /// What stands there.
    pub given: String,
}

/// Which pass of which point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pass {
    /// The point.
    pub point: CrashPoint,
    /// The first is 1.
    pub number: u32,
}

impl CrashPoint {
    /// Whether it is a shim that passes it.
    #[must_use]
    pub fn is_of_shim(self) -> bool {
        self.name().starts_with("shim.")
    }
}

impl FromStr for Pass {
    type Err = UnknownPoint;

    fn from_str(given: &str) -> Result<Self, UnknownPoint> {
        let unknown = || UnknownPoint { given: given.to_owned() };
        let (name, number) = given.split_once(':').unwrap_or((given, "1"));
        let point = CrashPoint::ALL.iter().find(|point| point.name() == name);
        let point = *point.ok_or_else(unknown)?;
        let number: u32 = number.parse().map_err(|_| unknown())?;
        if number == 0 { Err(unknown()) } else { Ok(Self { point, number }) }
    }
}

impl std::fmt::Display for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.point.name(), self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_pass_is_read_as_it_is_written_and_nothing_else_is() {
        for point in CrashPoint::ALL {
            let pass = Pass { point: *point, number: 3 };
            assert_eq!(pass.to_string().parse(), Ok(pass));
            assert_eq!(point.name().parse(), Ok(Pass { number: 1, ..pass }));
        }
        for wrong in ["", "claim", "claim.written:", "claim.written:0", "claim.written:x", ":1"] {
            assert_eq!(wrong.parse::<Pass>(), Err(UnknownPoint { given: wrong.to_owned() }));
        }
    }

    #[test]
    fn names_are_told_apart_and_say_how_things_stand() {
        let names: BTreeSet<_> = CrashPoint::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), CrashPoint::ALL.len());
        for point in CrashPoint::ALL {
            let is_plain = |c: char| c.is_ascii_lowercase() || matches!(c, '.' | '_');
            assert!(point.name().chars().all(is_plain), "{}", point.name());
            assert!(point.stands().len() > 20 && !point.stands().contains('|'));
        }
    }
}
