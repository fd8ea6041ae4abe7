//! Everything that could be tried with a secret that is meant for requests only.

use crate::http::{Header, HeaderValue, Part, Request, Response, SendError};
use crate::jwt::{self, Algorithm};
use crate::sources::{Repository, checkout};
use crate::terraform::{self, set_environment, write_file};
use crate::{OutputType, OutputValue, Secret, Step, tell};

/// A request for this URL and nothing more.
#[must_use]
pub fn request(method: &str, url: &str) -> Request<'static> {
    Request {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout_milliseconds: None,
        max_response_bytes: None,
        interruptible: false,
        take_secret: None,
    }
}

/// Sends it in every way, and tells what came of it in every way.
pub fn send_and_tell(step: &Step, url: &str, secret: &Secret) {
    let sent = send(url, secret);
    tell!(step, "sent: {:?}", sent.as_ref().map(|response| response.status));
    if let Ok(response) = sent {
        repeat(step, &response);
    }
}

/// Says what a server has said wherever something can be said.
#[expect(clippy::print_stdout, reason = "one of the places")]
pub fn repeat(step: &Step, response: &Response) {
    let body = String::from_utf8_lossy(&response.body);
    tell!(step, "answer: {body}");
    for (name, value) in &response.headers {
        tell!(step, "{name}: {value}");
    }
    println!("{body}");
    tell!(step, "message: {:?}", step.tell(&body));
    let value = OutputValue::Text(body.clone().into_owned());
    tell!(step, "answer as output: {:?}", step.output("answer", OutputType::String, &value, false));
    crate::summarize(&body);
    drop(Step::new("named", &body));
}

/// Puts the secret into a header and in every form into the body; returns the first response.
fn send(url: &str, secret: &Secret) -> Result<Response, SendError> {
    let bearer = vec![Part::Text("Bearer ".to_owned()), Part::Secret(secret)];
    let header = Header { name: "authorization".to_owned(), value: HeaderValue::Parts(bearer) };
    let with_header = Request { headers: vec![header], ..request("GET", url) };
    let response = crate::http::send(&with_header)?;
    for part in [Part::Secret(secret), Part::SecretInJson(secret), Part::SecretInForm(secret)] {
        crate::http::send(&Request { body: vec![part], ..request("POST", url) })?;
    }
    Ok(response)
}

/// Sees it, makes an output of it, gives it to programs, signs with it; writes each answer down.
pub fn pass_on(step: &Step, secret: &Secret) {
    tell!(step, "reveal: {:?}", secret.reveal());
    for kind in [OutputType::String, OutputType::Code] {
        let value = OutputValue::Secret(secret);
        tell!(step, "output: {:?}", step.output("copy", kind, &value, true));
    }
    let forms = [
        terraform::Part::Secret(secret),
        terraform::Part::SecretAsJson(secret),
        terraform::Part::SecretAsJsonText(secret),
        terraform::Part::SecretContent(secret),
        terraform::Part::SecretInJson(secret),
    ];
    for form in forms {
        tell!(step, "file: {:?}", write_file("file", &[form]));
    }
    let value = [terraform::Part::Secret(secret)];
    tell!(step, "variable: {:?}", set_environment("NAME", &value));
    let repository = Repository {
        url: "ssh://git.invalid/x".to_owned(),
        revision: None,
        path: None,
        private_key: Some(secret),
        known_host: None,
    };
    tell!(step, "key: {:?}", checkout(&repository).map(|_| ()));
    tell!(step, "sign: {:?}", jwt::sign(secret, Algorithm::Rs256, "{}").map(|_| ()));
}
