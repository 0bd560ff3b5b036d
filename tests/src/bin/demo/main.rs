//! `make demo`: the whole flow, from a file on the web to predictions, on a real kube-apiserver and the emulator.
//!
//! It ends with success only when all eleven steps have happened.

mod consumer;
mod flow;
mod report;
mod stage;
mod view;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::process::asked_to_end;
use azureml_operator_tests::{cluster, programs};
use consumer::Prediction;
use flow::{Progress, Snapshot, TITLES, progress};
use report::Report;
use serde_json::Value;
use stage::{NAMESPACE, Stage};
use view::View;

/// It takes less than two minutes; beyond this it will not come.
const LIMIT: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(200);
/// What the predictions are asked for: rows of each label.
const SAMPLE: [(&str, usize); 2] = [("no", 3), ("yes", 2)];

#[tokio::main]
async fn main() -> ExitCode {
    match play().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn play() -> Result {
    build().await?;
    let mut view = View::new();
    let stage = unless_ended(Stage::set(&view)).await?;
    let shown = unless_ended(show(&stage, &mut view)).await;
    view.end();
    let judged = match shown {
        Ok(report) => {
            report.print();
            report.write()?;
            report.judge().inspect(|()| println!("All {} steps happened, in {:.1} s.", TITLES.len(), report.seconds))
        }
        Err(failure) => Err(failure),
    };
    if std::env::var("KEEP").is_ok_and(|keep| !matches!(keep.as_str(), "" | "0")) {
        if let Err(failure) = &judged {
            eprintln!("\n{failure}");
        }
        keep(&stage).await?;
    }
    let cleared = stage.clear().await;
    judged.and(cleared)
}

/// What it gives, or a failure when somebody ends the demo before.
async fn unless_ended<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        done = work => done,
        ended = asked_to_end() => Err(ended.err().unwrap_or_else(|| Failure::new("ended before its end"))),
    }
}

/// Builds what is not built; the time of the demo counts from after this.
async fn build() -> Result {
    let built = tokio::task::spawn_blocking(|| programs::programs().and_then(|_| cluster::build()));
    built.await.doing("building")?
}

/// Applies the examples, follows the steps as they happen, and consumes the model.
async fn show(stage: &Stage, view: &mut View) -> Result<Report> {
    stage.apply(view).await?;
    view.begin();
    let seen = follow(stage, view).await?;
    check_sharing(stage, &seen).await?;
    let predictions = consume(stage, view, &seen).await?;
    let logs = logged(stage, view, &seen, &predictions).await?;
    let rows = consumer::count(&stage.csv)?;
    check_size(&seen, stage.csv.len())?;
    Ok(Report { seconds: view.seconds(), rows, steps: view.finished().to_vec(), seen, predictions, logs })
}

/// All of the file is in the dataset, beside the few lines of MLTable that describe it.
fn check_size(seen: &Snapshot, file: usize) -> Result {
    let size = seen.dataset["status"]["sizeBytes"].as_u64().and_then(|size| usize::try_from(size).ok());
    match size {
        Some(size) if (file..file + 4096).contains(&size) => Ok(()),
        _ => Err(Failure::new(format!("the dataset has {size:?} bytes, the file {file}"))),
    }
}

