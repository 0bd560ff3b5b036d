//! Forecasting: the carbon dioxide of Mauna Loa, several series of our own, and what can't be forecast.

#![allow(clippy::unwrap_used, reason = "a test ends by panicking")]

mod common;

use azureml_emulator_learn::{
    Algorithm, AutoMl, AutoMlSettings, Cancel, Data, Forecasting, Model, Outcome, RollingWindow, Table,
    TargetAggregation, TargetLags,
};
use common::{data, forecasting, table, training};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

fn run(settings: AutoMlSettings, data: &Data) -> Outcome {
    AutoMl::new(settings).run(data, &Cancel::new(), |_| {}).unwrap()
}

fn score(outcome: &Outcome, algorithm: &str) -> f64 {
    let trial = outcome.trials.iter().find(|trial| trial.trial.algorithm == algorithm).unwrap();
    trial.metrics().unwrap().get("normalized_root_mean_squared_error").unwrap()
}

fn records(rows: &[Value]) -> Vec<Map<String, Value>> {
    rows.iter().map(|row| row.as_object().unwrap().clone()).collect()
}

/// Two shops by the day for a year: one sells a tenth of the other; both more on two days of the week, half as much
/// again on days of a promotion, and every week more than before.
fn shops() -> String {
    let mut text = "day,shop,promotion,sold\n".to_owned();
    for day in 0..364_i64 {
        let date = jiff::civil::date(2024, 1, 1) + jiff::Span::new().days(day);
        for (shop, size) in [("large", 100.0), ("small", 10.0)] {
            let weekend = if day % 7 >= 5 { 1.6 } else { 1.0 };
            let promotion = day % 5 == 2;
            let noise = 1.0 + ((day * 7919 % 101) as f64 - 50.0) / 1000.0;
            let sold = size * weekend * if promotion { 1.5 } else { 1.0 } * (1.0 + day as f64 / 300.0) * noise;
            let _ = writeln!(text, "{date},{shop},{promotion},{sold:.3}");
        }
    }
    text
}

fn shop_settings(horizon: usize) -> Forecasting {
    Forecasting { series_columns: vec!["shop".to_owned()], ..Forecasting::new("day", horizon) }
}

#[test]
fn carbon_dioxide_is_forecast_better_than_by_the_last_season() {
    let rows = data("co2.csv");
    let (first, last): (Vec<usize>, Vec<usize>) = (0..rows.rows()).partition(|row| *row < rows.rows() - 52);
    let data = Data { training: rows.select(&first), validation: None, test: Some(rows.select(&last)) };
    let outcome = run(forecasting("co2", Forecasting::new("date", 26), 6), &data);
    let best = outcome.best_trial().unwrap();
    let (best_score, naive, seasonal) = (
        best.metrics().unwrap().get("normalized_root_mean_squared_error").unwrap(),
        score(&outcome, "Naive"),
        score(&outcome, "SeasonalNaive"),
    );
    assert!(seasonal < naive * 0.8, "it has a season: {seasonal} and {naive}");
    assert!(best_score < seasonal * 0.7, "{}: {best_score}, the last season {seasonal}", best.trial.algorithm);
    // From 313 to 374 parts per million.
    let tested = outcome.test_metrics.as_ref().unwrap();
    assert!(tested.get("mean_absolute_error").unwrap() < 1.0, "{:?}", tested.get("mean_absolute_error"));
    assert_ne!(tested.get("r2_score"), best.metrics().unwrap().get("r2_score"));
    assert_eq!(outcome.model.horizon(), Some(26));

    let again = Model::from_json(&outcome.model.to_json().unwrap()).unwrap();
    let asked = [json!({"date": 20010106}), json!({"date": 20010113}), json!({"date": 20010630})];
    let asked = Table::from_records(&again.input_columns(), &records(&asked)).unwrap();
    let said: Vec<f64> = again.predict(&asked).unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(again.predict(&asked).unwrap(), outcome.model.predict(&asked).unwrap());
    // In June there is more of it than in January.
    assert!(said.iter().all(|ppm| (368.0..376.0).contains(ppm)) && said[2] > said[0] + 1.0, "{said:?}");
}

#[test]
fn every_algorithm_of_forecasting_goes_with_two_series() {
    let rows = training(table(&shops()));
    for algorithm in Algorithm::ALL.into_iter().filter(|a| a.fits(azureml_emulator_learn::Task::Forecasting)) {
        let mut settings = forecasting("sold", shop_settings(14), 1);
        settings.allowed_algorithms = vec![algorithm];
        let outcome = run(settings, &rows);
        let trial = outcome.best_trial().unwrap();
        assert_eq!(trial.trial.algorithm, algorithm.runs_as().azure_name());
        let metrics = trial.metrics().unwrap();
        let (error, r2) = (metrics.get("normalized_mean_absolute_error").unwrap(), metrics.get("r2_score").unwrap());
        // What knows neither the season nor what the columns say is no better than the mean.
        let knows = !matches!(algorithm, Algorithm::Naive | Algorithm::Average | Algorithm::SeasonalAverage);
        assert!(error < if knows { 0.2 } else { 0.5 }, "{algorithm}: {error}");
        assert!(r2 > 0.7 || !knows, "{algorithm}: {r2}");
    }
}

