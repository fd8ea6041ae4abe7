//! Which endpoint a request is for. Main type: [`Route`].

use std::fmt;

use hyper::Method;
use percent_encoding::percent_decode_str;
use uuid::Uuid;

const RUNS: &str = "/api/meshobjects/meshbuildingblockruns";
const RUNNERS: &str = "/api/meshobjects/meshbuildingblockrunners/";
const STATES: &str = "/api/terraform/state/workspace/";

/// An endpoint of the emulator: the key for faults, counts and recorded requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// `POST /api/login`
    Login,
    /// `POST …/meshbuildingblockruns/create`
    Claim,
    /// `POST …/{run}/status/source`
    Register,
    /// `PATCH …/{run}/status/source/{source}`
    Update,
    /// `GET …/{run}/plan-artifact`
    Artifact,
    /// `GET` of a Terraform state
    StateRead,
    /// `POST` of a Terraform state
    StateWrite,
    /// `DELETE` of a Terraform state
    StateDelete,
    /// `LOCK` of a Terraform state
    StateLock,
    /// `UNLOCK` of a Terraform state
    StateUnlock,
    /// `PUT …/meshbuildingblockrunners/{runner}`
    RegisterRunner,
    /// Anything else: answered 404 and recorded as a violation.
    Unknown,
}

impl Route {
    /// Every route, in the order of the protocol page.
    pub const ALL: [Self; 12] = [
        Self::Login,
        Self::Claim,
        Self::Register,
        Self::Update,
        Self::Artifact,
        Self::StateRead,
        Self::StateWrite,
        Self::StateDelete,
        Self::StateLock,
        Self::StateUnlock,
        Self::RegisterRunner,
        Self::Unknown,
    ];

    /// The name in scenario files and dumps, such as `register-runner`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Artifact => "artifact",
            Self::Claim => "claim",
            Self::Login => "login",
            Self::Register => "register",
            Self::RegisterRunner => "register-runner",
            Self::StateDelete => "state-delete",
            Self::StateLock => "state-lock",
            Self::StateRead => "state-read",
            Self::StateUnlock => "state-unlock",
            Self::StateWrite => "state-write",
            Self::Unknown => "unknown",
            Self::Update => "update",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whose Terraform state: the two identifiers in its address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StateAddress {
    /// The tenant's workspace.
    pub workspace: String,
    /// The building block.
    pub block: Uuid,
}

/// A route with the identifiers from its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Artifact { run: Uuid },
    Claim,
    Login,
    Register { run: Uuid },
    RegisterRunner { runner: Uuid },
    State { route: Route, address: StateAddress },
    Unknown,
    Update { run: Uuid, source: String },
}

impl Target {
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        if let Some(rest) = path.strip_prefix(RUNS) {
            return Self::of_run(method, rest).unwrap_or(Self::Unknown);
        }
        if let Some(rest) = path.strip_prefix(STATES) {
            return Self::of_state(method, rest).unwrap_or(Self::Unknown);
        }
        if let Some(rest) = path.strip_prefix(RUNNERS) {
            return match Uuid::try_parse(rest) {
                Ok(runner) if method == Method::PUT => Self::RegisterRunner { runner },
                _ => Self::Unknown,
            };
        }
        if path == "/api/login" && method == Method::POST { Self::Login } else { Self::Unknown }
    }

    fn of_run(method: &Method, rest: &str) -> Option<Self> {
        if rest == "/create" {
            return (method == Method::POST).then_some(Self::Claim);
        }
        let (run, rest) = rest.strip_prefix('/')?.split_once('/')?;
        let run = Uuid::try_parse(run).ok()?;
        match (method.as_str(), rest) {
            ("POST", "status/source") => Some(Self::Register { run }),
            ("GET", "plan-artifact") => Some(Self::Artifact { run }),
            ("PATCH", _) => {
                let source = rest.strip_prefix("status/source/")?;
                Some(Self::Update { run, source: source.to_owned() })
            }
            _ => None,
        }
    }

    fn of_state(method: &Method, rest: &str) -> Option<Self> {
        let (workspace, rest) = rest.split_once('/')?;
        let block = Uuid::try_parse(rest.strip_prefix("buildingBlock/")?).ok()?;
        let workspace = percent_decode_str(workspace).decode_utf8().ok()?.into_owned();
        let route = match method.as_str() {
            "DELETE" => Route::StateDelete,
            "GET" => Route::StateRead,
            "LOCK" => Route::StateLock,
            "POST" => Route::StateWrite,
            "UNLOCK" => Route::StateUnlock,
            _ => return None,
        };
        Some(Self::State { route, address: StateAddress { workspace, block } })
    }

    pub(crate) fn route(&self) -> Route {
        match self {
            Self::Artifact { .. } => Route::Artifact,
            Self::Claim => Route::Claim,
            Self::Login => Route::Login,
            Self::Register { .. } => Route::Register,
            Self::RegisterRunner { .. } => Route::RegisterRunner,
            Self::State { route, .. } => *route,
            Self::Unknown => Route::Unknown,
            Self::Update { .. } => Route::Update,
        }
    }

    /// The run in the path. A state's address names a block, not a run.
    pub(crate) fn run(&self) -> Option<Uuid> {
        match self {
            Self::Artifact { run } | Self::Register { run } | Self::Update { run, .. } => {
                Some(*run)
            }
            _ => None,
        }
    }
}

/// The address of a run below the server's base.
pub(crate) fn run_url(base: &str, run: Uuid) -> String {
    format!("{base}{RUNS}/{run}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_path_with_another_method_is_unknown() {
        assert_eq!(Target::of(&Method::GET, "/api/login"), Target::Unknown);
        assert_eq!(Target::of(&Method::GET, &format!("{RUNS}/create")), Target::Unknown);
        assert_eq!(Target::of(&Method::POST, &format!("{RUNS}/create")), Target::Claim);
    }

    #[test]
    fn a_path_without_a_uuid_where_one_belongs_is_unknown() {
        assert_eq!(Target::of(&Method::POST, &format!("{RUNS}/x/status/source")), Target::Unknown);
        assert_eq!(Target::of(&Method::PUT, &format!("{RUNNERS}x")), Target::Unknown);
    }

    #[test]
    fn a_workspace_in_a_state_address_is_percent_decoded() {
        let block = Uuid::from_u128(7);
        let lock = Method::from_bytes(b"LOCK").unwrap();
        let target = Target::of(&lock, &format!("{STATES}my%20space/buildingBlock/{block}"));
        let address = StateAddress { workspace: "my space".into(), block };
        assert_eq!(target, Target::State { route: Route::StateLock, address });
    }
}
