//! What Azure says of what a workspace needs: read at the start, when the spec changes, and once in a while.

use azureml::error::Class;
use azureml::resources::permissions::Permission;
use azureml::resources::providers::Provider;
use azureml::resources::quota::{Usage, VmSize};
use jiff::Timestamp;

use super::demand::Demand;

/// What is known of one thing.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Fact<T> {
    /// Not asked yet, or no answer came.
    #[default]
    Unread,
    /// Azure's answer.
    Known(T),
    /// Azure does not tell this identity; its words.
    Untold(String),
}

impl<T> Fact<T> {
    pub(super) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unread | Self::Untold(_) => None,
        }
    }

    fn is_unread(&self) -> bool {
        matches!(self, Self::Unread)
    }
}

/// How the workspace's own storage stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// It answers.
    Reached(String),
    /// The workspace has no default datastore.
    NoDatastore,
    /// It does not answer as it has to; what went wrong.
    Unreached(String),
}

/// All that is known, of one generation of the spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub(super) generation: i64,
    /// The workspace exists: what is on it can be asked.
    pub(super) exists: bool,
    pub(super) read_at: Timestamp,
    pub(super) provider: Fact<Option<Provider>>,
    pub(super) permissions: Fact<Vec<Permission>>,
    pub(super) usages: Fact<Vec<Usage>>,
    pub(super) sizes: Fact<Vec<VmSize>>,
    pub(super) storage: Fact<Storage>,
    /// Whether the Application Insights component of this ARM id is there.
    pub(super) insights: Fact<(String, bool)>,
    /// A question got no answer: it is asked again soon.
    pub(super) unanswered: bool,
}

impl Facts {
    /// Nothing is known.
    #[must_use]
    pub fn new(generation: i64, exists: bool, now: Timestamp) -> Self {
        Self { generation, exists, read_at: now, ..Self::default() }
    }

    /// They speak of the spec as it is.
    #[must_use]
    pub fn fit(&self, generation: i64, exists: bool) -> bool {
        (self.generation, self.exists) == (generation, exists)
    }
}

/// Reads what is not known and asked for. Changes nothing in Azure.
pub async fn read(
    azure: &azureml::Workspace,
    location: &str,
    insights: Option<&str>,
    demand: &Demand,
    facts: &mut Facts,
) {
    facts.unanswered = false;
    if facts.provider.is_unread() {
        let answer = azure.provider().await;
        learn(&mut facts.provider, answer, &mut facts.unanswered);
    }
    if facts.permissions.is_unread() {
        let answer = azure.permissions(!facts.exists).await;
        learn(&mut facts.permissions, answer, &mut facts.unanswered);
    }
    if !facts.exists {
        return;
    }
    if !demand.machines.is_empty() && !location.is_empty() {
        if facts.usages.is_unread() {
            let answer = azure.usages(location).await;
            learn(&mut facts.usages, answer, &mut facts.unanswered);
        }
        if facts.sizes.is_unread() {
            let answer = azure.vm_sizes(location).await;
            learn(&mut facts.sizes, answer, &mut facts.unanswered);
        }
    }
    if facts.storage.is_unread() {
        storage(azure, facts).await;
    }
    if let (Some(id), false) = (insights, demand.logging.is_empty())
        && facts.insights.known().is_none_or(|(known, _)| known != id)
    {
        let component = azure.client().application_insights_app_id(id).await;
        let answer = component.map(|component| (id.to_owned(), component.is_some()));
        learn(&mut facts.insights, answer, &mut facts.unanswered);
    }
}

fn learn<T>(fact: &mut Fact<T>, answer: Result<T, azureml::Error>, unanswered: &mut bool) {
    match answer {
        Ok(value) => *fact = Fact::Known(value),
        Err(error) if passes(&error) => *unanswered = true,
        Err(error) => *fact = Fact::Untold(words(&error)),
    }
}

/// Azure's words without the id of the request: they stand in a condition, and the same answer has to read the same.
fn words(error: &azureml::Error) -> String {
    match error {
        azureml::Error::Answer { operation, status, code, message, .. } => {
            format!("{operation}: Azure answered {status} {code}: {message}")
        }
        other => other.to_string(),
    }
}

/// It says nothing about what was asked for.
fn passes(error: &azureml::Error) -> bool {
    matches!(error.class(), Class::Retry { .. } | Class::Throttled { .. } | Class::Busy { .. } | Class::Unauthenticated)
}

async fn storage(azure: &azureml::Workspace, facts: &mut Facts) {
    let datastore = match azure.find_default_datastore().await {
        Ok(Some(datastore)) => datastore,
        Ok(None) => {
            facts.storage = Fact::Known(Storage::NoDatastore);
            return;
        }
        Err(error) => return learn(&mut facts.storage, Err(error), &mut facts.unanswered),
    };
    let container = match azure.container(&datastore).await {
        Ok(container) => container,
        Err(error) => return learn(&mut facts.storage, Err(error), &mut facts.unanswered),
    };
    facts.storage = match container.answers().await {
        Ok(()) => Fact::Known(Storage::Reached(container.address().to_owned())),
        Err(azureml::Error::Budget { .. } | azureml::Error::NotLeader { .. }) => {
            facts.unanswered = true;
            return;
        }
        Err(error) => Fact::Known(Storage::Unreached(format!("{} ({})", container.address(), words(&error)))),
    };
}
