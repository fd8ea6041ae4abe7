//! `wasi:http` by hand: requests that no library would make.

use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method,
    OutgoingRequest, Scheme,
};
use wasip2::io::streams::StreamError;

/// A request to an authority by `http`, with these headers.
#[must_use]
pub fn request(authority: &str, path: Option<&str>, headers: Fields) -> OutgoingRequest {
    let request = OutgoingRequest::new(headers);
    // What is refused here, the host refuses later in words.
    let _ = request.set_method(&Method::Post);
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(path);
    request
}

/// Waits for the response.
///
/// # Errors
/// The code that the host gave.
pub fn wait(response: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    loop {
        match response.get() {
            Some(Ok(response)) => return response,
            Some(Err(())) => return Err(ErrorCode::InternalError(Some("taken".to_owned()))),
            None => response.subscribe().block(),
        }
    }
}

/// Reads a body to its end.
///
/// # Errors
/// What the stream said.
pub fn read(response: &IncomingResponse) -> Result<Vec<u8>, String> {
    let body: IncomingBody = response.consume().map_err(|()| "no body".to_owned())?;
    let stream = body.stream().map_err(|()| "no stream".to_owned())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(part) => bytes.extend(part),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
}
