//! Puts a request together: parts are joined, and secrets and the run's document put in where policy lets them.

use super::error::SendError;
use super::secrets::{self, Form};
use super::send::{Egress, Head, Patience, Ready};
use super::{CallError, head, split};
use crate::capability::types::{Origin, SecretHandle};
use crate::run::DocumentForm;
use crate::sandbox::RunState;
use crate::sandbox::bindings::blockhouse::block::http::{
    Credentials, DocumentForm as Asked, Header, HeaderValue, Part, Request,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blockhouse_policy::{HttpPermit, Target};
use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName};
use secrecy::ExposeSecret as _;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use wasmtime::component::Resource;
use zeroize::Zeroizing;

/// What messages call the run's document.
const DOCUMENT: &str = "the run's document";

/// A request on its way from parts to bytes.
struct Assembly {
    target: Target,
    /// Bytes that headers and body may still have together.
    left: usize,
    max: usize,
    /// The forms of the run's document that were asked for, each made once however often it is named.
    documents: BTreeMap<DocumentForm, Zeroizing<String>>,
}

/// Joined parts, and what messages call the first secret among them.
#[derive(Default)]
struct Joined {
    bytes: Vec<u8>,
    secret: Option<String>,
}

/// A request whose parts are joined.
struct Framed<'a> {
    method: &'a str,
    path: &'a str,
    headers: HeaderMap,
    body: Bytes,
}

impl RunState {
    /// Everything up to the first byte on the wire. The outer error ends the run: the component's handle is none.
    pub(super) fn compose(
        &mut self,
        request: Request,
        patience: Patience,
    ) -> wasmtime::Result<Result<(Ready, Bytes), CallError>> {
        let (scheme, authority, path) = match split(&request.url) {
            Ok(parts) => parts,
            Err(error) => return Ok(Err(error.into())),
        };
        let permit = match self.egress.permit(scheme, authority) {
            Ok(permit) => permit,
            Err(error) => return Ok(Err(error.into())),
        };
        let max = self.grants.limits().host_call_bytes;
        let target = permit.target().clone();
        let mut assembly = Assembly { target, left: max, max, documents: BTreeMap::new() };
        let mut headers = HeaderMap::new();
        for header in request.headers {
            match self.header(header, &mut assembly)? {
                Ok((name, value)) => {
                    headers.append(name, value);
                }
                Err(error) => return Ok(Err(error.into())),
            }
        }
        let body = match self.join(request.body, &mut assembly)? {
            Ok(joined) => Bytes::from(joined.bytes),
            Err(error) => return Ok(Err(error.into())),
        };
        let request = Framed { method: &request.method, path, headers, body };
        Ok(request.prepare(&self.egress, permit, patience))
    }

    fn header(
        &mut self,
        header: Header,
        assembly: &mut Assembly,
    ) -> wasmtime::Result<Result<(HeaderName, hyper::header::HeaderValue), SendError>> {
        let invalid = |what: &str| {
            let name = crate::excerpt::clip(&header.name, 100);
            SendError::Invalid(format!("the header `{name}` has {what}"))
        };
        let Ok(name) = HeaderName::from_bytes(header.name.as_bytes()) else {
            return Ok(Err(invalid("a name that is none")));
        };
        let joined = match header.value {
            HeaderValue::Basic(Credentials { user, password }) => {
                let user = self.join(user, assembly)?;
                let password = self.join(password, assembly)?;
                user.and_then(|user| {
                    let password = password?;
                    let bytes = secrets::basic(&user.bytes, &password.bytes);
                    Ok(Joined { bytes, secret: user.secret.or(password.secret) })
                })
            }
            HeaderValue::Parts(parts) => self.join(parts, assembly)?,
        };
        Ok(joined.and_then(|Joined { bytes, secret }| {
            let value = match secret {
                Some(what) => secrets::sensitive(bytes, &what)?,
                // SECURITY: walls::a_line_break_in_a_header_is_refused
                None => hyper::header::HeaderValue::try_from(bytes)
                    .map_err(|_| invalid("a control character in its value"))?,
            };
            Ok((name, value))
        }))
    }

