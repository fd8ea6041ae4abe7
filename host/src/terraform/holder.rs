//! Who holds the lock of a state that an `http` backend keeps: [`ask`].
//!
//! A refused Terraform shows nothing of the lock in its way but the id, though the backend says more. So the backend is asked once more, in a
//! process of its own that is started like Terraform, behind the same walls: its address comes from a repository.

use super::backend::{self, Backend};
use super::locks::{Holder, Lock};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// The subcommand of this program.
const COMMAND: &str = "lock-holder";

/// Bytes of what a backend says of a lock.
pub(super) const ANSWER_MAX: u64 = 64 << 10;

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often a lock is given back that was free after all, and how long after a failure.
const UNLOCK_TRIES: u32 = 5;
const UNLOCK_PAUSE: Duration = Duration::from_secs(1);

/// Why nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum HolderError {
    /// Only Terraform can speak with this backend.
    #[error("the backend can't be asked: {0}")]
    Backend(String),
    /// No answer came.
    #[error("failed to ask the backend")]
    Request(#[source] reqwest::Error),
    /// The answer is another one than expected.
    #[error("the backend answered {0}")]
    Status(StatusCode),
    /// Nobody holds it.
    #[error("the lock is free")]
    Free,
    /// It was free; it was taken, and could not be given back.
    #[error("the lock was free, and could not be given back: it is {0} now")]
    Left(String),
}

impl From<reqwest::Error> for HolderError {
    fn from(error: reqwest::Error) -> Self {
        // It may have a password in it.
        Self::Request(error.without_url())
    }
}

/// As Terraform has it, and as it is kept by backends.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    info: String,
    #[serde(default)]
    who: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    created: String,
    #[serde(default)]
    path: String,
}

/// The arguments of this program for [`ask`].
pub(super) fn arguments() -> Vec<String> {
    vec![COMMAND.to_owned()]
}

/// What a backend has said of the holder of this lock, if it is about that one.
pub(super) fn parse(said: &[u8], lock: &Lock) -> Option<Holder> {
    let info: Info = serde_json::from_slice(said).ok()?;
    let Info { id, operation, who, version, created, .. } = info;
    let created = humantime::parse_rfc3339(&created).ok();
    (id == lock.id).then_some(Holder { operation, who, version, created })
}

/// The process `blockhouse lock-holder`, which is started where Terraform would be: asks the backend for the lock, and returns what it says
/// of the one in the way.
///
/// # Errors
/// [`HolderError`].
pub async fn ask() -> Result<Vec<u8>, HolderError> {
    let data = std::env::var("TF_DATA_DIR").unwrap_or_else(|_| ".terraform".to_owned());
    let backend = backend::read(Path::new(&data)).map_err(HolderError::Backend)?;
    // Never that of a lock: to some backends who knows it is its holder.
    let id = Uuid::new_v4().to_string();
    let info = serde_json::to_vec(&Info::ours(&id)).unwrap_or_default();
    let client = client(&backend)?;
    let request = |verb: &str| {
        let of = |name: &str| setting(&backend, &format!("{verb}_{name}"));
        let method = of("method").unwrap_or_else(|| verb.to_ascii_uppercase());
        let method = Method::from_bytes(method.as_bytes());
        let method = method.map_err(|error| HolderError::Backend(error.to_string()))?;
        let address =
            of("address").ok_or_else(|| HolderError::Backend("it has no locks".to_owned()))?;
        let mut request =
            client.request(method, address).header("Content-Type", "application/json");
        if let Some(user) = setting(&backend, "username") {
            request = request.basic_auth(user, setting(&backend, "password"));
        }
        Ok::<_, HolderError>(request.body(info.clone()))
    };
    let (lock, unlock) = (request("lock")?, request("unlock")?);
    let answer = lock.send().await?;
    match answer.status() {
        StatusCode::CONFLICT | StatusCode::LOCKED => whole(answer).await,
        StatusCode::OK => Err(give_back(unlock, &id).await),
        status => Err(HolderError::Status(status)),
    }
}

