//! Advances the epoch of the engine, at which busy guests yield.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use wasmtime::EngineWeak;

/// How long a guest may keep a worker thread to itself.
const TICK: Duration = Duration::from_millis(10);

/// A plain thread, since a task could be starved by the very guests that it is to interrupt. Ends when dropped.
#[derive(Debug)]
pub(super) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(super) fn start(engine: EngineWeak) -> io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let thread = Builder::new().name("epoch-ticker".to_owned()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread does nothing that could panic, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}
