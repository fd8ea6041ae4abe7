//! What happens on the server, as it happens. Main type: [`Event`].

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::view::RunState;
use crate::wire::Status;
use crate::{Route, Violation};

/// Something that an onlooker wants to see.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A run entered this state.
    Run {
        /// The run.
        id: Uuid,
        /// Its new state.
        state: RunState,
    },
    /// A step of a run changed its status.
    Step {
        /// The run.
        run: Uuid,
        /// The step's id.
        step: String,
        /// Its new status.
        status: Status,
        /// Its user message at that moment.
        user_message: Option<String>,
    },
    /// A fault was injected.
    Fault {
        /// Where.
        route: Route,
        /// What.
        kind: crate::FaultKind,
    },
    /// A client broke the protocol.
    Violated(Violation),
}

type Onlooker = Arc<dyn Fn(&Event) + Send + Sync>;

/// Calls the onlooker; nothing when there is none.
#[derive(Clone, Default)]
pub(crate) struct Observer(pub(crate) Option<Onlooker>);

impl Observer {
    pub(crate) fn see(&self, event: impl FnOnce() -> Event) {
        if let Some(observer) = &self.0 {
            observer(&event());
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}
