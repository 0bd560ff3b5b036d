//! How many tokens are asked for while everything goes wrong: a fault is no reason to sign in again, but for an answer that
//! says that the token is none.

use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::scenario::Scenario;

/// Tokens that nothing has to refuse before they are asked for: each AmlWorkspace signs in by itself, for ARM and for what
/// lies beside it; a row makes two, and up to five rows share a namespace.
const SIGN_INS: usize = 2 * 2 * 5;

/// Tokens in a time.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// So many were asked for.
    pub asked: usize,
    /// So many answers said 401 meanwhile.
    pub refused: usize,
}

impl Tokens {
    /// What a scenario's principal asked for since a position of the emulator's log. Rows that share a namespace share
    /// its principal: it is told of all of them.
    pub async fn since(scenario: &Scenario, from: u64) -> Result<Self> {
        let asked = scenario.emulator.requests(from, &scenario.azure.principal.tenant, false).await?.requests;
        let asked = asked.iter().filter(|request| request.path.ends_with("/oauth2/v2.0/token")).count();
        let all = scenario.emulator.requests(from, &scenario.azure.place.subscription, false).await?.requests;
        Ok(Self { asked, refused: all.iter().filter(|request| request.status == Some(401)).count() })
    }

    /// The most that may be asked for: those of new objects, and one for each refusal of a token.
    pub fn allowed(self) -> usize {
        SIGN_INS + self.refused
    }

    /// No storm.
    pub fn judged(self) -> Result {
        if self.asked <= self.allowed() {
            return Ok(());
        }
        Err(Failure::new(format!("a storm of tokens: {} were asked for, {} may be", self.asked, self.allowed())))
    }
}
