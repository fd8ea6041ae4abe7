//! What the demo orders, and what must come of it.

use blockhouse_emulator::{InputType, RunSpec, RunState, Terraform};
use serde_json::json;

/// One run of the demo.
pub(crate) struct Case {
    /// What the person watching reads.
    pub(crate) name: &'static str,
    /// The implementation type and component that it needs beside `MANUAL`.
    pub(crate) component: Option<(&'static str, &'static [u8])>,
    /// The order.
    pub(crate) spec: RunSpec,
    /// The step at which its user aborts it.
    pub(crate) aborted_at: Option<&'static str>,
    /// How it must end.
    pub(crate) state: RunState,
    /// What its messages must contain.
    pub(crate) says: &'static str,
}

/// All of them; that of Terraform, the last one, only if there is something for it.
pub(crate) fn cases(pipelines: Vec<Case>, terraform: Option<Terraform>) -> Vec<Case> {
    let mut cases = components();
    cases.extend(pipelines);
    cases.extend(terraform.map(|implementation| {
        Case {
            name: "terraform",
            component: None,
            spec: RunSpec::terraform(implementation)
                .input("name", InputType::String, json!("Ada \"${Lovelace}\""))
                .sensitive_input("password", InputType::String, "only Terraform sees this"),
            aborted_at: None,
            state: RunState::Succeeded,
            says: "Apply complete! Resources: 2 added",
        }
    }));
    cases
}

fn components() -> Vec<Case> {
    let of = |kind: &str| RunSpec::manual().implementation(json!({ "type": kind }));
    vec![
        Case {
            name: "manual, every input",
            component: None,
            spec: every_input(),
            aborted_at: None,
            state: RunState::Succeeded,
            says: "",
        },
        Case {
            name: "hello",
            component: Some(("HELLO", blockhouse_artifacts::HELLO)),
            spec: of("HELLO").input("name", InputType::String, json!("Ada")),
            aborted_at: None,
            state: RunState::Succeeded,
            says: "Hello, Ada!",
        },
        Case {
            name: "hello, without a name",
            component: None,
            spec: of("HELLO"),
            aborted_at: None,
            state: RunState::Failed,
            says: "Please enter a name",
        },
        Case {
            name: "endless loop",
            component: Some(("LOOP", blockhouse_artifacts::LOOP_FOREVER)),
            spec: of("LOOP"),
            aborted_at: None,
            state: RunState::Failed,
            says: "limit.cpu",
        },
        Case {
            name: "asks for a secret",
            component: Some(("CURIOUS", blockhouse_artifacts::REVEAL_SECRET)),
            spec: of("CURIOUS").sensitive_input("token", InputType::String, "not for components"),
            aborted_at: None,
            state: RunState::Succeeded,
            says: "policy `policy` does not reveal the secret `token`",
        },
        Case {
            name: "aborted by its user",
            component: Some(("PATIENT", blockhouse_artifacts::WATCH_ABORT)),
            spec: of("PATIENT"),
            aborted_at: Some(ABORTED_STEP),
            state: RunState::Aborted,
            says: "aborted",
        },
        Case {
            name: "unknown type",
            component: None,
            spec: of("PULUMI"),
            aborted_at: None,
            state: RunState::Failed,
            says: "no component for the implementation type `PULUMI`",
        },
    ]
}

/// The step that the guest `watch_abort` shows.
const ABORTED_STEP: &str = "working";

fn every_input() -> RunSpec {
    RunSpec::manual()
        .input("text", InputType::String, json!("Grüße"))
        .input("number", InputType::Integer, json!(42))
        .input("yes", InputType::Boolean, json!(true))
        .input("code", InputType::Code, json!("{\"a\": 1}"))
        .input("file", InputType::File, json!("data:text/plain;base64,aGVsbG8="))
        .input("one", InputType::SingleSelect, json!("b"))
        .input("many", InputType::MultiSelect, json!(["a", "c"]))
        .sensitive_input("password", InputType::String, "a secret, sealed to the runner's key")
}
