//! A fake meshStack *server* over real HTTP, for tests, benches and trying the daemon by hand. Main type:
//! [`Emulator`].
//!
//! It knows every endpoint of the protocol page, keeps each run's state machine, and records every breach of the
//! protocol as a [`Violation`]; an emulator that is dropped with violations panics. Faults are [scripted per
//! route](Emulator::script) or come [by chance from a seed](Emulator::random_faults). Its clock moves only by
//! [`Emulator::advance`]. It shares no types with the host; both are pinned to the same golden bodies.
//!
//! ```
//! use std::time::Duration;
//! use blockhouse_emulator::{Emulator, InputType, RunSpec, RunState};
//! use serde_json::json;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let emulator = Emulator::builder().api_key("id", "secret").start().await.unwrap();
//! let run = emulator.enqueue(RunSpec::manual().input("name", InputType::String, json!("x")));
//! // … start the daemon with `emulator.url()` …
//! # emulator.abort(&run);
//! emulator.wait_until(Duration::from_secs(10), |view| view.unfinished() == 0).await.unwrap();
//! assert_eq!(emulator.run(&run).unwrap().state, RunState::Aborted);
//! # });
//! ```

mod answer;
mod authorization;
mod body;
mod builder;
mod config;
mod damage;
mod document;
mod emulator;
mod endpoint;
mod event;
mod fault;
mod fault_plan;
mod reach;
mod request;
mod route;
mod run;
mod seal;
mod server;
mod spec;
mod tfstate;
mod view;
mod violation;
mod wire;
mod world;

pub use body::{AnswerBody, BrokenOff};
pub use builder::{Builder, DEFAULT_RUNNER_UUID, StartError};
pub use damage::Dropped;
pub use emulator::{Emulator, Timeout};
pub use event::Event;
pub use fault::{Fault, FaultKind, Gate, RandomFaults};
pub use reach::Reach;
pub use request::{RecordedRequest, Recording};
pub use route::{Route, StateAddress};
pub use seal::{SealError, Sealer};
pub use spec::{
    AzureDevops, Behavior, GithubWorkflow, GitlabCicd, InputType, RunSpec, Terraform, data_url,
};
pub use tfstate::{HeldLock, StateEvent, StateHappening, TerraformState};
pub use view::{EmulatorView, RunState, RunView, StepView};
pub use violation::Violation;
pub use wire::{Output, OutputType, Status};
