//! The `MANUAL` implementation type.
//!
//! A manual block has no automation behind it: the run succeeds at once, and every input becomes an output of the same
//! name, value and sensitivity (inputs without a value are left out). Secrets pass through as handles; this component never sees one.

mod bindings {
    #![expect(unsafe_code, reason = "generated from the WIT package")]
    wit_bindgen::generate!({ path: "../../wit", world: "implementation" });
    use super::Manual;
    export!(Manual);
}

use bindings::blockhouse::block::progress::{
    OutputValue, Step, StepDeclaration, StepError, declare,
};
use bindings::blockhouse::block::types::{InputType, OutputType, Value};
use bindings::{Failure, Guest, Run, Verdict};

const STEP_ID: &str = "manual";
const STEP_NAME: &str = "Manual Block Run";

struct Manual;

impl Guest for Manual {
    fn execute(run: Run) -> Result<Verdict, Failure> {
        declare(&[StepDeclaration { id: STEP_ID.to_owned(), display_name: STEP_NAME.to_owned() }]);
        let step = Step::new(STEP_ID, STEP_NAME);
        echo(&step, run).map_err(|error| Failure {
            message: format!("An input could not be passed on: {error}"),
            detail: None,
        })?;
        Ok(Verdict::Succeeded)
    }
}

/// Sets one output per input.
fn echo(step: &Step, run: Run) -> Result<(), StepError> {
    step.start()?;
    for input in &run.block.inputs {
        let (value, sensitive) = match &input.value {
            // An input that was left out has nothing to pass on, and an output must have a value.
            Value::Json(json) if json == "null" => continue,
            Value::Json(json) => (OutputValue::Json(json.clone()), false),
            Value::Secret(secret) => (OutputValue::Secret(secret), true),
            Value::Text(text) => (OutputValue::Text(text.clone()), false),
        };
        step.output(&input.key, output_type(&input.type_), &value, sensitive)?;
    }
    step.succeed()
}

/// Outputs have fewer types than inputs.
fn output_type(input: &InputType) -> OutputType {
    match input {
        InputType::Boolean => OutputType::Boolean,
        InputType::Code | InputType::List | InputType::MultiSelect | InputType::Other(_) => {
            OutputType::Code
        }
        InputType::File | InputType::SingleSelect | InputType::String => OutputType::String,
        InputType::Integer => OutputType::Integer,
    }
}
