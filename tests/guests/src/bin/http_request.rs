//! Sends the requests that its inputs describe, through plain data, and writes down what comes back.

use guests::http::{Credentials, Header, HeaderValue, Part, Request, send};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("requesting");
    for (_, url) in guests::texts(&run).filter(|(key, _)| *key == "url") {
        let request = Request {
            method: guests::text(&run, "method").unwrap_or("GET").to_owned(),
            url: url.to_owned(),
            headers: headers(&run),
            body: body(&run),
            timeout_milliseconds: guests::number(&run, "timeout"),
            max_response_bytes: guests::number(&run, "max"),
            interruptible: false,
            take_secret: None,
        };
        match send(&request) {
            Ok(response) => {
                guests::tell!(&step, "status: {}", response.status);
                guests::tell!(&step, "headers: {:?}", response.headers);
                guests::tell!(&step, "body: {}", String::from_utf8_lossy(&response.body));
            }
            Err(error) => guests::tell!(&step, "error: {error:?}"),
        }
    }
    Ok(guests::Verdict::Succeeded)
}

/// `header NAME` is a header with this text, `secret header NAME` one with this text and the secret behind it,
/// `basic` the user whose password the secret is.
fn headers(run: &guests::Run) -> Vec<Header<'_>> {
    let secret = guests::first_secret(run);
    let mut headers = Vec::new();
    for (key, text) in guests::texts(run) {
        let text = Part::Text(text.to_owned());
        if let Some(name) = key.strip_prefix("header ") {
            let value = HeaderValue::Parts(vec![text]);
            headers.push(Header { name: name.to_owned(), value });
        } else if let Some(name) = key.strip_prefix("secret header ") {
            let value = HeaderValue::Parts(
                [Some(text), secret.map(Part::Secret)].into_iter().flatten().collect(),
            );
            headers.push(Header { name: name.to_owned(), value });
        } else if key == "basic" {
            let password = secret.map(Part::Secret).into_iter().collect();
            let value = HeaderValue::Basic(Credentials { user: vec![text], password });
            headers.push(Header { name: "authorization".to_owned(), value });
        }
    }
    headers
}

/// `body` is text; `json` and `form` are text before the secret in that form.
fn body(run: &guests::Run) -> Vec<Part<'_>> {
    let secret = guests::first_secret(run);
    let mut parts = Vec::new();
    for (key, text) in guests::texts(run) {
        let text = Part::Text(text.to_owned());
        match (key, secret) {
            ("body", _) => parts.push(text),
            ("json", Some(secret)) => parts.extend([text, Part::SecretInJson(secret)]),
            ("form", Some(secret)) => parts.extend([text, Part::SecretInForm(secret)]),
            _ => {}
        }
    }
    parts
}
