//! Fetches all exchanges from an emulator while it runs, and has them checked.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;

use super::exchange::Exchange;
use super::ledger::Ledger;
use crate::emulator::Control;
use crate::failure::{Result, While};

/// How many bytes of exchanges the emulator keeps until they are fetched.
const KEPT: usize = 256 * 1024 * 1024;
const PAUSE: Duration = Duration::from_millis(250);

/// Exchanges since a number.
#[derive(Debug, Deserialize)]
pub struct Page {
    /// The number to go on from.
    pub next: u64,
    /// The number of the next exchange.
    pub end: u64,
    /// How many went before they were fetched.
    pub lost: u64,
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
}

/// Fetches the exchanges of one emulator.
#[derive(Debug)]
pub struct Collector {
    last: Arc<Notify>,
    task: Mutex<Option<JoinHandle<Result>>>,
}

impl Collector {
    /// Begins.
    ///
    /// # Errors
    /// When the emulator does not answer.
    pub async fn start(control: &Control, ledger: Arc<Ledger>) -> Result<Self> {
        control.keep_exchanges(KEPT).await?;
        let last = Arc::new(Notify::new());
        let task = tokio::spawn(collect(control.clone(), ledger, last.clone()));
        Ok(Self { last, task: Mutex::new(Some(task)) })
    }

    /// Fetches the rest, and ends.
    ///
    /// # Errors
    /// When something could not be fetched.
    pub async fn finish(&self) -> Result {
        self.last.notify_one();
        match self.task.lock().await.take() {
            Some(task) => task.await.doing("checking what went over the wire")?,
            None => Ok(()),
        }
    }
}

async fn collect(control: Control, ledger: Arc<Ledger>, last: Arc<Notify>) -> Result {
    let mut since = 0;
    let mut lost = 0;
    let mut ends = false;
    loop {
        let page = control.exchanges(since).await?;
        if page.lost > lost {
            ledger.gap(format!("{} exchanges went before they were fetched", page.lost - lost));
            lost = page.lost;
        }
        since = page.next;
        let (entered, exchanges) = (ledger.clone(), page.exchanges);
        // It is arithmetic: other tests go on meanwhile.
        let entering = move || exchanges.iter().for_each(|exchange| entered.enter(exchange));
        tokio::task::spawn_blocking(entering).await.doing("checking an exchange")?;
        if since < page.end {
            continue;
        }
        if ends {
            return Ok(());
        }
        ends = tokio::time::timeout(PAUSE, last.notified()).await.is_ok();
    }
}
