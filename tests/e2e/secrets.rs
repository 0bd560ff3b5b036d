//! Nothing that is secret is said: looked for at the end, in all that the operators of all tests said at the highest log
//! level. One is planted before, so that a search that finds nothing is known to search.

use std::sync::Arc;

use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::places;
use azureml_operator_tests::world::World;
use tokio::sync::OnceCell;

use crate::suite::Suite;

/// Leaks that are shown; one is enough to fail.
const SHOWN: usize = 20;

/// The log that the secret is planted in, beside the operators' own.
const PLANTED: &str = "planted.log";

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    let search = Arc::new(Search::default());
    let own = search.clone();
    suite.add_last(
        "secrets::none_is_in_a_log_an_event_a_status_or_a_metric",
        |world| async move { own.none(&world).await },
    );
    suite.add_last(
        "secrets::one_that_is_planted_in_a_log_is_found",
        |world| async move { search.planted(&world).await },
    );
}

/// The search, once for both tests.
#[derive(Default)]
struct Search(OnceCell<Vec<String>>);

impl Search {
    /// All leaks.
    async fn leaks(&self, world: &World) -> Result<&Vec<String>> {
        self.0.get_or_try_init(|| searched(world)).await
    }

    async fn none(&self, world: &World) -> Result<Vec<String>> {
        let leaks = self.leaks(world).await?.iter().filter(|leak| !leak.starts_with(PLANTED));
        let mut leaks: Vec<String> = leaks.cloned().collect();
        let more = leaks.len().saturating_sub(SHOWN);
        leaks.truncate(SHOWN);
        if more > 0 {
            leaks.push(format!("and {more} more"));
        }
        Ok(leaks)
    }

    async fn planted(&self, world: &World) -> Result {
        let known = format!("{PLANTED}: client secret");
        let is_found = self.leaks(world).await?.iter().any(|leak| leak.starts_with(&known));
        if is_found { Ok(()) } else { Err(Failure::new("the planted secret was not found")) }
    }
}

/// What leaked, of all secrets of this run and of one that the emulator knows and that is in a log.
async fn searched(world: &World) -> Result<Vec<String>> {
    let tenant = uuid::Uuid::new_v4().to_string();
    let principal = world.emulator().await?.principal(&tenant).await?;
    let log = places::kept_logs()?.join(PLANTED);
    std::fs::write(&log, format!("{{\"message\":\"signing in with {}\"}}\n", principal.secret))?;
    let found = world.leaks().await;
    std::fs::remove_file(&log)?;
    found
}
