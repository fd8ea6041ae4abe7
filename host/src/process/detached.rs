//! Starts a program that goes on when this process ends: [`Detached`].

use crate::crash;
use crate::os;
use crate::os::supervision;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use tokio::sync::{oneshot, watch};
use zeroize::Zeroizing;

/// A program that leads a session of its own. It is waited for by a thread, whatever becomes of this value.
#[derive(Debug)]
pub struct Detached {
    /// Tells whether the program has said by one byte of output that it has begun, or ended before; or why it was not started.
    pub begun: oneshot::Receiver<io::Result<bool>>,
    /// Becomes true at its end.
    pub ended: watch::Receiver<bool>,
}

impl Detached {
    /// Starts it with this on its standard input, which is kept open as long as this process and the program live: its end is how
    /// the program learns that we are gone.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub fn start(
        program: &Path,
        arguments: &[&std::ffi::OsStr],
        stdin: Zeroizing<Vec<u8>>,
        stderr: File,
    ) -> io::Result<Self> {
        let mut command = command(program, arguments, stderr);
        let (begun, has_begun) = oneshot::channel();
        let (ended, has_ended) = watch::channel(false);
        thread::Builder::new().name("shim".to_owned()).spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    // Nobody listens if the start was given up.
                    let _ = begun.send(Err(error));
                    return;
                }
            };
            let lifeline = child.stdin.take().map(|mut lifeline| {
                // A program that does not read it says why by its end.
                let _ = lifeline.write_all(&stdin);
                lifeline
            });
            drop(stdin);
            let _ = begun.send(Ok(says_something(&mut child)));
            let _ = child.wait();
            drop(lifeline);
            let _ = ended.send(true);
        })?;
        Ok(Self { begun: has_begun, ended: has_ended })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is a place that starts processes")]
fn command(program: &Path, arguments: &[&std::ffi::OsStr], stderr: File) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(os::child_environment())
        .envs(crash::variables_of_shim())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr);
    // SECURITY: walls::signals_to_the_daemons_group_do_not_reach_it
    supervision::own_session(&mut command);
    command
}

fn says_something(child: &mut Child) -> bool {
    let read = child.stdout.take().map(|mut stdout| stdout.read_exact(&mut [0]));
    read.is_some_and(|read| read.is_ok())
}
