//! The list of tests, and how they are run: phase after phase.

use std::future::Future;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use azureml_operator_tests::contract::ledger::{self, Ledger};
use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::places;
use azureml_operator_tests::process::asked_to_end;
use azureml_operator_tests::world::World;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::{Builder, Runtime};

/// Tests wait for others far more than they compute, so there may be many more of them than cores.
const AT_ONCE: usize = 10;

/// The slowest tests of a run, so many, are told at its end.
const SLOWEST: usize = 10;

/// A part of the run. The next one begins when this one is over.
struct Phase {
    name: &'static str,
    /// So many tests at a time, unless the command line says otherwise.
    at_once: usize,
    /// Its tests run whichever the command line chose.
    always: bool,
    trials: Vec<Trial>,
}

/// All tests that need nothing but what they make.
const TOGETHER: usize = 0;
/// Those that count what is done in a time: nothing else wants the machine meanwhile.
const ALONE: usize = 1;
/// Those that look back on all others, each on what the ones before it left.
const LAST: usize = 2;

/// The list of tests.
pub struct Suite {
    runtime: Arc<Runtime>,
    world: Arc<World>,
    phases: [Phase; 3],
    times: Arc<Times>,
}

/// What a test gives: that it went well, or the failures that it found.
pub trait Outcome {
    /// A failure, if there is any.
    fn judged(self) -> Result;
}

impl Outcome for () {
    fn judged(self) -> Result {
        Ok(())
    }
}

impl Outcome for Vec<String> {
    fn judged(self) -> Result {
        if self.is_empty() { Ok(()) } else { Err(Failure::new(self.join("\n"))) }
    }
}

impl Suite {
    /// An empty one.
    pub fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        let phase = |name, at_once, always| Phase { name, at_once, always, trials: Vec::new() };
        Ok(Self {
            runtime: Arc::new(runtime),
            world: Arc::new(World::default()),
            phases: [phase("together", AT_ONCE, false), phase("alone", 1, false), phase("last", 1, true)],
            times: Arc::default(),
        })
    }

    /// Adds a test.
    pub fn add<F, R, O>(&mut self, name: impl Into<String>, test: F)
    where
        F: FnOnce(Arc<World>) -> R + Send + 'static,
        R: Future<Output = Result<O>> + Send + 'static,
        O: Outcome + Send + 'static,
    {
        self.add_to(TOGETHER, name.into(), test);
    }

    /// Adds a test that counts what is done in a time: it runs after the others, when nothing else wants the machine.
    pub fn add_alone<F, R, O>(&mut self, name: impl Into<String>, test: F)
    where
        F: FnOnce(Arc<World>) -> R + Send + 'static,
        R: Future<Output = Result<O>> + Send + 'static,
        O: Outcome + Send + 'static,
    {
        self.add_to(ALONE, name.into(), test);
    }

    /// Adds a test that looks back on what all others did. It runs after them, whichever of them the command line chose.
    pub fn add_last<F, R, O>(&mut self, name: impl Into<String>, test: F)
    where
        F: FnOnce(Arc<World>) -> R + Send + 'static,
        R: Future<Output = Result<O>> + Send + 'static,
        O: Outcome + Send + 'static,
    {
        self.add_to(LAST, name.into(), test);
    }

    fn add_to<F, R, O>(&mut self, phase: usize, name: String, test: F)
    where
        F: FnOnce(Arc<World>) -> R + Send + 'static,
        R: Future<Output = Result<O>> + Send + 'static,
        O: Outcome + Send + 'static,
    {
        let (runtime, world, times) = (self.runtime.clone(), self.world.clone(), self.times.clone());
        let trial = Trial::test(name.clone(), move || {
            let begun = Instant::now();
            // On a thread of the runtime, so that a panic is this test's failure and nothing else's.
            let ended = runtime.block_on(runtime.spawn(test(world)));
            times.note(name, begun.elapsed());
            match ended {
                Ok(outcome) => outcome.and_then(Outcome::judged).map_err(Failed::from),
                Err(panicked) => Err(Failed::from(panicked.to_string())),
            }
        });
        self.phases[phase].trials.push(trial);
    }

    /// Adds, as the last of all, that what went over the wire is as the API says.
    fn add_contract(&mut self, whole: bool) {
        let (runtime, world) = (self.runtime.clone(), self.world.clone());
        let trial = Trial::ignorable_test(ledger::NAME, move || {
            runtime.block_on(world.all_is_checked())?;
            let Some(conclusion) = Ledger::current().and_then(|ledger| ledger.conclude(whole)) else {
                return Ok(Completion::ignored_with("nothing went over the wire"));
            };
            if !conclusion.holds {
                return Err(Failed::from(conclusion.text));
            }
            println!("\n{}", conclusion.text);
            Ok(Completion::Completed)
        });
        self.phases[LAST].trials.push(trial);
    }

    /// Runs those that the command line chooses, and ends what they shared.
    pub fn run(mut self) -> ExitCode {
        let arguments = Arguments::from_args();
        if let Err(failure) = Ledger::open() {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
        self.add_contract(arguments.filter.is_none() && arguments.skip.is_empty());
        if arguments.list {
            let all = self.phases.into_iter().flat_map(|phase| phase.trials).collect();
            return libtest_mimic::run(&arguments, all).exit_code();
        }
        self.runtime.spawn(end_on_signal(self.world.clone()));
        let mut failed = false;
        for phase in self.phases {
            let (name, begun) = (phase.name, Instant::now());
            failed |= phase.run(&arguments);
            self.times.tell(name, begun.elapsed());
        }
        if failed {
            let folder = places::root().join("target/e2e");
            match self.runtime.block_on(self.world.save_logs(&folder)) {
                Ok(()) => eprintln!("The logs of this run are in {}", folder.display()),
                Err(failure) => eprintln!("the logs can't be kept: {failure}"),
            }
        }
        if let Err(failure) = self.runtime.block_on(self.world.stop()) {
            eprintln!("at the end: {failure}");
            failed = true;
        }
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

impl Phase {
    /// Runs those of its tests that the command line chooses; whether one failed.
    fn run(self, arguments: &Arguments) -> bool {
        let mut own = arguments.clone();
        own.test_threads = if self.at_once == 1 { Some(1) } else { arguments.test_threads.or(Some(self.at_once)) };
        if self.always {
            own = Arguments { filter: None, skip: Vec::new(), exact: false, ..own };
        }
        libtest_mimic::run(&own, self.trials).has_failed()
    }
}

/// How long tests took.
#[derive(Default)]
struct Times(Mutex<Vec<(String, Duration)>>);

impl Times {
    fn note(&self, name: String, took: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((name, took));
    }

    /// Prints the slowest since it last printed, and forgets them.
    fn tell(&self, phase: &str, took: Duration) {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if all.is_empty() {
            return;
        }
        all.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        println!("{phase}: {} tests in {:.1} s; the slowest:", all.len(), took.as_secs_f64());
        for (name, took) in all.iter().take(SLOWEST) {
            println!("{:>8.1} s {name}", took.as_secs_f64());
        }
    }
}

/// A signal ends what the tests share before the process: temporary folders would stay behind otherwise.
async fn end_on_signal(world: Arc<World>) {
    if asked_to_end().await.is_err() {
        return;
    }
    // The process ends in any case; the kernel ends whatever this leaves.
    let _ = world.stop().await;
    std::process::exit(130);
}
