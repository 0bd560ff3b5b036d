//! Every way in which Azure misbehaves against every write that each kind makes.
//!
//! The matrix is the product of [`fault::rows`] and [`subject::columns`]. Each cell arms a fault for the writes of one
//! object alone, lets it strike for a while, and looks at three things: what the object's conditions say meanwhile, how
//! often Azure was asked ([`pace`], [`tokens`]), and that the object is as wanted once the fault is gone, once and without
//! a restart.

mod cell;
mod fault;
mod ground;
mod pace;
mod subject;
mod table;
mod tokens;

use std::sync::Arc;

use azureml_operator_tests::failure::Result;
use azureml_operator_tests::world::World;
use futures::future::join_all;
use tokio::sync::{OnceCell, Semaphore};

use crate::suite::Suite;
use fault::Fault;
use ground::Ground;
use table::Table;
use tokens::Tokens;

/// So many rows at a time: each cell of a row waits more than it computes.
const AT_ONCE: usize = 5;

/// What the rows share.
struct Matrix {
    ground: OnceCell<Ground>,
    turns: Semaphore,
    table: Table,
}

/// Adds a test a row.
pub fn tests(suite: &mut Suite) {
    let rows = fault::rows();
    let table = Table::new(&rows);
    let matrix = Arc::new(Matrix { ground: OnceCell::new(), turns: Semaphore::new(AT_ONCE), table });
    for (index, row) in rows.into_iter().enumerate() {
        let matrix = matrix.clone();
        suite.add(format!("fault_matrix::{}", row.slug), move |world| async move {
            let _turn =
                matrix.turns.acquire().await.map_err(|error| {
                    azureml_operator_tests::failure::Failure::new(format!("the matrix ended: {error}"))
                })?;
            matrix.row(&world, index, &row).await
        });
    }
}

impl Matrix {
    /// All cells of a row; the failures among them.
    async fn row(&self, world: &Arc<World>, index: usize, row: &Fault) -> Result<Vec<String>> {
        let ground = self.ground.get_or_try_init(|| Ground::prepare(world)).await?;
        let scenario = ground.of(index);
        let from = scenario.emulator.position().await?;
        let subjects = subject::all(scenario, row).await?;
        let cells = join_all(subjects.iter().map(|subject| cell::of_subject(scenario, row, subject))).await;
        let cells: Vec<_> = cells.into_iter().flatten().collect();
        let tokens = Tokens::since(scenario, from).await?;
        self.table.fill(row, &cells, tokens)?;
        let failures = cells.iter().filter_map(|cell| cell.failure(row.name));
        let storm = tokens.judged().err().map(|storm| format!("{}: {storm}", row.name));
        Ok(failures.chain(storm).collect())
    }
}
