//! Requests at rest by what they are for.

use std::collections::BTreeMap;

use azureml_operator_tests::emulator::Answered;

/// What a request at rest is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// The workspace itself.
    Workspace,
    /// Who may use it.
    Roles,
    /// A page of a workspace's data assets.
    DataPage,
    /// A page of its models.
    ModelPage,
    /// A page of its endpoints.
    EndpointPage,
    /// A page of its computes.
    ComputePage,
    /// The deployments of an endpoint.
    Deployments,
    /// A version of a data asset.
    DataVersion,
    /// The versions of a model.
    ModelVersions,
    /// The keys of an endpoint.
    Keys,
    /// What a workspace lacks: the rights of its identity, its store and whether that answers.
    Diagnosis,
    /// What there is no reason for.
    Other,
}

impl Route {
    /// What a request is for.
    #[must_use]
    pub fn of(request: &Answered) -> Self {
        let path = request.path.to_lowercase();
        let below = path.split_once("/workspaces/").and_then(|(_, rest)| rest.split_once('/')).map_or("", |of| of.1);
        let parts: Vec<&str> = below.split('/').filter(|part| !part.is_empty()).collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", []) => Self::Workspace,
            ("GET", ["providers", "microsoft.authorization", "roleassignments"]) => Self::Roles,
            ("GET", ["data"]) => Self::DataPage,
            ("GET", ["models"]) => Self::ModelPage,
            ("GET", ["onlineendpoints"]) => Self::EndpointPage,
            ("GET", ["computes"]) => Self::ComputePage,
            ("GET", ["onlineendpoints", _, "deployments"]) => Self::Deployments,
            ("GET", ["data", _, "versions", _]) => Self::DataVersion,
            ("GET", ["models", _, "versions"]) => Self::ModelVersions,
            ("POST", ["onlineendpoints", _, "listkeys"]) => Self::Keys,
            ("GET", ["providers", "microsoft.authorization", "permissions"] | ["datastores"])
            | ("POST", ["datastores", _, "listsecrets"]) => Self::Diagnosis,
            _ => Self::Other,
        }
    }
}

/// How many requests there were by route.
#[must_use]
pub fn counts(requests: &[Answered]) -> BTreeMap<Route, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        *counts.entry(Route::of(request)).or_default() += 1;
    }
    counts
}

/// Those of a route.
pub fn of(requests: &[Answered], route: Route) -> impl Iterator<Item = &Answered> {
    requests.iter().filter(move |request| Route::of(request) == route)
}