#[test]
fn a_known_column_of_the_future_counts() {
    let mut settings = forecasting("sold", shop_settings(14), 1);
    settings.allowed_algorithms = vec![Algorithm::LightGbm];
    settings.forecasting.as_mut().unwrap().target_lags = TargetLags::Auto;
    settings.forecasting.as_mut().unwrap().rolling_window = RollingWindow::Custom(7);
    let model = run(settings, &training(table(&shops()))).model;
    let names: Vec<String> = model.input_columns().into_iter().map(|column| column.name).collect();
    assert_eq!(names, ["day", "shop", "promotion"]);
    let ask = |promotion: bool| {
        let row = |shop: &str| json!({"day": "2024-12-30T00:00:00Z", "shop": shop, "promotion": promotion});
        let rows = Table::from_records(&model.input_columns(), &records(&[row("large"), row("small")])).unwrap();
        model.predict(&rows).unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>()
    };
    let (with, without) = (ask(true), ask(false));
    assert!(with[0] > 3.0 * with[1], "{with:?}");
    assert!(with[0] > 1.2 * without[0], "{with:?} and {without:?}");
}

#[test]
fn rows_of_one_period_are_an_error_or_their_sum() {
    let rows = training(table(&shops()));
    let whole = Forecasting::new("day", 7);
    let refused = AutoMl::new(forecasting("sold", whole.clone(), 1)).run(&rows, &Cancel::new(), |_| {});
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("2 rows are of one period") && refused.contains("time_series_id_column_names"),
        "{refused}"
    );
    let mut settings = forecasting("sold", Forecasting { target_aggregation: TargetAggregation::Sum, ..whole }, 1);
    settings.allowed_algorithms = vec![Algorithm::SeasonalNaive];
    let model = run(settings, &rows).model;
    let asked = json!({"day": "2024-12-30T00:00:00Z", "shop": "both", "promotion": true});
    let asked = Table::from_records(&model.input_columns(), &records(&[asked])).unwrap();
    // A week before, the day with its two shops.
    let week_before: f64 = shops()
        .lines()
        .filter(|row| row.starts_with("2024-12-23"))
        .map(|row| row.rsplit_once(',').unwrap().1.parse::<f64>().unwrap())
        .sum();
    assert!((model.predict(&asked).unwrap()[0].as_f64().unwrap() - week_before).abs() < 1e-6);
}

#[test]
fn rows_that_can_not_be_forecast_are_refused_in_words() {
    let mut settings = forecasting("sold", shop_settings(7), 1);
    settings.allowed_algorithms = vec![Algorithm::SeasonalNaive];
    let model = run(settings, &training(table(&shops()))).model;
    for (row, message) in [
        (json!({"day": "2024-12-29", "shop": "large", "promotion": true}), "begins at 2024-12-30"),
        (json!({"day": "2025-01-03", "shop": "new", "promotion": true}), "the series new"),
        (json!({"day": null, "shop": "large", "promotion": true}), "no time"),
        (json!({"day": "2099-01-01", "shop": "large", "promotion": true}), "1000 periods"),
    ] {
        let rows = Table::from_records(&model.input_columns(), &records(&[row])).unwrap();
        let refused = model.predict(&rows).unwrap_err().to_string();
        assert!(refused.contains(message), "{refused}");
    }
}

#[test]
fn settings_that_do_not_suit_are_refused_by_their_name() {
    let rows = training(table(&shops()));
    let fail =
        |settings: AutoMlSettings| AutoMl::new(settings).run(&rows, &Cancel::new(), |_| {}).unwrap_err().to_string();
    let plain = || forecasting("sold", shop_settings(7), 1);
    for (settings, message) in [
        (AutoMlSettings { forecasting: None, ..plain() }, "forecasting"),
        (forecasting("sold", Forecasting { time_column: "when".into(), ..shop_settings(7) }, 1), "time_column_name"),
        (forecasting("sold", Forecasting { time_column: "shop".into(), ..shop_settings(7) }, 1), "holds no times"),
        (
            forecasting("sold", Forecasting { series_columns: vec!["w".into()], ..shop_settings(7) }, 1),
            "time_series_id",
        ),
        (forecasting("sold", Forecasting { frequency: Some("B".into()), ..shop_settings(7) }, 1), "frequency"),
        (forecasting("sold", shop_settings(0), 1), "forecast_horizon"),
        (forecasting("sold", shop_settings(200), 1), "too few for 3 folds"),
        (AutoMlSettings { validation_size: Some(0.2), ..plain() }, "n_cross_validations"),
        (AutoMlSettings { weight_column: Some("promotion".into()), ..plain() }, "weight_column_name"),
        (forecasting("shop", shop_settings(7), 1), "not numbers"),
    ] {
        let found = fail(settings);
        assert!(found.contains(message), "{found}");
    }
}
