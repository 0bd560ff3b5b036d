//! A consumer of the model: a plain HTTP client that knows the Secret, the swagger document and nothing else.

use azureml_operator_tests::failure::{Failure, Result, While};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// A row of the data with its true label.
#[derive(Clone, Debug)]
pub struct Row {
    /// The line of the file, the header being line 1.
    pub line: usize,
    /// The values by column.
    pub values: Vec<(String, String)>,
    /// The true label.
    pub label: String,
}

/// A prediction beside the truth.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The row.
    pub row: Row,
    /// What the model says.
    pub predicted: String,
    /// The id that the request was sent with.
    pub request: String,
    /// The deployment that answered.
    pub deployment: String,
}

/// Rows from the middle of a table: `each` of every label, in the file's order.
pub fn rows(csv: &[u8], label: &str, each: &[(&str, usize)]) -> Result<Vec<Row>> {
    let mut reader = csv::Reader::from_reader(csv);
    let header = reader.headers()?.clone();
    let records = reader.records().collect::<std::result::Result<Vec<_>, _>>()?;
    let column = header.iter().position(|name| name == label).doing(format_args!("column {label}"))?;
    let start = records.len() / 2;
    let mut left: Vec<(&str, usize)> = each.to_vec();
    let mut chosen = Vec::new();
    for (index, record) in records.iter().enumerate().skip(start) {
        let Some(wanted) = left.iter_mut().find(|(value, count)| *value == &record[column] && *count > 0) else {
            continue;
        };
        wanted.1 -= 1;
        let values = header.iter().zip(record).filter(|(name, _)| *name != label);
        chosen.push(Row {
            line: index + 2,
            values: values.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            label: record[column].to_owned(),
        });
    }
    Ok(chosen)
}

/// The number of rows of a table, without its header.
pub fn count(csv: &[u8]) -> Result<usize> {
    Ok(csv::Reader::from_reader(csv).records().collect::<std::result::Result<Vec<_>, _>>()?.len())
}

/// The address and the key, from the Secret.
pub fn address(secret: &Value) -> Result<(String, String)> {
    let read = |key: &str| {
        let encoded = secret["data"][key].as_str().doing(format_args!("{key} in the Secret"))?;
        let bytes = BASE64_STANDARD.decode(encoded).doing(format_args!("{key} in the Secret"))?;
        Ok::<_, Failure>(String::from_utf8(bytes)?)
    };
    Ok((read("scoringUri")?, read("key")?))
}

/// Asks for one prediction.
pub async fn predict(
    http: &reqwest::Client,
    (uri, key): &(String, String),
    columns: &[(String, String)],
    row: &Row,
    request: &str,
) -> Result<Prediction> {
    let body = body(columns, row)?;
    let answer = http.post(uri).bearer_auth(key).header("x-request-id", request).json(&body).send().await?;
    let (status, headers, text) = (answer.status(), answer.headers().clone(), answer.text().await?);
    if !status.is_success() {
        return Err(Failure::new(format!("POST {uri}: {status}: {text}")));
    }
    let answer: Value = serde_json::from_str(&text).doing("the answer of the endpoint")?;
    let first = answer.get(0).doing(format_args!("a prediction in {text}"))?;
    let predicted = first.as_str().map_or_else(|| first.to_string(), str::to_owned);
    let deployment = headers.get("azureml-model-deployment").and_then(|value| value.to_str().ok());
    Ok(Prediction {
        row: row.clone(),
        predicted,
        request: request.to_owned(),
        deployment: deployment.unwrap_or_default().to_owned(),
    })
}

/// A request for a row, its values of the types that swagger asks for.
fn body(columns: &[(String, String)], row: &Row) -> Result<Value> {
    let value = |(name, kind): &(String, String)| {
        let text =
            row.values.iter().find(|(column, _)| column == name).doing(format_args!("column {name}"))?.1.as_str();
        match kind.as_str() {
            "integer" | "number" => serde_json::from_str(text).doing(format_args!("{name} {text:?} as a number")),
            _ => Ok(json!(text)),
        }
    };
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let values = columns.iter().map(value).collect::<Result<Vec<Value>>>()?;
    Ok(json!({"input_data": {"columns": names, "index": [0], "data": [values]}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "age,job,y\n1,a,no\n2,b,yes\n3,c,no\n4,d,no\n5,e,yes\n6,f,yes\n";

    #[test]
    fn rows_of_each_label_come_from_the_middle_on() {
        let rows = rows(TABLE.as_bytes(), "y", &[("no", 1), ("yes", 1)]).unwrap();
        let found: Vec<_> = rows.iter().map(|row| (row.line, row.label.as_str(), row.values.len())).collect();
        assert_eq!(found, [(5, "no", 2), (6, "yes", 2)]);
        assert_eq!(count(TABLE.as_bytes()).unwrap(), 6);
    }

    #[test]
    fn values_have_the_types_that_swagger_asks_for() {
        let row = &rows(TABLE.as_bytes(), "y", &[("no", 1)]).unwrap()[0];
        let columns = [("job".to_owned(), "string".to_owned()), ("age".to_owned(), "integer".to_owned())];
        let expected = json!({"input_data": {"columns": ["job", "age"], "index": [0], "data": [["d", 4]]}});
        assert_eq!(body(&columns, row).unwrap(), expected);
    }
}
