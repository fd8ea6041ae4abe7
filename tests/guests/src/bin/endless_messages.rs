//! Ends with messages that are as long as one call lets them be.

use guests::Failure;

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("talking");
    let text = "x".repeat(400_000);
    let _ = step.tell(&text);
    guests::summarize(&text);
    Err(Failure { message: text.clone(), detail: Some(text) })
}
