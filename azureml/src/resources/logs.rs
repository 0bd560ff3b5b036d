//! Queries over Application Insights: the log lines of deployments with `appInsightsEnabled`.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::error::Error;
use crate::transport::{Auth, Body, Request};
use crate::workspace::Client;

/// The api-version of Microsoft.Insights/components.
const COMPONENTS_VERSION: &str = "2020-02-02";

/// A table of a query's answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Table {
    /// `PrimaryResult` for the first.
    pub name: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, e.g. `datetime`.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Table {
    /// The values of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<Vec<&Value>> {
        let at = self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))?;
        Some(self.rows.iter().filter_map(|row| row.get(at)).collect())
    }
}

#[derive(Deserialize)]
struct Tables {
    tables: Vec<Table>,
}

impl Client {
    /// The application id of an Application Insights component, by its ARM id.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn application_insights_app_id(&self, component_id: &str) -> Result<Option<String>, Error> {
        let component: Option<Value> = self.get("applicationInsights", component_id, COMPONENTS_VERSION, &[]).await?;
        let id =
            component.as_ref().and_then(|component| component.pointer("/properties/AppId")).and_then(Value::as_str);
        Ok(id.map(str::to_owned))
    }

    /// Runs a query (KQL) over an application's telemetry; `timespan` is ISO 8601, e.g. `PT1H`. The first table of the
    /// answer.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn query_application_insights(
        &self,
        app_id: &str,
        query: &str,
        timespan: Option<&str>,
    ) -> Result<Table, Error> {
        let cloud = self.cloud();
        let address = format!("{}/v1/apps/{app_id}/query", cloud.application_insights.trim_end_matches('/'));
        self.query(&address, &cloud.application_insights_audience, query, timespan).await
    }

    /// Runs a query over a Log Analytics workspace.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn query_log_analytics(
        &self,
        workspace_guid: &str,
        query: &str,
        timespan: Option<&str>,
    ) -> Result<Table, Error> {
        let cloud = self.cloud();
        let address = format!("{}/v1/workspaces/{workspace_guid}/query", cloud.log_analytics.trim_end_matches('/'));
        self.query(&address, &cloud.log_analytics_audience, query, timespan).await
    }

    async fn query(&self, address: &str, audience: &str, query: &str, timespan: Option<&str>) -> Result<Table, Error> {
        let malformed = |message: String| Error::Malformed { operation: "POST query".to_owned(), message };
        let url = Url::parse(address).map_err(|error| malformed(format!("{address}: {error}")))?;
        let mut body = json!({"query": query});
        if let (Some(timespan), Some(object)) = (timespan, body.as_object_mut()) {
            object.insert("timespan".to_owned(), timespan.into());
        }
        let request = Request {
            resource: "query",
            method: Method::POST,
            url,
            auth: Auth::Audience(self.credential(), audience),
            headers: Vec::new(),
            body: Body::Json(body),
            reads: true,
            priority: self.priority(),
        };
        let tables: Tables = self.transport().send(request).await?.json()?;
        tables.tables.into_iter().next().ok_or_else(|| malformed("the answer has no table".to_owned()))
    }
}
