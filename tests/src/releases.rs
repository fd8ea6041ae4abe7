//! A site with releases of Terraform and OpenTofu: [`Releases`], signed by a [`Signer`]. Both hold for one test.
//!
//! The host's unit tests have this file as a module of theirs, so that it uses nothing of this crate.

use pgp::composed::{
    ArmorOptions, DetachedSignature, EncryptionCaps, KeyType, SecretKeyParamsBuilder,
};
use pgp::composed::{SignedPublicKey, SignedSecretKey, SubkeyParamsBuilder};
use pgp::crypto::hash::HashAlgorithm;
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails as _, Password};
use std::collections::HashMap;
use std::io::{self, Cursor, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Signs with a subkey, as HashiCorp does. Its keys are made anew each time: TEST ONLY.
#[derive(Debug)]
pub struct Signer {
    /// The whole key.
    pub key: SignedSecretKey,
}

impl Signer {
    /// Makes its keys.
    ///
    /// # Errors
    /// None that is to be expected.
    pub fn new() -> io::Result<Self> {
        let subkey = SubkeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_sign(true)
            .can_encrypt(EncryptionCaps::None)
            .can_authenticate(false)
            .build();
        let params = SecretKeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(false)
            .can_encrypt(EncryptionCaps::None)
            .primary_user_id("TEST ONLY <test@example.com>".into())
            .subkeys(vec![subkey.map_err(io::Error::other)?])
            .build();
        let key = params.map_err(io::Error::other)?.generate(rand::thread_rng());
        Ok(Self { key: key.map_err(io::Error::other)? })
    }

    /// Of the primary key, which is the one to be pinned.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.key.primary_key.fingerprint())
    }

    /// ASCII-armoured.
    ///
    /// # Errors
    /// None that is to be expected.
    pub fn public_key(&self) -> io::Result<String> {
        let key = SignedPublicKey::from(self.key.clone());
        key.to_armored_string(ArmorOptions::default()).map_err(io::Error::other)
    }

    /// A signature as it is published, by the subkey.
    ///
    /// # Errors
    /// None that is to be expected.
    pub fn sign(&self, document: &[u8]) -> io::Result<Vec<u8>> {
        let key = self.key.secret_subkeys.first().ok_or(io::ErrorKind::NotFound)?;
        let (random, none) = (rand::thread_rng(), Password::empty());
        let signature = DetachedSignature::sign_binary_data(
            random,
            &key.key,
            &none,
            HashAlgorithm::Sha256,
            document,
        );
        signature.and_then(|signature| signature.to_bytes()).map_err(io::Error::other)
    }
}

#[derive(Debug, Default)]
struct State {
    /// Whole answers, head included, by path.
    answers: HashMap<String, Vec<u8>>,
    seen: Vec<String>,
}

/// Serves files on loopback until dropped.
#[derive(Debug)]
pub struct Releases {
    /// Where; without a slash at the end.
    pub url: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Releases {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Releases {
    /// Begins to serve; there is nothing yet.
    ///
    /// # Errors
    /// If no port is to be had.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Ok(Self { url, state, task })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a program for this machine as a version of `terraform` or `tofu`, each in its own layout.
    ///
    /// # Errors
    /// None that is to be expected.
    pub fn publish(
        &self,
        signer: &Signer,
        tool: &str,
        version: &str,
        program: &[u8],
    ) -> io::Result<()> {
        self.publish_archive(signer, tool, version, &archive(tool, program)?)
    }

    /// Publishes an archive, whatever it is.
    ///
    /// # Errors
    /// None that is to be expected.
    pub fn publish_archive(
        &self,
        signer: &Signer,
        tool: &str,
        version: &str,
        archive: &[u8],
    ) -> io::Result<()> {
        let digest = sha256(archive);
        let name = archive_name(tool, version);
        // As in real ones there are those for other machines.
        let list =
            format!("{}  {tool}_{version}_plan9_mips.zip\n{digest}  {name}\n", "0".repeat(64));
        let (folder, ending) = folder(tool, version);
        let sums = format!("{folder}/{tool}_{version}_SHA256SUMS");
        self.put(&format!("{folder}/{name}"), archive);
        self.put(&format!("{sums}.{ending}"), &signer.sign(list.as_bytes())?);
        self.put(&sums, list.as_bytes());
        Ok(())
    }

    /// Serves a file.
    pub fn put(&self, path: &str, body: &[u8]) {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        answer.extend_from_slice(body);
        self.answer(path, answer);
    }

    /// Answers with exactly these bytes, then closes.
    pub fn answer(&self, path: &str, bytes: Vec<u8>) {
        self.state().answers.insert(path.to_owned(), bytes);
    }

    /// How often files whose names end so were asked for.
    #[must_use]
    pub fn count(&self, ending: &str) -> usize {
        self.state().seen.iter().filter(|path| path.ends_with(ending)).count()
    }
}

/// The folder of a version, and how the name of its signature ends.
#[must_use]
pub fn folder(tool: &str, version: &str) -> (String, &'static str) {
    if tool == "tofu" {
        (format!("/v{version}"), "gpgsig")
    } else {
        (format!("/{tool}/{version}"), "sig")
    }
}

/// The name of the archive for this machine.
#[must_use]
pub fn archive_name(tool: &str, version: &str) -> String {
    let system = std::env::consts::OS.replace("macos", "darwin");
    let processor = std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64");
    format!("{tool}_{version}_{system}_{processor}.zip")
}

/// An archive with the program and a licence, as they are published.
///
/// # Errors
/// None that is to be expected.
pub fn archive(tool: &str, program: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let name = format!("{tool}{}", std::env::consts::EXE_SUFFIX);
    for (name, mode, content) in [("LICENSE.txt", 0o644, &b"free"[..]), (&name, 0o755, program)] {
        writer.start_file(name, SimpleFileOptions::default().unix_permissions(mode))?;
        writer.write_all(content)?;
    }
    Ok(writer.finish()?.into_inner())
}

fn sha256(bytes: &[u8]) -> String {
    let digest = HashAlgorithm::Sha256.digest(bytes).unwrap_or_default();
    data_encoding::HEXLOWER.encode(&digest)
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.seen.push(path.clone());
        state.answers.get(&path).cloned()
    };
    let missing =
        || b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_vec();
    let answer = answer.unwrap_or_else(missing);
    // Whoever asked may have hung up.
    if stream.write_all(&answer).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}
