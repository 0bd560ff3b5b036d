//! What a column is good for, judged by its values in the training rows.

use crate::settings::Featurization;
use crate::table::{Categories, MISSING, Values};
use std::collections::HashSet;

/// Text of up to this many distinct values gets a feature for each.
const MOST_CATEGORIES: usize = 100;
/// Text whose values are this often distinct names its row (a name, an id, a hash), so it can't generalise.
const NEARLY_UNIQUE: f64 = 0.9;
/// Mean words a value from which text is read as words rather than as a category.
const WORDS_IN_TEXT: f64 = 3.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Number,
    Categories,
    ManyCategories,
    Dates,
    Words,
    /// Nothing to learn from: all missing, always the same, or different in every row.
    Ignore,
}

pub(crate) fn purpose(values: &Values, rows: &[usize], mode: Featurization) -> Purpose {
    if constant(values, rows) {
        return Purpose::Ignore;
    }
    match (values, mode) {
        (Values::Number { .. } | Values::Boolean(_), _) => Purpose::Number,
        (_, Featurization::Off) => Purpose::Ignore,
        (Values::DateTime(_), _) => Purpose::Dates,
        (Values::Text(categories), _) => of_text(categories, rows),
    }
}

/// Whether all rows hold one value, a missing one being a value too.
fn constant(values: &Values, rows: &[usize]) -> bool {
    let Some((&first, rest)) = rows.split_first() else { return true };
    match values {
        Values::Number { values, .. } | Values::DateTime(values) => {
            rest.iter().all(|&r| values[r] == values[first] || (values[r].is_nan() && values[first].is_nan()))
        }
        Values::Boolean(values) => rest.iter().all(|&r| values[r] == values[first]),
        Values::Text(categories) => rest.iter().all(|&r| categories.codes[r] == categories.codes[first]),
    }
}

fn of_text(categories: &Categories, rows: &[usize]) -> Purpose {
    let present: Vec<u32> = rows.iter().map(|&row| categories.codes[row]).filter(|&code| code != MISSING).collect();
    let distinct: HashSet<u32> = present.iter().copied().collect();
    let share = distinct.len() as f64 / present.len() as f64;
    let words = distinct.iter().filter_map(|&code| categories.dictionary.get(code as usize));
    let words: usize = words.map(|text| text.split_whitespace().count()).sum();
    let long = words as f64 >= WORDS_IN_TEXT * distinct.len() as f64;
    match distinct.len() {
        // Few rows make any column look unique; a handful of categories is always worth its features.
        0..=10 => Purpose::Categories,
        _ if long && share > 0.5 => Purpose::Words,
        _ if share >= NEARLY_UNIQUE => Purpose::Ignore,
        n if n <= MOST_CATEGORIES => Purpose::Categories,
        _ if long => Purpose::Words,
        _ => Purpose::ManyCategories,
    }
}
