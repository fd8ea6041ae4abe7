//! Has Terraform complain about a file that holds a secret, to read it in the complaint.

use guests::terraform::{InitOptions, OperationError, Part, init, install, write_file};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("prying");
    let version = guests::text(&run, "version").unwrap_or_default();
    guests::tell!(&step, "install: {:?}", install(version).is_ok());
    if let Some(secret) = guests::first_secret(&run) {
        let text = |text: &str| Part::Text(text.to_owned());
        let parts = [text("resource \""), Part::Secret(secret), text("\" {\n")];
        guests::tell!(&step, "file: {:?}", write_file("main.tf", &parts));
    }
    let options = InitOptions { meshstack_state: false, upgrade: false };
    if let Err(OperationError::Failed(failure)) = init(options) {
        // In a form that nobody looks for: what the component has seen, and not what its log hides.
        let seen: Vec<_> = failure.diagnostics.bytes().map(|byte| (byte ^ 1).to_string()).collect();
        guests::tell!(&step, "seen: {}", seen.join(" "));
    }
    Ok(guests::Verdict::Succeeded)
}
