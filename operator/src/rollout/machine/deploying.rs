//! The candidate's deployment is made.

use azureml_crds::endpoint::{Revision, RolloutPhase};
use azureml_crds::reasons;

use super::{Machine, Turn, operations};
use crate::rollout::{Move, Provisioning};
use crate::shell::{After, Standing};

impl Machine<'_> {
    pub(super) fn deploying(&mut self, candidate: &Revision) -> Turn {
        let ended = self.ended(operations::PUT_DEPLOYMENT).filter(|ended| ended.target == candidate.deployment);
        if let Some(failure) = ended.and_then(|ended| ended.failure.clone()) {
            return self.fail(reasons::DEPLOYMENT_FAILED, &failure);
        }
        let put = ended.is_some();
        let deployed = self.seen.deployments.get(&candidate.deployment);
        match deployed.map(|deployed| (deployed.state, deployed.current)) {
            Some((Provisioning::Succeeded, true)) => {
                self.state.enter(RolloutPhase::Proving, self.now);
                Turn::Again
            }
            Some((Provisioning::Failed, _)) => {
                let log = self.seen.log.as_ref().map(|log| format!(" The container's last lines: {log}"));
                let message = format!("The deployment failed in Azure.{}", log.unwrap_or_default());
                self.fail(reasons::DEPLOYMENT_FAILED, &message)
            }
            Some((Provisioning::Moving, _)) => self.await_azure("The deployment is being made in Azure.", After::Poll),
            // Azure reverts some updates without a word.
            _ if put => self.fail(
                reasons::DEPLOYMENT_FAILED,
                "Azure said that the deployment was made, and what is there is not what was asked for.",
            ),
            _ => {
                let message = format!("{}deployment {:?} is being made.", self.prefix(), candidate.deployment);
                Turn::Stop(
                    Move::PutDeployment { deployment: candidate.deployment.clone() },
                    Standing::progressing(reasons::ROLLING_OUT, message),
                )
            }
        }
    }
}
