//! The server: its thread, its connections, and the way of a request. Main type: [`Server`].
//!
//! Owns one thread with its own runtime, so that the tasks and the runtime of a test hold only what is tested. Each
//! connection is a task there; dropping [`Server`] ends the thread and with it every connection.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::authorization;
use crate::body::AnswerBody;
use crate::damage::Dropped;
use crate::endpoint::{self, Call};
use crate::event::Event;
use crate::fault::Fault;
use crate::reach::Reach;
use crate::request::RecordedRequest;
use crate::route::Target;
use crate::world::World;

/// A plan of 128 MiB in base64, and something to spare: a client that sends more has gone wild.
const BODY_MAX: usize = 192 * 1024 * 1024;

/// What the server and the test's handle share.
#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    changes: watch::Sender<()>,
    reach: watch::Sender<Reach>,
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self {
            world: Mutex::new(world),
            changes: watch::Sender::new(()),
            reach: watch::Sender::new(Reach::Reachable),
        }
    }

    /// A panic in a test's condition must not hide the reason behind a poisoned lock.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changed(&self) {
        self.changes.send_replace(());
    }

    pub(crate) fn set_reach(&self, reach: Reach) {
        self.reach.send_replace(reach);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}

#[derive(Debug)]
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds now, so that the address is known; serves from a thread of its own.
    pub(crate) fn bind(listen: SocketAddr) -> io::Result<(StdListener, SocketAddr)> {
        let listener = StdListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    pub(crate) fn start(listener: StdListener, shared: Arc<Shared>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("emulator".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    // A dropped sender stops it too.
                    _ = stopped => {}
                    () = accept(listener, shared) => {}
                }
            });
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was printed already, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error here is the peer's: it left before it was accepted.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
            }
            // Ended connections are collected as they end, so that the set stays small.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut reach = shared.reach.subscribe();
    let now = *reach.borrow_and_update();
    if now != Reach::Reachable {
        shared.world().turned_away += 1;
        shared.changed();
        if now == Reach::Silent {
            // Connected, and then nothing, until that changes.
            let _ = reach.wait_for(|reach| *reach != Reach::Silent).await;
        }
        return;
    }
    // Answers are small; waiting for more to send would cost 40 ms each.
    let _ = stream.set_nodelay(true);
    shared.world().connections += 1;
    let service = service_fn(move |request| respond(Arc::clone(&shared), request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // An error is a fault of ours or a client that left: neither concerns anybody.
        _ = served => {}
        // Connections that are open when the server goes dark end there and then.
        _ = reach.wait_for(|reach| *reach != Reach::Reachable) => {}
    }
}

async fn respond(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Dropped> {
    let (parts, body) = request.into_parts();
    // Read to its end even when the connection is to be dropped: else the kernel resets it, at its own time.
    let body = Limited::new(body, BODY_MAX).collect().await.map_err(|_| Dropped)?.to_bytes();
    let target = Target::of(&parts.method, parts.uri.path());
    let arrival = Arrival::note(&shared, &target, &parts, &body);
    shared.changed();
    let answered = arrival.answer(&shared, &target, &parts, &body).await;
    shared.changed();
    answered
}

/// A request that was counted and given its fault.
struct Arrival {
    record: Option<usize>,
    fault: Option<Fault>,
}

impl Arrival {
    fn note(shared: &Shared, target: &Target, parts: &Parts, body: &Bytes) -> Self {
        let mut world = shared.world();
        let route = target.route();
        let run = match target {
            Target::State { .. } => authorization::run_of_state_call(&world, &parts.headers),
            _ => target.run(),
        };
        world.arrived(route);
        let fault = world.faults.pick(route, run);
        let kind = fault.as_ref().map(Fault::kind);
        if let Some(kind) = kind {
            world.observer.see(|| Event::Fault { route, kind });
        }
        let keep = world.keeps_everything();
        let record = keep.then(|| {
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            let headers = parts.headers.iter();
            world.requests.push(RecordedRequest {
                route,
                run,
                method: parts.method.to_string(),
                path: parts.uri.to_string(),
                headers: headers
                    .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
                    .collect(),
                body: body.clone(),
                fault: kind,
                status: None,
            });
            world.requests.len() - 1
        });
        Self { record, fault }
    }

    async fn answer(
        self,
        shared: &Shared,
        target: &Target,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Response<AnswerBody>, Dropped> {
        let fault = self.fault.clone().unwrap_or(Fault::Pass);
        if let Some(instead) = fault.instead() {
            if let Ok(response) = &instead {
                self.note_status(shared, response.status().as_u16());
            }
            return instead;
        }
        fault.before().await;
        let answer = {
            let mut world = shared.world();
            let call = Call {
                world: &mut world,
                route: target.route(),
                run: target.run(),
                headers: &parts.headers,
                query: parts.uri.query(),
                body,
            };
            endpoint::answer(target, call)
        };
        let status = answer.status.as_u16();
        let response = fault.damage(answer.into_response()?)?;
        self.note_status(shared, status);
        Ok(response)
    }

    fn note_status(&self, shared: &Shared, status: u16) {
        let mut world = shared.world();
        if let Some(record) = self.record.and_then(|record| world.requests.get_mut(record)) {
            record.status = Some(status);
        }
    }
}
