//! `wasi:http`: wasmtime's types and streams, and our own way out behind them.

use super::error::SendError;
use super::head;
use super::send::{Egress, Head, Patience};
use crate::sandbox::RunState;
use blockhouse_policy::Limits;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use hyper::http::uri::Scheme;
use hyper::{Request, Response};
use std::sync::Arc;
use wasmtime::component::Linker;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{
    Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView,
    WasiHttpHooks, WasiHttpView,
};

/// Bytes that a component may write to a body at once. One such piece waits in the host per body, whether it is sent or not,
/// so that bodies that nobody sends stay small.
const BODY_PIECE: usize = 16 << 10;

/// Bytes of a set of headers; a component may hold as many sets as handles.
const FIELDS_MIN: usize = 8 << 10;
const FIELDS_MAX: usize = 64 << 10;

/// Why a run that has sent such a request can't be resumed.
const UNTAPED: &str = "its component has sent a request by `wasi:http`, whose answers are not kept (those of `blockhouse:block/http` are)";

type IoTask = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, IoTask), Error>;

/// What `wasi:http` needs per run.
#[derive(Debug)]
pub(crate) struct WasiHttp {
    context: WasiHttpCtx,
    hooks: Hooks,
}

/// Where wasmtime asks us.
#[derive(Debug)]
struct Hooks {
    egress: Arc<Egress>,
}

impl WasiHttp {
    pub(crate) fn new(egress: Arc<Egress>) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(fields_max(egress.grants.limits()));
        Self { context, hooks: Hooks { egress } }
    }
}

/// All sets of headers together take no more of the host than the component may have memory of its own, within bounds.
// SECURITY: walls::headers_that_are_never_sent_are_bounded
fn fields_max(limits: &Limits) -> usize {
    (limits.memory_bytes / limits.handles.max(1)).clamp(FIELDS_MIN, FIELDS_MAX)
}

/// Links `wasi:http`. Always: toolchains import it even if the program does not use it, and every request is asked about.
pub(crate) fn link(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

impl WasiHttpView for RunState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Self { wasi_http, table, .. } = self;
        WasiHttpCtxView { ctx: &mut wasi_http.context, table, hooks: &mut wasi_http.hooks }
    }
}

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &hyper::header::HeaderName) -> bool {
        head::is_reserved(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(head::is_reserved)
    }

    /// Policy decides, and says why.
    fn is_supported_scheme(&mut self, _: &Scheme) -> bool {
        true
    }

    /// `Egress` does, with the name that policy was asked about.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: IoTask,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let egress = Arc::clone(&self.egress);
        let (parts, body) = request.into_parts();
        let ready = self.ready(&parts, body.size_hint().exact(), options);
        Box::new(async move {
            let response = match ready {
                // SECURITY: e2e::replay::a_run_that_has_used_wasi_http_is_not_begun_again
                Ok(ready) => match egress.tape.leave(UNTAPED).await {
                    Ok(()) => egress.outbound.threads.carry_out(ready.send(body)).await,
                    // The run ends with the call.
                    Err(_) => Err(SendError::Invalid(UNTAPED.to_owned())),
                },
                Err(error) => Err(error),
            };
            let response = response.inspect_err(|error| egress.explain(error))?;
            let response = response.map(|body| {
                let explained = move |error: SendError| {
                    egress.explain(&error);
                    Error::from(error)
                };
                body.map_err(explained).boxed_unsync()
            });
            // The connection has a task of its own, which the body holds.
            Ok((response, Box::new(std::future::ready(Ok(()))) as IoTask))
        })
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        1
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_PIECE
    }

    /// As wasmtime's own, but without a line in the operator's log for each.
    fn p2_error_from_hyper(&mut self, _: &hyper::Error) -> ErrorCode {
        ErrorCode::HttpProtocolError
    }

    fn p2_error_from_connect(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::ConnectionRefused
    }

    fn p2_error_from_tls(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::TlsProtocolError
    }
}

impl Hooks {
    /// All that is decided before anything happens.
    fn ready(
        &self,
        request: &hyper::http::request::Parts,
        length: Option<u64>,
        options: Option<RequestOptions>,
    ) -> Result<super::send::Ready, SendError> {
        let uri = &request.uri;
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let permit = self.egress.permit(scheme, authority)?;
        let head = Head {
            method: head::method(request.method.as_str())?,
            path: head::path(uri.path_and_query().map_or("", |path| path.as_str()))?,
            headers: request.headers.clone(),
            length,
        };
        let mut patience = Patience::default();
        if let Some(options) = options {
            let RequestOptions { connect_timeout, first_byte_timeout, between_bytes_timeout } =
                options;
            patience.connect = connect_timeout.unwrap_or(patience.connect);
            patience.response = first_byte_timeout.unwrap_or(patience.response);
            patience.between_bytes = between_bytes_timeout.unwrap_or(patience.between_bytes);
        }
        self.egress.prepare(permit, head, patience)
    }
}
