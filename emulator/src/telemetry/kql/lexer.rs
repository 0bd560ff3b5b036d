//! Tokens of a query.

use super::KqlError;

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    Number(f64),
    /// A length of time, in seconds.
    Span(f64),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 17] = ["==", "!=", "=~", "!~", ">=", "<=", ">", "<", "=", "(", ")", "[", "]", ",", ".", "|", ";"];

/// Splits a query into tokens; `//` begins a comment.
pub(super) fn tokens(query: &str) -> Result<Vec<Token>, KqlError> {
    let mut found = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after).trim_start();
            continue;
        } else if first == '"' || first == '\'' {
            text(rest, first)?
        } else if first.is_ascii_digit() {
            number(rest)?
        } else if first.is_alphabetic() || first == '_' || first == '$' {
            let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
            (Token::Word(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '$').collect()), length)
        } else {
            let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
            let symbol = symbol.ok_or_else(|| KqlError::Syntax(format!("'{first}' is not understood")))?;
            (Token::Symbol(symbol), symbol.len())
        };
        found.push(token);
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(found)
}

fn text(rest: &str, quote: char) -> Result<(Token, usize), KqlError> {
    let mut value = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((place, c)) = characters.next() {
        match c {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            c if c == quote => return Ok((Token::Text(value), place + 1)),
            c => value.push(c),
        }
    }
    Err(KqlError::Syntax("a text is not closed".to_owned()))
}

fn number(rest: &str) -> Result<(Token, usize), KqlError> {
    let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    let (text, after) = rest.split_at(digits);
    let value: f64 = text.parse().map_err(|_| KqlError::Syntax(format!("{text} is not a number")))?;
    let unit: String = after.chars().take_while(char::is_ascii_alphabetic).collect();
    let seconds = match unit.as_str() {
        "" => return Ok((Token::Number(value), digits)),
        "d" => 86400.0,
        "h" => 3600.0,
        "m" => 60.0,
        "s" => 1.0,
        "ms" => 0.001,
        _ => return Err(KqlError::Syntax(format!("{text}{unit} is not a length of time: units are d, h, m, s, ms"))),
    };
    Ok((Token::Span(value * seconds), digits + unit.len()))
}
