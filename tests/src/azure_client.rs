//! What any client of Azure does, with nothing of ours: a token, a resource, a query of the logs.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::emulator::{Emulator, Principal};
use crate::failure::{Failure, Result, While};

/// Azure as a principal sees it, by plain HTTP.
#[derive(Debug)]
pub struct AzureClient {
    http: Client,
    /// The cloud's hosts and audiences.
    cloud: Value,
    principal: Principal,
}

impl AzureClient {
    /// As this principal.
    ///
    /// # Errors
    /// When the emulator does not tell its hosts.
    pub async fn new(emulator: &Emulator, principal: &Principal) -> Result<Self> {
        let cloud = serde_json::from_str(&emulator.cloud().await?)?;
        Ok(Self { http: emulator.http().clone(), cloud, principal: principal.clone() })
    }

    fn host(&self, name: &str) -> Result<&str> {
        let host = self.cloud[name].as_str().doing(format_args!("{name} of the cloud"))?;
        Ok(host.trim_end_matches('/'))
    }

    /// A token for an audience, by the client's secret.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn token(&self, audience: &str) -> Result<String> {
        let url = format!("{}/{}/oauth2/v2.0/token", self.host("authority")?, self.principal.tenant);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.principal.client_id),
            ("client_secret", &self.principal.secret),
            ("scope", &format!("{}/.default", self.host(audience)?)),
        ];
        let answer = json(self.http.post(url).form(&form)).await?;
        answer["access_token"].as_str().map(str::to_owned).doing("access_token")
    }

    /// A resource by its ARM id.
    ///
    /// # Errors
    /// When there is none, or the principal may not see it.
    pub async fn resource(&self, id: &str, api_version: &str) -> Result<Value> {
        json(self.arm(Method::GET, &format!("{id}?api-version={api_version}")).await?).await
    }

    /// Puts a resource; Azure may still be at work on it afterwards.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put(&self, id: &str, api_version: &str, body: &Value) -> Result<Value> {
        json(self.arm(Method::PUT, &format!("{id}?api-version={api_version}")).await?.json(body)).await
    }

    /// Changes a resource by hand; Azure may still be at work on it afterwards.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn patch(&self, id: &str, api_version: &str, body: &Value) -> Result {
        let request = self.arm(Method::PATCH, &format!("{id}?api-version={api_version}")).await?;
        text(request.json(body)).await.map(|_| ())
    }

    /// Asks a resource for something (`regenerateKeys`).
    ///
    /// # Errors
    /// When it is refused.
    pub async fn post(&self, id: &str, what: &str, api_version: &str, body: &Value) -> Result {
        let request = self.arm(Method::POST, &format!("{id}/{what}?api-version={api_version}")).await?;
        text(request.json(body)).await.map(|_| ())
    }

    /// Deletes a resource, with more of a query where the type wants it (`&name=value`); Azure may still be at work on
    /// it afterwards.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn delete(&self, id: &str, api_version: &str, query: &str) -> Result {
        let request = self.arm(Method::DELETE, &format!("{id}?api-version={api_version}{query}")).await?;
        text(request).await.map(|_| ())
    }

    /// The files of a workspace's datastore, as whoever uploads to it sees them.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn files(&self, workspace: &str, datastore: &str) -> Result<Files> {
        let id = format!("{workspace}/datastores/{datastore}");
        let properties = self.resource(&id, "2025-12-01").await?["properties"].clone();
        let request = self.arm(Method::POST, &format!("{id}/listSecrets?api-version=2025-12-01")).await?;
        let secrets = json(request.json(&json!({"expirableSecret": true, "expireAfterHours": 1}))).await?;
        let account = properties["accountName"].as_str().doing("accountName")?;
        let container = properties["containerName"].as_str().doing("containerName")?;
        let base = format!("{}/{container}", self.host("blobEndpoint")?.replace("{account}", account));
        let signature = secrets["sasToken"].as_str().doing("sasToken")?.trim_start_matches('?').to_owned();
        Ok(Files { http: self.http.clone(), base, signature })
    }

    async fn arm(&self, method: Method, path: &str) -> Result<RequestBuilder> {
        let token = self.token("resourceManagerAudience").await?;
        let url = format!("{}{path}", self.host("resourceManager")?);
        Ok(self.http.request(method, url).bearer_auth(token))
    }

    /// The rows that a query over an Application Insights component gives, each by its columns' names.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn logs(&self, component: &str, query: &str) -> Result<Vec<Value>> {
        let app = self.resource(component, "2020-02-02").await?;
        let app = app["properties"]["AppId"].as_str().doing("AppId of the Application Insights component")?.to_owned();
        let token = self.token("applicationInsightsAudience").await?;
        let url = format!("{}/v1/apps/{app}/query", self.host("applicationInsights")?);
        let answer =
            json(self.http.post(url).bearer_auth(token).json(&json!({"query": query, "timespan": "PT1H"}))).await?;
        rows(&answer)
    }
}

/// The files of a datastore.
#[derive(Debug)]
pub struct Files {
    http: Client,
    base: String,
    signature: String,
}

impl Files {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/{path}?{}", self.base, self.signature));
        request.header("x-ms-version", "2023-11-03")
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put(&self, path: &str, content: impl Into<Vec<u8>>) -> Result {
        let request = self.request(Method::PUT, path).header("x-ms-blob-type", "BlockBlob").body(content.into());
        text(request).await.map(|_| ())
    }

    /// A file.
    ///
    /// # Errors
    /// When there is none.
    pub async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let answer = self.request(Method::GET, path).send().await?.error_for_status()?;
        Ok(answer.bytes().await?.to_vec())
    }

    /// A file's address, without a signature.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn remove(&self, path: &str) -> Result {
        text(self.request(Method::DELETE, path)).await.map(|_| ())
    }

    /// A file's size, without its content.
    ///
    /// # Errors
    /// When there is none.
    pub async fn size(&self, path: &str) -> Result<u64> {
        let answer = self.request(Method::HEAD, path).send().await?.error_for_status()?;
        let length = answer.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
        length.doing("content-length")
    }
}

async fn json(request: RequestBuilder) -> Result<Value> {
    let text = text(request).await?;
    serde_json::from_str(&text).doing(text)
}

async fn text(request: RequestBuilder) -> Result<String> {
    let answer = request.send().await?;
    let (url, status, text) = (answer.url().clone(), answer.status(), answer.text().await?);
    if status.is_success() { Ok(text) } else { Err(Failure::new(format!("{url}: {status}: {text}"))) }
}

/// The first table of an answer to a query.
fn rows(answer: &Value) -> Result<Vec<Value>> {
    let table = &answer["tables"][0];
    let columns = table["columns"].as_array().doing("columns of the answer to a query")?;
    let rows = table["rows"].as_array().doing("rows of the answer to a query")?;
    let named = |row: &Value| {
        let cells = columns.iter().enumerate();
        cells
            .map(|(index, column)| (column["name"].as_str().unwrap_or_default().to_owned(), row[index].clone()))
            .collect()
    };
    Ok(rows.iter().map(|row| Value::Object(named(row))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_named_by_their_columns() {
        let answer = json!({"tables": [{"columns": [{"name": "a"}, {"name": "b"}], "rows": [[1, "x"], [2, "y"]]}]});
        assert_eq!(rows(&answer).unwrap(), [json!({"a": 1, "b": "x"}), json!({"a": 2, "b": "y"})]);
    }
}
