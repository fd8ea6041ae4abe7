//! Waits for an answer that never comes, in a request that may be interrupted. Then asks once more, and cleans up.

use guests::Failure;
use guests::http::{Request, send};
use guests::misuse::request;

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("hanging");
    let url = guests::text(&run, "url").unwrap_or_default();
    let asking = Request { interruptible: true, ..request("GET", url) };
    for time in ["first", "second"] {
        guests::tell!(&step, "{time}: {:?}", send(&asking).map(|response| response.status));
    }
    let cleaning = send(&request("DELETE", url)).map(|response| response.status);
    guests::tell!(&step, "cleaned up: {cleaning:?}");
    Err(Failure { message: "stopped half-way".to_owned(), detail: None })
}
