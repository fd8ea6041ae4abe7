//! A state backend of somebody else, for Terraform's `http` backend: [`ForeignBackend`].

use anyhow::Result;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps states by their paths, with locks, and everything that was ever sent to it. Serves until the process ends.
#[derive(Debug)]
pub struct ForeignBackend {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

/// What it does with states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Memory {
    /// A read gives what was written.
    #[default]
    Keeps,
    /// Accepts every write, and knows of nothing when it is asked: 404.
    Forgets,
    /// The same, but answers 200 with nothing.
    ForgetsSilently,
}

/// A request as it was sent.
#[derive(Clone, Debug)]
pub struct ForeignRequest {
    /// Among them `LOCK` and `UNLOCK`.
    pub method: String,
    /// With the query.
    pub path: String,
    /// All of it up to the body.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Shared {
    memory: Memory,
    /// Writes that are refused for good before the others are accepted.
    refusals: usize,
    requests: Vec<ForeignRequest>,
    states: HashMap<String, Vec<u8>>,
    locks: HashMap<String, Vec<u8>>,
}

impl ForeignBackend {
    /// Begins to serve.
    ///
    /// # Errors
    /// If no port is to be had.
    pub fn start(memory: Memory) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Mutex::new(Shared { memory, ..Shared::default() }));
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever asked may have hung up.
                let _ = serve(&stream, &theirs);
            }
        });
        Ok(Self { address, shared })
    }

    /// Answers the next writes with 403.
    pub fn refuse(&self, writes: usize) {
        lock(&self.shared).refusals = writes;
    }

    /// Where a state is.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// All requests so far, in their order.
    #[must_use]
    pub fn requests(&self) -> Vec<ForeignRequest> {
        lock(&self.shared).requests.clone()
    }

    /// Those of this method for this state.
    #[must_use]
    pub fn count(&self, method: &str, name: &str) -> usize {
        let path = format!("/{name}");
        let is_it = |request: &&ForeignRequest| {
            request.method == method && without_query(&request.path) == path
        };
        self.requests().iter().filter(is_it).count()
    }

    /// Locks that are held now.
    #[must_use]
    pub fn locks(&self) -> usize {
        lock(&self.shared).locks.len()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

fn serve(mut stream: &TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while let 3.. = reader.read_line(&mut head)? {}
    let length = head.lines().filter_map(|line| line.split_once(": "));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.next().and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = head.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, answer) = lock(shared).answer(&method, without_query(&path), &body);
    lock(shared).requests.push(ForeignRequest { method, path, head, body });
    let length = answer.len();
    write!(
        stream,
        "HTTP/1.1 {status} Fine\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    stream.write_all(&answer)
}

impl Shared {
    fn answer(&mut self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        match method {
            "GET" => match (self.memory, self.states.get(path)) {
                (Memory::Keeps, Some(state)) => (200, state.clone()),
                (Memory::ForgetsSilently, _) => (200, Vec::new()),
                (Memory::Keeps | Memory::Forgets, _) => (404, Vec::new()),
            },
            "LOCK" => match self.locks.get(path) {
                Some(holder) => (423, holder.clone()),
                None => {
                    self.locks.insert(path.to_owned(), body.to_vec());
                    (200, Vec::new())
                }
            },
            "UNLOCK" => {
                self.locks.remove(path);
                (200, Vec::new())
            }
            "POST" if self.refusals > 0 => {
                self.refusals -= 1;
                (403, Vec::new())
            }
            "POST" => {
                self.states.insert(path.to_owned(), body.to_vec());
                (200, Vec::new())
            }
            "DELETE" => {
                self.states.remove(path);
                (200, Vec::new())
            }
            _ => (405, Vec::new()),
        }
    }
}
