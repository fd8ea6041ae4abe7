//! An example to copy: takes the input `name`, reports two steps and returns the output `greeting`.
//!
//! Build it with `cargo build --release --target wasm32-wasip2`; the `.wasm` file is the component.

mod bindings {
    #![expect(unsafe_code, reason = "generated from the WIT package")]
    wit_bindgen::generate!({ path: "../../wit", world: "implementation" });
    use super::Hello;
    export!(Hello);
}

use bindings::blockhouse::block::progress::{
    OutputValue, Step, StepDeclaration, StepError, declare, summarize,
};
use bindings::blockhouse::block::types::{Behavior, OutputType, Value};
use bindings::{Failure, Guest, Run, Verdict};

struct Hello;

impl Guest for Hello {
    fn execute(run: Run) -> Result<Verdict, Failure> {
        // Declaring all steps first lets the user see the whole timeline from the start.
        declare(&[declaration("read", "Read the name"), declaration("greet", "Say hello")]);
        let name = read_name(&run)?;
        greet(&run, &name).map_err(|error| failure(format!("The greeting failed: {error}")))?;
        Ok(Verdict::Succeeded)
    }
}

/// The first step: finds the input `name`.
fn read_name(run: &Run) -> Result<String, Failure> {
    let step = Step::new("read", "Read the name");
    let misused = |error: StepError| failure(format!("The step refused: {error}"));
    step.start().map_err(misused)?;
    step.log(&format!("the block has {} inputs", run.block.inputs.len())).map_err(misused)?;
    let name = run.block.inputs.iter().find(|input| input.key == "name");
    let name = match name.map(|input| &input.value) {
        Some(Value::Text(text)) if !text.trim().is_empty() => text.trim().to_owned(),
        // A sensitive name would need the operator's leave (`reveal`), and no greeting needs one.
        _ => return Err(failure("Please enter a name in the input `name`.".to_owned())),
    };
    step.succeed().map_err(misused)?;
    Ok(name)
}

/// The second step: sets the output `greeting`.
fn greet(run: &Run, name: &str) -> Result<(), StepError> {
    let step = Step::new("greet", "Say hello");
    step.start()?;
    let greeting = match run.behavior {
        Behavior::Apply => format!("Hello, {name}!"),
        Behavior::Destroy => format!("Goodbye, {name}!"),
        Behavior::Detect => format!("I would greet {name}."),
    };
    step.tell(&greeting)?;
    step.output("greeting", OutputType::String, &OutputValue::Text(greeting.clone()), false)?;
    summarize(&greeting);
    step.succeed()
}

fn declaration(id: &str, display_name: &str) -> StepDeclaration {
    StepDeclaration { id: id.to_owned(), display_name: display_name.to_owned() }
}

fn failure(message: String) -> Failure {
    Failure { message, detail: None }
}
