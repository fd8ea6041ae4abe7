//! A workspace in surroundings that a test holds in its hands: [`World`].

use blockhouse::run::{Behavior, RunId};
use blockhouse::shutdown::Abort;
use blockhouse::terraform::{
    Assignment, Config, FetchedPlan, PlanSource, StateBackend, Terraform, Workspace, open_sealed,
};
use blockhouse::unseal::PrivateKey;
use blockhouse_policy::{Grants, Limits, Policy, TerraformPermit};
use blockhouse_tests::terraform::{NATIVE_KEY, native_with, paths};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub(super) const ALL: &str = "verbs = [\"plan\", \"apply\", \"destroy\"]\nscripts = { network = true }\nrelease_locks = true\nmodules = [\"*\"]\n";

/// A state backend over HTTP.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) state: Option<Vec<u8>>,
    pub(super) lock: Option<String>,
    /// Answers the next so many writes with 403.
    pub(super) refuse_writes: u32,
    /// What becomes of the next writes of `state push`; later ones are taken.
    pub(super) pushes: VecDeque<Push>,
    pub(super) unlocks: u32,
    /// Answers the next so many requests for the lock with 403.
    pub(super) refuse_locks: u32,
    /// Grants the lock and breaks the connection off instead of saying so, so many times.
    pub(super) drop_locks: u32,
    /// Grants the lock, or leaves it with its holder, and does not answer, so many times.
    pub(super) hang_locks: u32,
    pub(super) requests: Vec<String>,
}

/// What a backend does with a state that is pushed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Push {
    /// Says that it has taken it, and has not.
    Forget,
    /// Does not answer.
    Ignore,
}

#[derive(Clone)]
pub(super) struct Backend {
    pub(super) address: String,
    pub(super) kept: Arc<Mutex<Kept>>,
}

impl Backend {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::new(Mutex::new(Kept::default()));
        let shared = Arc::clone(&kept);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream.unwrap(), &shared));
            }
        });
        Self { address, kept }
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Kept) -> T) -> T {
        look(&mut self.kept.lock().unwrap())
    }
}

pub(super) fn serve(stream: std::net::TcpStream, kept: &Mutex<Kept>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        let mut is_chunked = false;
        let mut authorization = String::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let lower = header.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            is_chunked |= lower.starts_with("transfer-encoding: chunked");
            if let Some(value) = header.strip_prefix("Authorization: ") {
                authorization = value.trim().to_owned();
            }
            if header.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        while is_chunked {
            let mut size = String::new();
            reader.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).unwrap();
            chunk.truncate(size);
            body.extend(chunk);
            is_chunked = size > 0;
        }
        let mut kept = kept.lock().unwrap();
        kept.requests.push(format!("{} {authorization}", line.trim()));
        let method = line.split(' ').next().unwrap().to_owned();
        let is_push =
            method == "POST" && kept.lock.as_ref().is_some_and(|lock| lock.contains("state-push"));
        let push = if is_push { kept.pushes.pop_front() } else { None };
        if push == Some(Push::Ignore) {
            drop(kept);
            // Until the client gives up.
            let _ = reader.read_to_end(&mut Vec::new());
            return;
        }
        if method == "LOCK" && kept.hang_locks > 0 {
            kept.hang_locks -= 1;
            kept.lock.get_or_insert_with(|| String::from_utf8(body).unwrap());
            drop(kept);
            // Until the client is gone.
            let _ = reader.read_to_end(&mut Vec::new());
            return;
        }
        if method == "LOCK" && kept.drop_locks > 0 {
            kept.drop_locks -= 1;
            kept.lock = Some(String::from_utf8(body).unwrap());
            return;
        }
        let (status, answer): (&str, Vec<u8>) = match method.as_str() {
            "POST" if push == Some(Push::Forget) => ("200 OK", Vec::new()),
            "GET" => match &kept.state {
                Some(state) => ("200 OK", state.clone()),
                None => ("404 Not Found", Vec::new()),
            },
            "POST" if kept.refuse_writes > 0 => {
                kept.refuse_writes -= 1;
                ("403 Forbidden", Vec::new())
            }
            "POST" => {
                kept.state = Some(body);
                ("200 OK", Vec::new())
            }
            "LOCK" if kept.refuse_locks > 0 => {
                kept.refuse_locks -= 1;
                ("403 Forbidden", Vec::new())
            }
            "LOCK" => match &kept.lock {
                Some(lock) => ("423 Locked", lock.clone().into_bytes()),
                None => {
                    kept.lock = Some(String::from_utf8(body).unwrap());
                    ("200 OK", Vec::new())
                }
            },
            "UNLOCK" => {
                kept.lock = None;
                kept.unlocks += 1;
                ("200 OK", Vec::new())
            }
            other => panic!("{other}"),
        };
        drop(kept);
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", answer.len());
        stream.write_all(&[head.as_bytes(), &answer].concat()).unwrap();
    }
}

