//! The list of tests, and how they are run.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use azureml_operator_tests::contract::ledger::{self, Ledger};
use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::places;
use azureml_operator_tests::process::asked_to_end;
use azureml_operator_tests::world::World;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::{Builder, Runtime};

/// Tests wait for others far more than they compute, so there may be many more of them than cores.
const AT_ONCE: usize = 10;

/// The list of tests.
pub struct Suite {
    runtime: Arc<Runtime>,
    world: Arc<World>,
    trials: Vec<Trial>,
    /// Those that need the machine for themselves.
    alone: Vec<Trial>,
    /// Those that look back on all others.
    last: Vec<Trial>,
}

impl Suite {
    /// An empty one.
    pub fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        let (runtime, world) = (Arc::new(runtime), Arc::new(World::default()));
        Ok(Self { runtime, world, trials: Vec::new(), alone: Vec::new(), last: Vec::new() })
    }

    /// Adds a test.
    pub fn add<F, R>(&mut self, name: impl Into<String>, test: F)
    where
        F: FnOnce(Arc<World>) -> R + Send + 'static,
        R: Future<Output = Result> + Send + 'static,
    {
        let trial = self.trial(name.into(), test);
        self.trials.push(trial);
    }

    /// Adds a test that counts what is done in a time: it runs after the others, when nothing else wants the machine.
    pub fn add_alone<F, R>(&mut self, name: impl Into<String>, test: F)
    where
        F: FnOnce(Arc<World>) -> R + Send + 'static,
        R: Future<Output = Result> + Send + 'static,
    {
        let trial = self.trial(name.into(), test);
        self.alone.push(trial);
    }

    /// Adds a test that looks back on what all others did, and gives the failures that it found. It runs after them,
    /// whichever of them the command line chose.
    pub fn add_last<F, R>(&mut self, name: impl Into<String>, test: F)
    where
        F: FnOnce(Arc<World>) -> R + Send + 'static,
        R: Future<Output = Result<Vec<String>>> + Send + 'static,
    {
        let trial = self.trial(name.into(), |world| async move {
            let failures = test(world).await?;
            if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\n"))) }
        });
        self.last.push(trial);
    }

    fn trial<F, R>(&self, name: String, test: F) -> Trial
    where
        F: FnOnce(Arc<World>) -> R + Send + 'static,
        R: Future<Output = Result> + Send + 'static,
    {
        let (runtime, world) = (self.runtime.clone(), self.world.clone());
        Trial::test(name, move || {
            // On a thread of the runtime, so that a panic is this test's failure and nothing else's.
            match runtime.block_on(runtime.spawn(test(world))) {
                Ok(result) => result.map_err(Failed::from),
                Err(panicked) => Err(Failed::from(panicked.to_string())),
            }
        })
    }

    /// Adds a test that gives the failures that it found.
    pub fn add_table<F, R>(&mut self, name: impl Into<String>, test: F)
    where
        F: FnOnce(Arc<World>) -> R + Send + 'static,
        R: Future<Output = Result<Vec<String>>> + Send + 'static,
    {
        self.add(name, |world| async move {
            let failures = test(world).await?;
            if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\n"))) }
        });
    }

    /// Runs those that the command line chooses, and ends what they shared.
    pub fn run(mut self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
        if let Err(failure) = Ledger::open() {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
        self.runtime.spawn(end_on_signal(self.world.clone()));
        if arguments.list {
            self.trials.append(&mut self.alone);
            self.trials.append(&mut self.last);
        }
        let one = Some(1);
        let together = libtest_mimic::run(&arguments, self.trials);
        let alone = if self.alone.is_empty() {
            None
        } else {
            Some(libtest_mimic::run(&Arguments { test_threads: one, ..arguments.clone() }, self.alone))
        };
        // One after the other: each is to see what the others of them left.
        let all = Arguments { filter: None, skip: Vec::new(), exact: false, test_threads: one, ..arguments.clone() };
        let last = if self.last.is_empty() { None } else { Some(libtest_mimic::run(&all, self.last)) };
        let failed = together.has_failed() || alone.into_iter().chain(last).any(|some| some.has_failed());
        if failed {
            let folder = places::root().join("target/e2e");
            match self.runtime.block_on(self.world.save_logs(&folder)) {
                Ok(()) => eprintln!("The logs of this run are in {}", folder.display()),
                Err(failure) => eprintln!("the logs can't be kept: {failure}"),
            }
        }
        let stopped = self.runtime.block_on(self.world.stop());
        if let Err(failure) = &stopped {
            eprintln!("at the end: {failure}");
        }
        let as_the_api_says = conclude(&arguments);
        if failed || stopped.is_err() || !as_the_api_says { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// Tells whether all that went over the wire is as the API says. Until a full run is known to hold, a violation fails the
/// run only where `CONTRACT=enforce` is set.
fn conclude(arguments: &Arguments) -> bool {
    let whole = arguments.filter.is_none() && arguments.skip.is_empty();
    let Some(conclusion) = Ledger::current().and_then(|ledger| ledger.conclude(whole)) else { return true };
    let enforced = std::env::var("CONTRACT").is_ok_and(|word| word == "enforce");
    let holds = match (conclusion.holds, enforced) {
        (true, _) => "ok",
        (false, true) => "FAILED",
        (false, false) => "VIOLATED, though not enforced: set CONTRACT=enforce",
    };
    println!("test {} ... {holds}\n\n{}", ledger::NAME, conclusion.text);
    conclusion.holds || !enforced
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