/// As the configuration has it, or else the environment.
fn setting(backend: &Backend, name: &str) -> Option<String> {
    let variable = || std::env::var(format!("TF_HTTP_{}", name.to_ascii_uppercase())).ok();
    backend.text(name).map(str::to_owned).or_else(variable)
}

fn client(backend: &Backend) -> Result<Client, HolderError> {
    if backend.kind != "http" {
        return Err(HolderError::Backend(format!("it is `{}`", backend.kind)));
    }
    let names = ["client_certificate_pem", "client_private_key_pem"];
    if names.iter().any(|name| setting(backend, name).is_some()) {
        return Err(HolderError::Backend("it wants a certificate".to_owned()));
    }
    let mut client = Client::builder().redirect(Policy::none()).timeout(TIMEOUT);
    if let Some(pem) = setting(backend, "client_ca_certificate_pem") {
        client = client.tls_certs_only(Certificate::from_pem_bundle(pem.as_bytes())?);
    }
    Ok(client.build()?)
}

/// The lock was free, and now it is ours: it must not stay.
async fn give_back(unlock: RequestBuilder, id: &str) -> HolderError {
    for _ in 0..UNLOCK_TRIES {
        let sent = match unlock.try_clone() {
            Some(unlock) => unlock.send().await,
            None => break,
        };
        if sent.is_ok_and(|answer| answer.status().is_success()) {
            return HolderError::Free;
        }
        tokio::time::sleep(UNLOCK_PAUSE).await;
    }
    HolderError::Left(id.to_owned())
}

async fn whole(mut answer: Response) -> Result<Vec<u8>, HolderError> {
    let mut said = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        said.extend_from_slice(&chunk);
        // SECURITY: terraform::holder::what_is_said_of_a_lock_is_read_and_anything_else_is_nothing
        if u64::try_from(said.len()).unwrap_or(u64::MAX) > ANSWER_MAX {
            return Err(HolderError::Backend("it says too much".to_owned()));
        }
    }
    Ok(said)
}

impl Info {
    fn ours(id: &str) -> Self {
        let user = std::env::var("USER").unwrap_or_default();
        Self {
            id: id.to_owned(),
            operation: COMMAND.to_owned(),
            info: "asks who holds the lock".to_owned(),
            who: format!("{user}@{}", gethostname::gethostname().to_string_lossy()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            created: humantime::format_rfc3339_nanos(SystemTime::now()).to_string(),
            path: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = r#"{"ID":"id-1","Operation":"OperationTypeApply","Info":"","Who":"root@vm","Version":"1.11.4","Created":"2026-11-21T06:56:26.994560315Z","Path":""}"#;

    fn lock(id: &str) -> Lock {
        Lock { id: id.to_owned(), holder: None, is_own: false }
    }

    #[test]
    fn what_is_said_of_a_lock_is_read_and_anything_else_is_nothing() {
        let holder = parse(SAID.as_bytes(), &lock("id-1")).unwrap();
        assert_eq!(holder.operation, "OperationTypeApply");
        assert_eq!((holder.who.as_str(), holder.version.as_str()), ("root@vm", "1.11.4"));
        let seconds = holder.created.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(seconds.as_nanos(), 1_795_244_186_994_560_315);
        assert_eq!(parse(SAID.as_bytes(), &lock("id-2")), None, "another lock");
        for said in ["", "{", "[]", "{\"Who\":\"x\"}", "null", "\"id-1\""] {
            assert_eq!(parse(said.as_bytes(), &lock("id-1")), None, "{said}");
        }
        let vague = parse(br#"{"ID":"id-1","Created":"yesterday"}"#, &lock("id-1")).unwrap();
        assert_eq!((vague.created, vague.who.as_str()), (None, ""));
    }
}
