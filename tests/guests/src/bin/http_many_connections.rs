//! Sends many requests before it looks at the first response.

use guests::wasi_http::{read, request, wait};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::Fields;

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("requesting");
    let authority = guests::text(&run, "authority").unwrap_or_default();
    let responses: Vec<_> = (0..guests::number(&run, "times").unwrap_or(10))
        .filter_map(|_| handle(request(authority, Some("/"), Fields::new()), None).ok())
        .collect();
    guests::tell!(&step, "sent: {}", responses.len());
    for response in &responses {
        let body = wait(response).map(|response| read(&response).map(|body| body.len()));
        guests::tell!(&step, "{body:?}");
    }
    Ok(guests::Verdict::Succeeded)
}