/// Follows the steps that happen in the cluster until all of them are done.
async fn follow(stage: &Stage, view: &mut View) -> Result<Snapshot> {
    let deadline = Instant::now() + LIMIT;
    let steps = [1, 2, 3, 4, 5, 6, 7, 8, 10];
    loop {
        stage.operator.check_runs()?;
        let seen = stage.snapshot().await?;
        for step in steps {
            view.show(step, &progress(step, &seen));
        }
        if steps.iter().all(|step| view.is_done(*step)) && !seen.secret.is_null() {
            return Ok(seen);
        }
        if Instant::now() > deadline {
            return Err(late(stage, view, &steps).await);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What did not happen, and what the cluster says of it.
async fn late(stage: &Stage, view: &View, steps: &[usize]) -> Failure {
    let missing = steps.iter().filter(|step| !view.is_done(**step)).map(|step| TITLES[step - 1]);
    let missing = missing.collect::<Vec<_>>().join(", ");
    let objects = stage.cluster.kubectl().run(&["describe", "azureml", "-n", NAMESPACE]).await;
    let objects = objects.unwrap_or_else(|failure| failure.to_string());
    let log = stage.operator.tail(30);
    Failure::new(format!("not within {LIMIT:?}: {missing}\n{objects}\n{log}"))
}

/// Azure itself has the role assignments that the status tells of.
async fn check_sharing(stage: &Stage, seen: &Snapshot) -> Result {
    let client = stage.client().await?;
    for entry in seen.workspace["status"]["access"].as_array().doing("status.access")? {
        let id = entry["id"].as_str().doing("the id of a role assignment")?;
        let found = client.resource(id, "2022-04-01").await?;
        if found["properties"]["principalId"] != entry["principalId"] {
            return Err(Failure::new(format!("the role assignment {id} is for another principal: {found}")));
        }
    }
    Ok(())
}

/// Step 11: a plain HTTP client, the Secret and the swagger document.
async fn consume(stage: &Stage, view: &mut View, seen: &Snapshot) -> Result<Vec<Prediction>> {
    let address = consumer::address(&seen.secret)?;
    let columns = flow::columns(&seen.swagger);
    let rows = consumer::rows(&stage.csv, "y", &SAMPLE)?;
    let mut predictions = Vec::new();
    for row in &rows {
        let request = uuid::Uuid::new_v4().to_string();
        predictions.push(consumer::predict(stage.emulator.http(), &address, &columns, row, &request).await?);
        view.show(11, &Progress::Doing(format!("{} of {} predictions", predictions.len(), rows.len())));
    }
    let right = predictions.iter().filter(|prediction| prediction.predicted == prediction.row.label).count();
    view.show(11, &Progress::Done(format!("{} predictions, {right} as it was", predictions.len())));
    Ok(predictions)
}

/// Step 9: the log lines of just those requests.
async fn logged(stage: &Stage, view: &mut View, seen: &Snapshot, predictions: &[Prediction]) -> Result<Vec<Value>> {
    let component = seen.workspace["status"]["applicationInsightsId"].as_str().doing("status.applicationInsightsId")?;
    let client = stage.client().await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    let query = "traces | project timestamp, message, operation_Id, cloud_RoleName | order by timestamp asc";
    loop {
        let lines = client.logs(component, query).await?;
        let of = |request: &str| lines.iter().find(|line| line["operation_Id"] == request).cloned();
        let found: Vec<Value> = predictions.iter().filter_map(|prediction| of(&prediction.request)).collect();
        if found.len() == predictions.len() {
            view.show(9, &Progress::Done(format!("{} lines of {} requests", found.len(), predictions.len())));
            return Ok(found);
        }
        if Instant::now() > deadline {
            let all = lines.len();
            return Err(Failure::new(format!("the log has {} of the requests' lines, in {all} lines", found.len())));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Leaves it running until Ctrl-C.
async fn keep(stage: &Stage) -> Result {
    let kubectl = stage.cluster.kubectl();
    println!(
        "\nIt goes on until Ctrl-C. Look around:\n\n  export KUBECONFIG={}\n  alias kubectl={}\n  kubectl get azureml -n {NAMESPACE}\n  kubectl describe amlep/bank-prod -n {NAMESPACE}\n  kubectl create -f examples/bank-marketing/05-run.yaml -n {NAMESPACE}\n\n  {}/_emulator/   what Azure holds (curl --cacert {})\n  {}   the operator's log",
        kubectl.kubeconfig().display(),
        kubectl.program().display(),
        stage.emulator.url(),
        stage.emulator.ca_file().display(),
        stage.operator.log().display(),
    );
    asked_to_end().await
}
