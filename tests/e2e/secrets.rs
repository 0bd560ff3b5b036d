//! Nothing that is secret is said: looked for at the end, in all that the operators of all tests said at the highest log
//! level.

use std::sync::Arc;

use azureml_operator_tests::failure::Result;
use azureml_operator_tests::places;
use azureml_operator_tests::world::World;

use crate::suite::Suite;

/// Leaks that are shown; one is enough to fail.
const SHOWN: usize = 20;

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add_last("secrets::none_is_in_a_log_an_event_a_status_or_a_metric", none);
    suite.add_last("secrets::one_that_is_planted_in_a_log_is_found", planted);
}

async fn none(world: Arc<World>) -> Result<Vec<String>> {
    let mut leaks = world.leaks().await?;
    let more = leaks.len().saturating_sub(SHOWN);
    leaks.truncate(SHOWN);
    if more > 0 {
        leaks.push(format!("and {more} more"));
    }
    Ok(leaks)
}

/// The search would find one: a secret that the emulator knows, in a log beside the operators' own.
async fn planted(world: Arc<World>) -> Result<Vec<String>> {
    let tenant = uuid::Uuid::new_v4().to_string();
    let principal = world.emulator().await?.principal(&tenant).await?;
    let log = places::kept_logs()?.join("planted.log");
    std::fs::write(&log, format!("{{\"message\":\"signing in with {}\"}}\n", principal.secret))?;
    let found = world.leaks().await;
    std::fs::remove_file(&log)?;
    let is_found = found?.iter().any(|leak| leak.starts_with("planted.log: client secret"));
    Ok(if is_found { Vec::new() } else { vec!["the planted secret was not found".to_owned()] })
}
