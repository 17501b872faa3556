//! Bencher Metric Format (bencher.dev, reference "Bencher Metric Format"): benchmark, measure, value with bounds.

use super::name_of;
use crate::report::summary::Summary;
use serde_json::{Map, Value, json};

/// Medians, with their 95 % intervals for bounds where there are any.
pub fn of(summary: &Summary) -> Value {
    let mut benchmarks = Map::new();
    for cell in &summary.cells {
        let mut measure = json!({ "value": cell.median });
        if let (Some(low), Some(high)) = (cell.low, cell.high) {
            measure["lower_value"] = low.into();
            measure["upper_value"] = high.into();
        }
        let entry = benchmarks.entry(name_of(cell)).or_insert_with(|| json!({}));
        entry[&cell.metric] = measure;
    }
    Value::Object(benchmarks)
}
