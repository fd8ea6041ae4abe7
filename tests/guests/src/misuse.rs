//! Everything that could be tried with a secret that is meant for requests only.

use crate::http::{Header, HeaderValue, Part, Request, SendError};
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

/// Puts the secret into a header and in every form into the body; returns the status.
///
/// # Errors
/// Why there is no response.
pub fn send(url: &str, secret: &Secret) -> Result<u16, SendError> {
    let bearer = vec![Part::Text("Bearer ".to_owned()), Part::Secret(secret)];
    let header = Header { name: "authorization".to_owned(), value: HeaderValue::Parts(bearer) };
    let with_header = Request { headers: vec![header], ..request("GET", url) };
    let status = crate::http::send(&with_header)?.status;
    for part in [Part::Secret(secret), Part::SecretInJson(secret), Part::SecretInForm(secret)] {
        crate::http::send(&Request { body: vec![part], ..request("POST", url) })?;
    }
    Ok(status)
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