    /// Joins parts; each secret is asked about for the request's target.
    fn join(
        &mut self,
        parts: Vec<Part>,
        assembly: &mut Assembly,
    ) -> wasmtime::Result<Result<Joined, SendError>> {
        let mut joined = Joined::default();
        for part in parts {
            let before = joined.bytes.len();
            let appended = match part {
                Part::Bytes(bytes) => joined.plain(&bytes),
                Part::RunDocument(form) => self.run_document(&mut joined, form, assembly),
                Part::Secret(secret) => self.secret(&mut joined, &secret, Form::Plain, assembly)?,
                Part::SecretInForm(secret) => {
                    self.secret(&mut joined, &secret, Form::Percent, assembly)?
                }
                Part::SecretInJson(secret) => {
                    self.secret(&mut joined, &secret, Form::Json, assembly)?
                }
                Part::Text(text) => joined.plain(text.as_bytes()),
            };
            // What was joined costs, also if the request is refused for another part of it.
            let added = joined.bytes.len().saturating_sub(before);
            self.charge(added);
            // A handle is a few bytes, and what it stands for may be many.
            // SECURITY: walls::a_secret_named_very_often_does_not_grow_without_end
            // SECURITY: walls::a_document_named_very_often_does_not_grow_without_end
            if let Err(error) = appended.and_then(|()| assembly.take(added)) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(joined))
    }

    /// Appends a secret, if it may go to this target.
    fn secret(
        &mut self,
        joined: &mut Joined,
        secret: &Resource<SecretHandle>,
        form: Form,
        assembly: &Assembly,
    ) -> wasmtime::Result<Result<(), SendError>> {
        let handle = self.table.get(secret)?;
        let target = &assembly.target;
        let granted = match &handle.origin {
            // SECURITY: walls::a_received_secret_is_sent_to_no_other_origin
            Origin::Received(from) => self.grants.received_in_http(from, target),
            // SECURITY: walls::a_secret_is_not_sent_to_a_host_that_policy_does_not_name
            // SECURITY: walls::a_key_for_tokens_is_not_sent_itself
            Origin::Run(entry) => self.grants.secret_in_http(&entry.key, target),
            // SECURITY: walls::a_token_is_sent_to_no_other_host
            Origin::Signed { key } => self.grants.token_in_http(key, target),
        };
        if let Err(denied) = granted {
            let subject = format!("{} to {target}", handle.origin.subject());
            let Self { auditor, .. } = self;
            auditor.denied("secret", &subject, &denied);
            return Ok(Err(SendError::Denied(denied.rule)));
        }
        secrets::append(&mut joined.bytes, &handle.text, form);
        joined.secret.get_or_insert_with(|| handle.origin.to_string());
        Ok(Ok(()))
    }

    /// Appends the run's document, if it may go to this target.
    fn run_document(
        &mut self,
        joined: &mut Joined,
        asked: Asked,
        assembly: &mut Assembly,
    ) -> Result<(), SendError> {
        let Assembly { target, left, documents, .. } = assembly;
        let subject = target.to_string();
        // SECURITY: walls::the_runs_document_goes_to_no_host_without_a_grant
        match self.grants.run_document(target) {
            Ok(permit) => self.auditor.document(&subject, permit.rule()),
            Err(denied) => {
                self.auditor.denied("document", &subject, &denied);
                return Err(SendError::Denied(denied.rule));
            }
        }
        let form = match asked.contains(Asked::WITHOUT_IMPLEMENTATION) {
            true => DocumentForm::TypeOnly,
            false => DocumentForm::AllButSealed,
        };
        let text = match documents.entry(form) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(place) => {
                let document = self.document.clone();
                // All of it is read, whatever is left out.
                self.charge(
                    document.as_ref().map_or(0, |whole| whole.text().expose_secret().len()),
                );
                let made = document.and_then(|document| document.for_others(form));
                let none = || SendError::Invalid(format!("{DOCUMENT} can't be had here"));
                place.insert(made.ok_or_else(none)?)
            }
        };
        // One that does not fit is not even encoded.
        if text.len() <= *left {
            let encoded =
                asked.contains(Asked::BASE64).then(|| Zeroizing::new(STANDARD.encode(&*text)));
            joined.plain(encoded.as_ref().unwrap_or(text).as_bytes())?;
            joined.secret.get_or_insert_with(|| DOCUMENT.to_owned());
            return Ok(());
        }
        Err(assembly.too_large())
    }
}

impl Assembly {
    /// Counts bytes of the request.
    fn take(&mut self, bytes: usize) -> Result<(), SendError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| self.too_large())?;
        Ok(())
    }

    fn too_large(&self) -> SendError {
        SendError::Invalid(format!("the request is larger than {} KiB", self.max >> 10))
    }
}

impl Joined {
    fn plain(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

impl Framed<'_> {
    fn prepare(
        self,
        egress: &Arc<Egress>,
        permit: HttpPermit,
        patience: Patience,
    ) -> Result<(Ready, Bytes), CallError> {
        let Self { method, path, mut headers, body } = self;
        let (method, path) = (head::method(method)?, head::path(path)?);
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        // RFC 9110, 8.6: where a body is usual, its absence is said.
        let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&method);
        if length > 0 || has_body {
            headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
        }
        let head = Head { method, path, headers, length: Some(length) };
        Ok((egress.prepare(permit, head, patience)?, body))
    }
}
