//! Scoring code of one's own: a Python process with a script's `init` and `run`, as azureml-inference-server-http runs
//! them in a deployment's container.
//!
//! The environment is this machine's own Python: images are not pulled, and no packages are installed.

mod folder;

pub(crate) use folder::Folder;

use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Runs the script, and speaks lines of JSON.
const RUNNER: &str = include_str!("runner.py");
/// What runs it.
const PYTHON: &str = "python3";
/// How long `init` may take: Azure waits for a probe's initial delay and its failures, ten minutes at most.
const LONGEST_INIT: Duration = Duration::from_secs(600);

/// Takes a line of the container's log.
pub(crate) type Log = Arc<dyn Fn(&str) + Send + Sync>;

/// Why a script gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScriptError {
    #[error("{0} is not on the PATH of the emulator, and scoring code needs it: install it, or serve an MLflow model")]
    NoPython(String),
    #[error("The scoring script could not be started: {0}")]
    Start(String),
    #[error("The scoring script could not be loaded, or its init() failed: {0}")]
    Init(String),
    #[error("The scoring script's run() failed: {0}")]
    Run(String),
    #[error("The scoring script took longer than {} ms.", .0.as_millis())]
    TimedOut(Duration),
    #[error("The scoring script's process ended.")]
    Gone,
}

/// What a container is started with.
pub(crate) struct Launch {
    /// Code and model, as files; they go with the container.
    pub(crate) folder: Folder,
    /// The script, within the code.
    pub(crate) script: String,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) log: Log,
}

/// A started script. Its process ends with it.
pub(crate) struct Container {
    launch: Launch,
    python: &'static str,
    /// One request at a time; none where the process was ended and is to be started anew.
    process: Mutex<Option<Process>>,
}

impl std::fmt::Debug for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Container").field("script", &self.launch.script).finish_non_exhaustive()
    }
}

/// A line of the runner.
#[derive(Deserialize)]
struct Line {
    error: Option<String>,
    said: Option<String>,
}

struct Process {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Container {
    /// Starts the script and waits for its `init`.
    pub(crate) fn start(launch: Launch) -> Result<Self, ScriptError> {
        Self::by(PYTHON, launch)
    }

    fn by(python: &'static str, launch: Launch) -> Result<Self, ScriptError> {
        let process = Process::start(python, &launch)?;
        Ok(Self { launch, python, process: Mutex::new(Some(process)) })
    }

