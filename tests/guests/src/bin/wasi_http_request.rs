//! Sends the request that its inputs describe, through `wasi:http`, and writes down each answer of the host.

use guests::wasi_http::{read, wait};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("requesting");
    let fields = Fields::new();
    for (key, text) in guests::texts(&run) {
        if let Some(name) = key.strip_prefix("header ") {
            let appended = fields.append(name, text.as_bytes());
            guests::tell!(&step, "header {name}: {appended:?}");
        }
    }
    let request = OutgoingRequest::new(fields);
    if let Some(method) = guests::text(&run, "method") {
        let method = Method::Other(method.to_owned());
        guests::tell!(&step, "method: {:?}", request.set_method(&method));
    }
    let scheme = match guests::text(&run, "scheme") {
        Some("https") => Scheme::Https,
        Some("http") | None => Scheme::Http,
        Some(other) => Scheme::Other(other.to_owned()),
    };
    guests::tell!(&step, "scheme: {:?}", request.set_scheme(Some(&scheme)));
    guests::tell!(&step, "authority: {:?}", request.set_authority(guests::text(&run, "authority")));
    guests::tell!(&step, "path: {:?}", request.set_path_with_query(guests::text(&run, "path")));

    let milliseconds = |key| guests::number(&run, key).map(|number| number * 1_000_000);
    let options = RequestOptions::new();
    let _ = options.set_connect_timeout(milliseconds("connect"));
    let _ = options.set_first_byte_timeout(milliseconds("first-byte"));
    let _ = options.set_between_bytes_timeout(milliseconds("between-bytes"));
    let body = guests::text(&run, "body").map(|text| (text, request.body()));
    let response = match handle(request, Some(options)) {
        Ok(response) => response,
        Err(error) => {
            guests::tell!(&step, "handle: {error:?}");
            return Ok(guests::Verdict::Succeeded);
        }
    };
    if let Some((text, Ok(body))) = body {
        if let Ok(stream) = body.write() {
            let written = stream.blocking_write_and_flush(text.as_bytes());
            guests::tell!(&step, "write: {:?}", written.is_ok());
        }
        guests::tell!(&step, "finish: {:?}", OutgoingBody::finish(body, None));
    }
    match wait(&response) {
        Err(error) => guests::tell!(&step, "error: {error:?}"),
        Ok(response) => {
            guests::tell!(&step, "status: {}", response.status());
            guests::tell!(&step, "headers: {:?}", names(&response.headers()));
            let body = read(&response).map(|body| String::from_utf8_lossy(&body).into_owned());
            guests::tell!(&step, "body: {body:?}");
        }
    }
    Ok(guests::Verdict::Succeeded)
}

fn names(fields: &Fields) -> Vec<String> {
    fields.entries().into_iter().map(|(name, _)| name).collect()
}
