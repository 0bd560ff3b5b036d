//! What all rows stand on: namespaces with a flow that works, and the operator of these namespaces.

use std::sync::Arc;

use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::operator::{Operator, Options};
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::world::World;
use futures::future::try_join_all;

use crate::small;

/// Rows by namespace: what Azure says of a subscription's limits holds for all that is in it, so those rows are alone.
const NAMESPACES: usize = 5;
/// The namespaces of the first two rows, which are about limits, are theirs alone.
const ALONE: usize = 2;

/// Namespaces and their operator.
pub struct Ground {
    scenarios: Vec<Scenario>,
    _operator: Operator,
}

impl Ground {
    /// Starts it, and waits until the flow of each namespace has a model.
    pub async fn prepare(world: &Arc<World>) -> Result<Self> {
        let scenarios = try_join_all(
            (0..NAMESPACES).map(|index| async move { Scenario::lone(world, &format!("matrix{index}")).await }),
        )
        .await?;
        let first = scenarios.first().ok_or_else(|| Failure::new("no namespace"))?;
        let options = Options {
            installation: "fault-matrix".to_owned(),
            namespaces: scenarios.iter().map(|scenario| scenario.namespace.clone()).collect(),
            resync: "30s",
            arguments: vec!["--request-timeout".to_owned(), "3s".to_owned()],
            ..Options::shared()
        };
        let operator = first.operator_with(options).await?;
        let flows = scenarios.iter().map(|scenario| async move {
            let flow = small::objects(scenario).into_iter();
            let flow: Vec<_> =
                flow.filter(|object| object["kind"] != "AmlEndpoint" && object["kind"] != "ConfigMap").collect();
            scenario.apply_all(&flow).await?;
            scenario.ready("AmlModel", "model").await.map(|_| ())
        });
        try_join_all(flows).await?;
        Ok(Self { scenarios, _operator: operator })
    }

    /// Where a row stands.
    pub fn of(&self, row: usize) -> &Scenario {
        let index = if row < ALONE { row } else { ALONE + (row - ALONE) % (NAMESPACES - ALONE) };
        &self.scenarios[index]
    }
}