    /// What `run` makes of a request's body. A process that takes too long is ended, and another one started for the
    /// next request.
    pub(crate) fn run(&self, body: &[u8], timeout: Duration) -> Result<Value, ScriptError> {
        let mut held = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let mut process = match held.take() {
            Some(process) => process,
            None => Process::start(self.python, &self.launch)?,
        };
        let line = process.ask(body, timeout)?;
        *held = Some(process);
        match line {
            Line { error: Some(error), .. } => Err(ScriptError::Run(error)),
            Line { said, .. } => {
                let said = said.as_deref().and_then(|said| serde_json::from_str(said).ok());
                said.ok_or_else(|| ScriptError::Run("what it returned is no JSON".to_owned()))
            }
        }
    }
}

impl Process {
    fn start(python: &str, launch: &Launch) -> Result<Self, ScriptError> {
        let Launch { folder, script, variables, log } = launch;
        let mut command = Command::new(python);
        command.args(["-u", "-c", RUNNER, script]).current_dir(folder.code());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.envs(variables.iter().cloned());
        command.env("AZUREML_MODEL_DIR", folder.model()).env("AML_APP_ROOT", folder.code());
        command.env("AZUREML_ENTRY_SCRIPT", script).env("PYTHONDONTWRITEBYTECODE", "1");
        let mut child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ScriptError::NoPython(python.to_owned()),
            _ => ScriptError::Start(error.to_string()),
        })?;
        let piped = || ScriptError::Start("it has no pipes".to_owned());
        let (input, output) = (child.stdin.take().ok_or_else(piped)?, child.stdout.take().ok_or_else(piped)?);
        let errors = child.stderr.take().ok_or_else(piped)?;
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let log = Arc::clone(log);
        std::thread::spawn(move || {
            for line in BufReader::new(errors).split(b'\n').map_while(Result::ok) {
                log(String::from_utf8_lossy(&line).trim_end());
            }
        });
        let process = Self { child, input, lines };
        match process.next(LONGEST_INIT)? {
            Line { error: Some(error), .. } => Err(ScriptError::Init(error)),
            _ => Ok(process),
        }
    }

    fn ask(&mut self, body: &[u8], timeout: Duration) -> Result<Line, ScriptError> {
        let line = format!("{}\n", json!(String::from_utf8_lossy(body)));
        self.input.write_all(line.as_bytes()).and_then(|()| self.input.flush()).map_err(|_| ScriptError::Gone)?;
        self.next(timeout)
    }

    fn next(&self, timeout: Duration) -> Result<Line, ScriptError> {
        let line = self.lines.recv_timeout(timeout).map_err(|error| match error {
            RecvTimeoutError::Timeout => ScriptError::TimedOut(timeout),
            RecvTimeoutError::Disconnected => ScriptError::Gone,
        })?;
        serde_json::from_str(&line).map_err(|error| ScriptError::Run(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = r#"
import json, os, sys, time
def init():
    global factor
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "factor.txt")) as file:
        factor = int(file.read())
    print("loaded", factor, "in", os.environ["PLACE"])
def run(raw):
    asked = json.loads(raw)
    if asked.get("sleep"):
        time.sleep(asked["sleep"])
    if asked.get("exit"):
        os._exit(3)
    return {"product": asked["number"] * factor, "process": os.getpid()}
"#;

    fn launch(script: &str) -> (Launch, Arc<Mutex<Vec<String>>>) {
        let folder = Folder::new("models/factor/1").unwrap();
        std::fs::write(folder.code().join("score.py"), script).unwrap();
        std::fs::write(folder.model().join("factor.txt"), "3").unwrap();
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&lines);
        let log: Log = Arc::new(move |line| seen.lock().unwrap().push(line.to_owned()));
        let variables = vec![("PLACE".to_owned(), "here".to_owned())];
        (Launch { folder, script: "score.py".to_owned(), variables, log }, lines)
    }

    const SOON: Duration = Duration::from_secs(30);

    #[test]
    fn a_script_loads_its_model_once_and_answers_each_request() {
        let (launch, lines) = launch(SCRIPT);
        let container = Container::start(launch).unwrap();
        let first = container.run(br#"{"number": 4}"#, SOON).unwrap();
        let second = container.run(br#"{"number": 5}"#, SOON).unwrap();
        assert_eq!((first["product"].clone(), second["product"].clone()), (json!(12), json!(15)));
        assert_eq!(first["process"], second["process"]);
        let failed = container.run(br#"{"none": 5}"#, SOON).unwrap_err();
        assert!(failed.to_string().contains("KeyError: 'number'"), "{failed}");
        assert_eq!(container.run(br#"{"number": 1}"#, SOON).unwrap()["process"], first["process"]);
        let lines = lines.lock().unwrap().join("\n");
        assert_eq!(lines.matches("loaded 3 in here").count(), 1, "{lines}");
        assert!(lines.contains("Traceback"), "{lines}");
    }

    #[test]
    fn one_that_takes_too_long_or_ends_is_started_anew() {
        let (launch, _) = launch(SCRIPT);
        let container = Container::start(launch).unwrap();
        let first = container.run(br#"{"number": 1}"#, SOON).unwrap()["process"].clone();
        let late = container.run(br#"{"number": 1, "sleep": 60}"#, Duration::from_millis(50)).unwrap_err();
        assert_eq!(late, ScriptError::TimedOut(Duration::from_millis(50)));
        let second = container.run(br#"{"number": 1}"#, SOON).unwrap()["process"].clone();
        assert_ne!(first, second);
        assert_eq!(container.run(br#"{"number": 1, "exit": true}"#, SOON), Err(ScriptError::Gone));
        assert_ne!(container.run(br#"{"number": 1}"#, SOON).unwrap()["process"], second);
    }

    #[test]
    fn the_process_and_its_files_end_with_the_container() {
        let (launch, _) = launch(SCRIPT);
        let code = launch.folder.code();
        let container = Container::start(launch).unwrap();
        let process = container.run(br#"{"number": 1}"#, SOON).unwrap()["process"].clone();
        drop(container);
        assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());
        assert!(!code.exists());
    }

    #[test]
    fn what_does_not_start_says_why() {
        let reason = |script: &str| {
            let (launch, _) = launch(script);
            Container::start(launch).unwrap_err().to_string()
        };
        assert!(reason("import no_such_module").contains("no_such_module"));
        assert!(reason("def init(): raise ValueError('no weights')\ndef run(raw): pass").contains("no weights"));
        assert!(reason("def init(): pass").contains("run"));
        let (launch, _) = launch(SCRIPT);
        let refused = Container::by("no-such-python", launch).unwrap_err();
        assert!(refused.to_string().contains("no-such-python is not on the PATH"), "{refused}");
    }
}
