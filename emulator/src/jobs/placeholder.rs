//! `${{...}}` expressions of pipeline jobs and commands.

use serde_json::Value;

/// What an expression refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    /// `parent.inputs.x`
    ParentInput(String),
    /// `parent.outputs.x`
    ParentOutput(String),
    /// `parent.jobs.n.outputs.o`
    NodeOutput {
        /// The step.
        node: String,
        /// Its output.
        output: String,
    },
    /// `inputs.x`, inside a command.
    Input(String),
    /// `outputs.x`, inside a command.
    Output(String),
}

/// Text between `${{` and `}}` that refers to nothing known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "${{{{{0}}}}} refers to nothing: write parent.inputs.NAME, parent.outputs.NAME, parent.jobs.STEP.outputs.NAME, inputs.NAME or outputs.NAME"
)]
pub(crate) struct UnknownExpression(String);

impl Expression {
    fn parse(inner: &str) -> Result<Self, UnknownExpression> {
        let parts: Vec<&str> = inner.trim().split('.').collect();
        Ok(match parts.as_slice() {
            ["parent", "inputs", name] => Self::ParentInput((*name).to_owned()),
            ["parent", "outputs", name] => Self::ParentOutput((*name).to_owned()),
            ["parent", "jobs", node, "outputs", output] => {
                Self::NodeOutput { node: (*node).to_owned(), output: (*output).to_owned() }
            }
            ["inputs", name] => Self::Input((*name).to_owned()),
            ["outputs", name] => Self::Output((*name).to_owned()),
            _ => return Err(UnknownExpression(inner.to_owned())),
        })
    }
}

/// The expression that a text consists of, if it is one.
pub(crate) fn whole(text: &str) -> Result<Option<Expression>, UnknownExpression> {
    let inner = text.trim().strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}"));
    match inner {
        Some(inner) if !inner.contains("${{") => Expression::parse(inner).map(Some),
        _ => Ok(None),
    }
}

/// A text with every expression replaced.
pub(crate) fn replace<E: From<UnknownExpression>>(
    text: &str,
    mut value: impl FnMut(Expression) -> Result<String, E>,
) -> Result<String, E> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("${{") {
        out.push_str(before);
        let Some((inner, after)) = tail.split_once("}}") else {
            out.push_str("${{");
            rest = tail;
            continue;
        };
        out.push_str(&value(Expression::parse(inner)?)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// All expressions in all texts of a JSON value.
pub(crate) fn find(value: &Value, found: &mut Vec<Expression>) -> Result<(), UnknownExpression> {
    match value {
        Value::String(text) => {
            replace(text, |expression| {
                found.push(expression);
                Ok::<_, UnknownExpression>(String::new())
            })?;
        }
        Value::Array(items) => items.iter().try_for_each(|item| find(item, found))?,
        Value::Object(fields) => fields.values().try_for_each(|field| find(field, found))?,
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_told_apart() {
        for (text, expected) in [
            ("${{parent.inputs.train}}", Expression::ParentInput("train".into())),
            ("${{ parent.outputs.m }}", Expression::ParentOutput("m".into())),
            (
                "${{parent.jobs.n.outputs.best_model}}",
                Expression::NodeOutput { node: "n".into(), output: "best_model".into() },
            ),
            ("${{inputs.x}}", Expression::Input("x".into())),
        ] {
            assert_eq!(whole(text), Ok(Some(expected)), "{text}");
        }
        assert_eq!(whole("azureml:data:1"), Ok(None));
        assert!(whole("${{parent.jobs.n}}").unwrap_err().to_string().contains("${{parent.jobs.n}}"));
    }

    #[test]
    fn a_text_around_expressions_stays() {
        let replaced = replace("cat ${{inputs.a}} > ${{outputs.b}}/x", |e| {
            Ok::<_, UnknownExpression>(match e {
                Expression::Input(name) | Expression::Output(name) => format!("/{name}"),
                _ => String::new(),
            })
        });
        assert_eq!(replaced.unwrap(), "cat /a > /b/x");
    }
}