pub(super) struct World {
    pub(super) place: tempfile::TempDir,
    pub(super) terraform: Terraform,
    pub(super) backend: Backend,
    pub(super) log: Arc<Mutex<String>>,
    pub(super) abort: Abort,
    pub(super) policy: String,
    pub(super) plan: Option<Vec<u8>>,
    pub(super) meshstack: bool,
}

pub(super) struct Bytes(Vec<u8>);
impl PlanSource for Bytes {
    fn fetch(&self) -> FetchedPlan<'_> {
        Box::pin(async { Ok(Zeroizing::new(self.0.clone())) })
    }
}

pub(super) fn key() -> PrivateKey {
    PrivateKey::from_pem(&SecretString::from(NATIVE_KEY)).unwrap()
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// Where Terraform is run in another way than usual.
    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let place = tempfile::tempdir().unwrap();
        Self {
            terraform: native_with(place.path(), change).unwrap(),
            place,
            backend: Backend::start(),
            log: Arc::default(),
            abort: Abort::default(),
            policy: ALL.to_owned(),
            plan: None,
            meshstack: false,
        }
    }

    pub(super) fn root(&self, run: &str) -> PathBuf {
        self.place.path().join("runs").join(run)
    }

    pub(super) fn permit(&self) -> TerraformPermit {
        let text = format!(
            "description = 'x'\n[terraform]\nreason = 'x'\nrepositories = ['*']\n{}",
            self.policy
        );
        let policy = Policy::parse("test.toml", &text).unwrap_or_else(|m| panic!("{m}"));
        Grants::new(Arc::new(policy), None, &Limits::default()).terraform().unwrap()
    }

    pub(super) async fn enter(&self, run: &str, resumed: bool) -> Workspace {
        let paths = paths(&self.root(run)).unwrap();
        let log = Arc::clone(&self.log);
        let plan = self.plan.clone().map(|plan| Arc::new(Bytes(plan)) as Arc<dyn PlanSource>);
        let assignment = Assignment {
            tenant: "tenant".to_owned(),
            owner: "owner".to_owned(),
            held: None,
            run: RunId::parse(run).unwrap(),
            block: "block".to_owned(),
            behavior: Behavior::Apply,
            permit: self.permit(),
            policy_directory: "/nowhere".into(),
            paths,
            user: None,
            backend: self.meshstack.then(|| StateBackend {
                address: format!("{}/state", self.backend.address).parse().unwrap(),
                username: "user".to_owned(),
                password: SecretString::from("run-token"),
            }),
            plan,
            opener: Some(Arc::new(|path: &Path| open_sealed(path, &key()))),
            document: SecretString::from("{\"document\":1}"),
            log: Arc::new(move |bytes: &[u8]| {
                log.lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
            }),
            abort: self.abort.clone(),
            resumed,
        };
        self.terraform.enter(assignment).await.unwrap()
    }

    pub(super) fn configuration(&self, body: &str) -> String {
        let at = &self.backend.address;
        format!(
            "terraform {{\n backend \"http\" {{\n  address = \"{at}/state\"\n  lock_address = \"{at}/lock\"\n  unlock_address = \"{at}/lock\"\n }}\n}}\n{body}"
        )
    }

    pub(super) async fn ready(&self, run: &str, resumed: bool, main: &str) -> Workspace {
        let mut workspace = self.enter(run, resumed).await;
        workspace.install("1.11.4").await.unwrap();
        workspace.write_file("main.tf", Zeroizing::new(main.as_bytes().to_vec())).await.unwrap();
        workspace.init(false, false).await.unwrap();
        workspace
    }

    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}
