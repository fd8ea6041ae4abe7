//! Running under the Windows service control manager: its stop is our drain.
//!
//! The manager sends no second stop, so that a drain ends with its runs or with `runs.drainTimeout`.

use crate::shutdown::Shutdown;
use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult};
use windows_service::service_dispatcher;

/// The name under which the service is to be installed.
pub const NAME: &str = "blockhouse";

/// What the manager is told about how long stopping takes; a drain may take longer, and the manager is patient.
const STOP_HINT: Duration = Duration::from_secs(30);

type Main = Box<dyn FnOnce(Shutdown) -> u8 + Send>;

/// The manager calls a plain function on a thread of its own; this is how it finds what to do, and how we find the exit code.
static MAIN: Mutex<Option<Main>> = Mutex::new(None);
static EXIT_CODE: Mutex<u8> = Mutex::new(0);

windows_service::define_windows_service!(service_entry, service_main);

/// Runs `main` as the service's body; blocks until the service has stopped, and returns the exit code of `main`.
///
/// # Errors
/// If the process was not started by the service control manager.
pub fn run(main: impl FnOnce(Shutdown) -> u8 + Send + 'static) -> windows_service::Result<u8> {
    *MAIN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(main));
    service_dispatcher::start(NAME, service_entry)?;
    Ok(*EXIT_CODE.lock().unwrap_or_else(PoisonError::into_inner))
}

fn service_main(_arguments: Vec<OsString>) {
    let Some(main) = MAIN.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    let shutdown = Shutdown::default();
    let stop = shutdown.clone();
    let handler = service_control_handler::register(NAME, move |control| match control {
        ServiceControl::Stop | ServiceControl::Shutdown => {
            stop.drain();
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    });
    // Without a handler the manager gives up on us by itself.
    let Ok(handler) = handler else { return };
    let status = |state, exit_code: u8| ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: match state {
            ServiceState::Running => ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN,
            _ => ServiceControlAccept::empty(),
        },
        exit_code: match exit_code {
            0 => ServiceExitCode::NO_ERROR,
            code => ServiceExitCode::ServiceSpecific(code.into()),
        },
        checkpoint: 0,
        wait_hint: STOP_HINT,
        process_id: None,
    };
    // If the manager can't be told, it finds out by itself.
    let _ = handler.set_service_status(status(ServiceState::Running, 0));
    let stopping = shutdown.clone();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
        runtime.block_on(stopping.draining());
        let _ = handler.set_service_status(status(ServiceState::StopPending, 0));
    });
    let exit_code = main(shutdown);
    *EXIT_CODE.lock().unwrap_or_else(PoisonError::into_inner) = exit_code;
    let _ = handler.set_service_status(status(ServiceState::Stopped, exit_code));
}
