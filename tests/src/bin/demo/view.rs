//! What a person sees while it happens: a live view on a terminal, plain lines otherwise.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::flow::{Progress, TITLES};

/// A step that is done.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its number, from 1.
    pub number: usize,
    /// Seconds since the start.
    pub at: f64,
    /// What there is to say.
    pub detail: String,
}

/// The view, and what it has shown.
#[derive(Debug)]
pub struct View {
    started: Instant,
    live: Option<(MultiProgress, Vec<ProgressBar>)>,
    shown: Vec<Progress>,
    finished: Vec<Finished>,
}

impl View {
    /// With nothing in it; time counts from now.
    pub fn new() -> Self {
        Self { started: Instant::now(), live: None, shown: vec![Progress::Waiting; TITLES.len()], finished: Vec::new() }
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Says something beside the steps.
    pub fn say(&self, line: &str) {
        let line = format!("{:>6.1} s  {line}", self.seconds());
        match &self.live {
            // It fails only where the terminal is gone.
            Some((all, _)) => drop(all.println(line)),
            None => println!("{line}"),
        }
    }

    /// Shows the steps from now on.
    pub fn begin(&mut self) {
        if !std::io::stdout().is_terminal() || !std::io::stderr().is_terminal() {
            return;
        }
        let all = MultiProgress::new();
        let bars = TITLES.iter().enumerate().map(|(index, title)| {
            let bar = all.add(ProgressBar::new_spinner());
            bar.set_style(style("  {spinner} {prefix} {wide_msg}"));
            bar.set_prefix(format!("{:>2} {title:<29}", index + 1));
            bar
        });
        let bars = bars.collect();
        self.live = Some((all, bars));
    }

    /// Shows how a step stands; nothing changes for one that is done.
    pub fn show(&mut self, number: usize, progress: &Progress) {
        if self.is_done(number) || self.shown.get(number - 1) == Some(progress) {
            return;
        }
        let at = self.seconds();
        let title = TITLES[number - 1];
        match (&self.live, progress) {
            (_, Progress::Waiting) => {}
            (None, Progress::Doing(detail)) => println!("{at:>6.1} s  {number:>2} {title}: {detail}"),
            (None, Progress::Done(detail)) => println!("{at:>6.1} s  {number:>2} {title}: done: {detail}"),
            (Some((_, bars)), Progress::Doing(detail)) => {
                let bar = &bars[number - 1];
                bar.set_message(detail.clone());
                bar.enable_steady_tick(Duration::from_millis(100));
            }
            (Some((_, bars)), Progress::Done(detail)) => {
                let bar = &bars[number - 1];
                bar.set_style(style("  ✔ {prefix} {wide_msg}"));
                bar.finish_with_message(format!("{at:>5.1} s  {detail}"));
            }
        }
        if let Progress::Done(detail) = progress {
            self.finished.push(Finished { number, at, detail: detail.clone() });
        }
        self.shown[number - 1] = progress.clone();
    }

    /// The step is done.
    pub fn is_done(&self, number: usize) -> bool {
        self.finished.iter().any(|step| step.number == number)
    }

    /// The steps that are done, in the order in which they came to be.
    pub fn finished(&self) -> &[Finished] {
        &self.finished
    }

    /// Ends the live view: what follows is plain text.
    pub fn end(&mut self) {
        if let Some((_, bars)) = self.live.take() {
            bars.iter().filter(|bar| !bar.is_finished()).for_each(ProgressBar::abandon);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
