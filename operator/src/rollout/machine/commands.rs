//! What people command by annotations that name a revision's hash; a stale one does nothing.

use azureml_crds::endpoint::{Revision, RolloutPhase};

use super::Machine;

impl Machine<'_> {
    /// Obeys what is new.
    pub(super) fn commands(&mut self) {
        self.forget_commands();
        self.lift_rejection();
        let Some(candidate) = self.state.candidate.clone() else { return };
        if self.state.rollout.phase == RolloutPhase::RollingBack {
            return;
        }
        let commands = &self.seen.commands;
        if self.is_new("abort", commands.abort.as_deref(), &candidate) {
            self.handled("abort", &candidate.spec_hash);
            self.roll_back("Given up by the annotation azureml.dev/abort.");
        } else if self.can_skip_steps() && self.is_new("promote", commands.promote.as_deref(), &candidate) {
            self.handled("promote", &candidate.spec_hash);
            self.state.set_step(Some(self.seen.strategy.steps.len()));
            self.state.enter(RolloutPhase::Switching, self.now);
        } else if self.paused_by_failure() && self.is_new("retry", commands.retry.as_deref(), &candidate) {
            self.handled("retry", &candidate.spec_hash);
            self.state.begin(candidate, self.now);
        }
    }

    /// An annotation that was taken away and is put again is a new command.
    fn forget_commands(&mut self) {
        let commands = &self.seen.commands;
        for (name, value) in [
            ("approve", &commands.approve),
            ("promote", &commands.promote),
            ("abort", &commands.abort),
            ("retry", &commands.retry),
        ] {
            if value.is_none() {
                self.state.handled.remove(name);
            }
        }
    }

    /// A revision that was given up may be tried once more.
    fn lift_rejection(&mut self) {
        let Some(hash) = self.seen.commands.retry.as_deref() else { return };
        if self.state.is_rejected(hash) && !self.is_handled("retry", hash) {
            self.state.rejected.retain(|other| other != hash);
            self.handled("retry", hash);
        }
    }

    /// It is proved, and has steps left.
    fn can_skip_steps(&self) -> bool {
        use RolloutPhase::{Paused, Stepping, Switching};
        matches!(self.state.rollout.phase, Stepping | Paused | Switching) && self.state.step().is_some()
    }

    fn is_new(&self, name: &str, value: Option<&str>, candidate: &Revision) -> bool {
        value == Some(candidate.spec_hash.as_str()) && !self.is_handled(name, &candidate.spec_hash)
    }

    fn is_handled(&self, name: &str, hash: &str) -> bool {
        self.state.handled.get(name).map(String::as_str) == Some(hash)
    }

    /// Approved, and not for an earlier step.
    pub(super) fn is_approved(&mut self, candidate: &Revision) -> bool {
        let new = self.is_new("approve", self.seen.commands.approve.as_deref(), candidate);
        if new {
            self.handled("approve", &candidate.spec_hash);
        }
        new
    }

    fn handled(&mut self, name: &str, hash: &str) {
        self.state.handled.insert(name.to_owned(), hash.to_owned());
    }
}
