//! Child processes that end with this one, whatever ends it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Failure, Result, While};

/// How often an end is looked for.
const POLL: Duration = Duration::from_millis(20);

/// A running child with its log.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Mutex<Child>,
    log: PathBuf,
}

impl Daemon {
    /// Starts a program, its output appended to a log file. The kernel kills it when this process ends without stopping
    /// it, and it has a process group of its own, so that Ctrl-C on the terminal reaches this process alone.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(name: &str, command: &Command, log: &Path) -> Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log).doing(log.display())?;
        let mut tied = tied(command);
        tied.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let child = spawn(tied).doing(format_args!("starting {name}"))?;
        Ok(Self { name: name.to_owned(), child: Mutex::new(child), log: log.to_owned() })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child().id()
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Fails, with the end of its log, when it has ended.
    ///
    /// # Errors
    /// When it has ended.
    pub fn check_runs(&self) -> Result {
        match self.child().try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.ended(status)),
        }
    }

    /// SIGKILL: no chance to tidy up. Gives back when it is gone.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&self) -> Result {
        let mut child = self.child();
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Errors
    /// When it goes on beyond the limit; it is killed then.
    pub async fn stop(&self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.ended_within(limit).await
    }

    /// Waits until it ends by itself, and says how.
    ///
    /// # Errors
    /// When it goes on beyond the limit; it is killed then.
    pub async fn ended_within(&self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            let ended = self.child().try_wait()?;
            if let Some(status) = ended {
                return Ok(status);
            }
            if Instant::now() > deadline {
                self.kill()?;
                return Err(Failure::new(format!("{} did not end within {limit:?}", self.name)));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).doing("process id")?;
        kill_process(id, signal).doing(format_args!("signal {signal:?} to {}", self.name))
    }

    /// The last lines of its log.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, status: ExitStatus) -> Failure {
        Failure::new(format!("{} ended: {status}. Its last lines:\n{}", self.name, self.tail(25)))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Nothing is left to do about a failure: it is gone already, or the kernel ends it with this process.
        let _ = self.kill();
    }
}

/// The last lines of a file.
#[must_use]
pub fn tail(file: &Path, lines: usize) -> String {
    let text = std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Returns when somebody asks this process to end, by Ctrl-C or SIGTERM.
///
/// # Errors
/// When signals can't be received.
pub async fn asked_to_end() -> Result {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// An empty file, for output that a test reads later.
///
/// # Errors
/// When it can't be made.
pub fn fresh_file(path: &Path) -> Result<File> {
    File::create(path).doing(path.display())
}

/// The command under `setpriv`, which asks the kernel to kill it when its parent ends: there is no way to ask for that
/// from Rust without unsafe code.
fn tied(command: &Command) -> Command {
    let mut tied = Command::new("setpriv");
    tied.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        tied.current_dir(folder);
    }
    tied
}

type Order = (Command, Sender<io::Result<Child>>);

/// Starts a child from a thread that lives as long as the process: the kernel means the thread when it says parent.
fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                // Whoever asked may be gone; then so is the child, by its handle's end.
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (reply, answer) = channel();
    let gone = || io::Error::other("the thread that starts processes is gone");
    spawner.lock().unwrap_or_else(PoisonError::into_inner).send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}
