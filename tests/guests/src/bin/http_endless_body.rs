//! Sends a body that never ends.

use guests::wasi_http::request;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::Fields;

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("sending");
    let authority = guests::text(&run, "authority").unwrap_or_default();
    let request = request(authority, Some("/"), Fields::new());
    let body = request.body();
    let response = handle(request, None);
    guests::tell!(&step, "handle: {}", response.is_ok());
    if let Ok(body) = body
        && let Ok(stream) = body.write()
    {
        while stream.blocking_write_and_flush(&[0x55; 4096]).is_ok() {}
    }
    // Whatever stopped it, it claims that all went well.
    Ok(guests::Verdict::Succeeded)
}
