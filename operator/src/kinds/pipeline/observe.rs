//! What is read of a pipeline: its names resolved, and its runs.

use std::collections::BTreeMap;

use azureml_crds::pipeline::CauseKey;
use azureml_crds::pipeline_run::Phase;
use azureml_crds::{AmlPipeline, AmlPipelineRun, AmlResource};
use jiff::Timestamp;
use kube::api::Api;

use super::footprint::{self, Footprint};
use super::resolve::{Resolved, resolve};
use super::{cause, publication, steps, validate};
use crate::context::Context;
use crate::error::{Error, Halt};
use crate::inventory::Look;
use crate::ownership::Owner;

/// A run, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub phase: Phase,
    /// The operator made it, for this pipeline.
    pub ours: bool,
    /// The job of Azure's own making that it shows.
    pub imports: Option<String>,
    /// It is on its way out, or was asked to stop.
    pub leaving: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it ended.
    pub completed: Option<Timestamp>,
    /// Algorithm and score.
    pub best: Option<String>,
}

impl RunSummary {
    /// It has not ended.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.phase.is_finished()
    }
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Under which the pipeline's runs are named.
    pub owner: Owner,
    /// The definition's hash.
    pub spec_hash: String,
    /// What the names in it stand for.
    pub resolved: Result<Resolved, Halt>,
    /// The runs, newest first.
    pub runs: Vec<RunSummary>,
    /// What the last run by a trigger was made for.
    pub last_cause: Option<CauseKey>,
    /// The commands that were carried out.
    pub handled: BTreeMap<String, String>,
    /// Azure, where the pipeline has something there by itself.
    pub azure: Option<azureml::Workspace>,
    /// What it has there.
    pub footprint: Option<Footprint>,
}

pub async fn observe(context: &Context, object: &AmlPipeline, look: Look) -> Result<Observed, Error> {
    let status = object.status.clone().unwrap_or_default();
    let workspace = match context.workspace(object, &object.spec.workspace_ref.name).await {
        Ok(workspace) => Ok(workspace),
        Err(Error::Halt(halt)) => Err(halt),
        Err(error) => return Err(error),
    };
    let resolved = match (validate::validate(&object.spec), &workspace) {
        (Err(halt), _) => Err(halt),
        (Ok(()), Ok(workspace)) => resolve(context, object.namespace(), workspace, &object.spec, &[]),
        (Ok(()), Err(halt)) => Err(halt.clone()),
    };
    let owner = context.owner(object);
    let runs = runs(context, object, &status.active_runs).await?;
    // Before such a run is pruned, it is remembered that its job was dealt with.
    let shows = runs.iter().any(|run| run.ours && run.imports.is_some());
    let footprint = match &workspace {
        Ok(workspace) if shows || footprint::concerns(object, &status) => {
            let publish = object.spec.publish.is_some();
            let wanted = resolved.as_ref().ok().filter(|_| publish);
            let wanted = wanted.map(|resolved| publication::wanted(object, resolved, &owner));
            Some(footprint::read(context, object, workspace, wanted, shows, look).await?)
        }
        _ => None,
    };
    let (resolved, digests) = match steps::code::digests(context, object.namespace(), &object.spec).await {
        Ok(digests) => (resolved, digests),
        // What can't be read of the definition comes after what is wrong with it.
        Err(Error::Halt(halt)) => (resolved.and(Err(halt)), BTreeMap::new()),
        Err(error) => return Err(error),
    };
    Ok(Observed {
        azure: workspace.ok().map(|workspace| workspace.azure),
        footprint,
        owner,
        spec_hash: cause::spec_hash(&object.spec, &digests),
        resolved,
        runs,
        last_cause: status.last_cause,
        handled: status.handled,
    })
}

/// The runs from the cache, and those that status knows of and the cache does not yet.
async fn runs(context: &Context, object: &AmlPipeline, known: &[String]) -> Result<Vec<RunSummary>, Error> {
    let namespace = object.namespace();
    let cached = context
        .stores
        .runs
        .state_filter(|run| run.namespace() == namespace && run.spec.pipeline_ref.name == object.name());
    let mut all: Vec<RunSummary> = cached.iter().map(|run| summary(object, run)).collect();
    let api: Api<AmlPipelineRun> = Api::namespaced(context.client.clone(), namespace);
    for name in known {
        if !all.iter().any(|run| run.name == *name)
            && let Some(run) = api.get_opt(name).await?
        {
            all.push(summary(object, &run));
        }
    }
    all.sort_by(|left, right| (right.created, &right.name).cmp(&(left.created, &left.name)));
    Ok(all)
}

/// A run as the pipeline sees it.
pub fn summary(pipeline: &AmlPipeline, run: &AmlPipelineRun) -> RunSummary {
    let status = run.status.as_ref();
    RunSummary {
        name: run.name().to_owned(),
        phase: status.map(|status| status.phase).unwrap_or_default(),
        ours: is_child(run, pipeline.uid()),
        imports: run.spec.import_job.clone(),
        leaving: run.is_deleting() || run.spec.state.is_some(),
        created: run.metadata.creation_timestamp.as_ref().map(|at| at.0).unwrap_or_default(),
        completed: status.and_then(|status| status.completion_time.as_ref()).map(|at| at.0),
        best: status.and_then(|status| status.best_summary.clone()),
    }
}

fn is_child(run: &AmlPipelineRun, uid: &str) -> bool {
    let owners = run.metadata.owner_references.iter().flatten();
    owners.into_iter().any(|owner| owner.controller == Some(true) && owner.uid == uid)
}
