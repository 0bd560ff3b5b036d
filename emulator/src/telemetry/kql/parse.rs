//! From tokens to the steps of a query.

use super::KqlError;
use super::expression::Expression;
use super::lexer::Token;
use serde_json::Value;

/// A step after the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Where(Expression),
    Project(Vec<(String, Expression)>),
    Extend(Vec<(String, Expression)>),
    Summarize {
        measures: Vec<(String, Measure)>,
        by: Vec<(String, Expression)>,
    },
    /// Columns, each with whether the greatest comes first.
    Order(Vec<(Expression, bool)>),
    Take(usize),
    Count,
}

/// What `summarize` computes over a group.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Measure {
    Count,
    CountIf(Expression),
    Distinct(Expression),
    Avg(Expression),
    Sum(Expression),
    Min(Expression),
    Max(Expression),
    Percentile(Expression, f64),
}

/// A query: a table and steps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    pub(super) table: String,
    pub(super) steps: Vec<Step>,
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

/// Parses a query.
pub(super) fn query(tokens: &[Token]) -> Result<Query, KqlError> {
    let mut parser = Parser { tokens, at: 0 };
    let table = parser.word("a table's name")?;
    let mut steps = Vec::new();
    while parser.take("|") {
        parser.step(&mut steps)?;
    }
    parser.take(";");
    match parser.tokens.get(parser.at) {
        None => Ok(Query { table, steps }),
        Some(token) => Err(KqlError::Syntax(format!("{token:?} is unexpected"))),
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(s)) if *s == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), KqlError> {
        if self.take(symbol) { Ok(()) } else { Err(KqlError::Syntax(format!("'{symbol}' is expected"))) }
    }

    fn keyword(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(w)) if w == word);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, what: &str) -> Result<String, KqlError> {
        let Some(Token::Word(word)) = self.peek() else { return Err(KqlError::Syntax(format!("{what} is expected"))) };
        let word = word.clone();
        self.at += 1;
        Ok(word)
    }

    fn number(&mut self) -> Result<f64, KqlError> {
        let Some(Token::Number(number)) = self.peek() else {
            return Err(KqlError::Syntax("a number is expected".to_owned()));
        };
        let number = *number;
        self.at += 1;
        Ok(number)
    }

    fn step(&mut self, steps: &mut Vec<Step>) -> Result<(), KqlError> {
        let name = self.word("an operator")?;
        match name.as_str() {
            "where" | "filter" => steps.push(Step::Where(self.or()?)),
            "project" => steps.push(Step::Project(self.named()?)),
            "extend" => steps.push(Step::Extend(self.named()?)),
            "summarize" => steps.push(self.summarize()?),
            "order" | "sort" => {
                if !self.keyword("by") {
                    return Err(KqlError::Syntax("'by' is expected".to_owned()));
                }
                steps.push(Step::Order(self.orders()?));
            }
            "take" | "limit" => steps.push(Step::Take(self.number()? as usize)),
            "top" => {
                let count = self.number()? as usize;
                if !self.keyword("by") {
                    return Err(KqlError::Syntax("'by' is expected".to_owned()));
                }
                steps.push(Step::Order(self.orders()?));
                steps.push(Step::Take(count));
            }
            "count" => steps.push(Step::Count),
            _ => return Err(KqlError::Operator(name)),
        }
        Ok(())
    }

    fn orders(&mut self) -> Result<Vec<(Expression, bool)>, KqlError> {
        let mut orders = Vec::new();
        loop {
            let by = self.value()?;
            let ascending = self.keyword("asc");
            self.keyword("desc");
            orders.push((by, !ascending));
            if !self.take(",") {
                return Ok(orders);
            }
        }
    }

    /// `name = ` before an expression, if it is there.
    fn name(&mut self) -> Option<String> {
        let (Some(Token::Word(name)), Some(Token::Symbol("="))) = (self.peek(), self.tokens.get(self.at + 1)) else {
            return None;
        };
        let name = name.clone();
        self.at += 2;
        Some(name)
    }

    fn named(&mut self) -> Result<Vec<(String, Expression)>, KqlError> {
        let mut columns = Vec::new();
        loop {
            let name = self.name();
            let value = self.or()?;
            let name = name
                .or_else(|| value.name().map(str::to_owned))
                .unwrap_or_else(|| format!("Column{}", columns.len() + 1));
            columns.push((name, value));
            if !self.take(",") {
                return Ok(columns);
            }
        }
    }

    fn summarize(&mut self) -> Result<Step, KqlError> {
        let mut measures = Vec::new();
        while !self.keyword("by") {
            let name = self.name();
            let (default, measure) = self.measure()?;
            measures.push((name.unwrap_or(default), measure));
            if self.take(",") {
                continue;
            }
            if self.keyword("by") {
                break;
            }
            return Ok(Step::Summarize { measures, by: Vec::new() });
        }
        Ok(Step::Summarize { measures, by: self.named()? })
    }

    fn measure(&mut self) -> Result<(String, Measure), KqlError> {
        let function = self.word("an aggregation")?;
        self.expect("(")?;
        if function == "count" {
            self.expect(")")?;
            return Ok(("count_".to_owned(), Measure::Count));
        }
        let of = self.or()?;
        let name = format!("{function}_{}", of.name().unwrap_or_default());
        let measure = match function.as_str() {
            "countif" => Measure::CountIf(of),
            "dcount" => Measure::Distinct(of),
            "avg" => Measure::Avg(of),
            "sum" => Measure::Sum(of),
            "min" => Measure::Min(of),
            "max" => Measure::Max(of),
            "percentile" => {
                self.expect(",")?;
                Measure::Percentile(of, self.number()?)
            }
            _ => return Err(KqlError::Operator(function)),
        };
        self.expect(")")?;
        Ok((name, measure))
    }

    fn or(&mut self) -> Result<Expression, KqlError> {
        let mut left = self.and()?;
        while self.keyword("or") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, KqlError> {
        let mut left = self.comparison()?;
        while self.keyword("and") {
            left = Expression::And(Box::new(left), Box::new(self.comparison()?));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Expression, KqlError> {
        let left = self.value()?;
        for operator in ["==", "!=", "=~", "!~", ">=", "<=", ">", "<"] {
            if self.take(operator) {
                return Ok(Expression::Compare(operator, Box::new(left), Box::new(self.value()?)));
            }
        }
        for operator in ["contains", "has", "startswith", "endswith"] {
            if self.keyword(operator) {
                return Ok(Expression::Compare(operator, Box::new(left), Box::new(self.value()?)));
            }
        }
        if self.keyword("in") {
            self.expect("(")?;
            let list = self.list()?;
            return Ok(Expression::OneOf(Box::new(left), list));
        }
        Ok(left)
    }

    /// Values up to the closing bracket.
    fn list(&mut self) -> Result<Vec<Expression>, KqlError> {
        let mut list = Vec::new();
        while !self.take(")") {
            list.push(self.or()?);
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(list)
    }

    fn value(&mut self) -> Result<Expression, KqlError> {
        if self.take("(") {
            let inner = self.or()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let token = self.peek().cloned().ok_or_else(|| KqlError::Syntax("a value is expected".to_owned()))?;
        self.at += 1;
        match token {
            Token::Text(text) => Ok(Expression::Constant(Value::from(text))),
            Token::Number(number) if number.fract() == 0.0 => Ok(Expression::Constant(Value::from(number as i64))),
            Token::Number(number) | Token::Span(number) => Ok(Expression::Constant(Value::from(number))),
            Token::Word(word) if word == "true" || word == "false" => {
                Ok(Expression::Constant(Value::from(word == "true")))
            }
            Token::Word(word) if self.take("(") => self.call(&word),
            Token::Word(word) => self.column(word),
            Token::Symbol(symbol) => Err(KqlError::Syntax(format!("a value is expected before '{symbol}'"))),
        }
    }

    fn column(&mut self, first: String) -> Result<Expression, KqlError> {
        let mut path = vec![first];
        loop {
            if self.take(".") {
                path.push(self.word("a key")?);
            } else if self.take("[") {
                let Some(Token::Text(key)) = self.peek().cloned() else {
                    return Err(KqlError::Syntax("a key in quotes is expected".to_owned()));
                };
                self.at += 1;
                path.push(key);
                self.expect("]")?;
            } else {
                return Ok(Expression::Column(path));
            }
        }
    }

    fn call(&mut self, function: &str) -> Result<Expression, KqlError> {
        if function == "datetime" {
            return self.datetime();
        }
        let mut arguments = self.list()?.into_iter();
        let mut next = || arguments.next().ok_or_else(|| KqlError::Syntax(format!("{function} lacks an argument")));
        let seconds = |value: Expression| match value {
            Expression::Constant(value) => value.as_f64().unwrap_or_default(),
            _ => 0.0,
        };
        Ok(match function {
            "ago" => Expression::Ago(seconds(next()?)),
            "now" => Expression::Now,
            "not" => Expression::Not(Box::new(next()?)),
            "bin" => {
                let of = next()?;
                let width = seconds(next()?);
                if width <= 0.0 {
                    return Err(KqlError::Syntax("bin needs a width above 0".to_owned()));
                }
                Expression::Bin(Box::new(of), width)
            }
            "tostring" => Expression::Cast("string", Box::new(next()?)),
            "toint" | "tolong" => Expression::Cast("int", Box::new(next()?)),
            "todouble" | "toreal" => Expression::Cast("real", Box::new(next()?)),
            "isempty" => Expression::Empty(Box::new(next()?)),
            "isnotempty" => Expression::Not(Box::new(Expression::Empty(Box::new(next()?)))),
            _ => return Err(KqlError::Operator(function.to_owned())),
        })
    }

    /// `datetime("...")`: an unquoted instant is not taken.
    fn datetime(&mut self) -> Result<Expression, KqlError> {
        let Some(Token::Text(text)) = self.peek().cloned() else {
            return Err(KqlError::Syntax("datetime takes a text in quotes here".to_owned()));
        };
        self.at += 1;
        self.expect(")")?;
        Ok(Expression::Constant(Value::from(text)))
    }
}
