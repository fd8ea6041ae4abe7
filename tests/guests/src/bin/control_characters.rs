//! Puts terminal escapes, line ends and characters that turn the direction of the text into every text that the host shows.

use guests::{Failure, Step, StepDeclaration};

guests::attack!(execute);

/// Red, back to the line's start, a bell, right-to-left override, a C1 control, a zero.
const EVIL: &str = "evil\x1b[31m\r\x07\u{202e}\u{9b}\0text";

fn execute(_: guests::Run) -> guests::Ending {
    guests::declare(&[StepDeclaration { id: "step".to_owned(), display_name: EVIL.to_owned() }]);
    guests::summarize(EVIL);
    let step = Step::new("step", EVIL);
    let _ = step.start();
    let _ = step.log(EVIL);
    let _ = step.tell(EVIL);
    let _ = wasip2::cli::stderr::get_stderr().write(EVIL.as_bytes());
    Err(Failure { message: EVIL.to_owned(), detail: Some(EVIL.to_owned()) })
}
