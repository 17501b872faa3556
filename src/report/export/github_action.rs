//! github-action-benchmark's `customSmallerIsBetter`: a list of name, unit, value, range, extra. Rates are left out: for them
//! smaller is not better.

use super::{is_cost, name_of};
use crate::report::summary::Summary;
use serde_json::{Value, json};

/// Medians of costs.
pub fn of(summary: &Summary) -> Value {
    let costs = summary.cells.iter().filter(|c| is_cost(&c.metric));
    costs
        .map(|c| {
            let half = c.low.zip(c.high).map_or(0.0, |(low, high)| (high - low) / 2.0);
            json!({
                "name": format!("{} {}", name_of(c), c.metric),
                "unit": c.unit,
                "value": c.median,
                "range": format!("± {half}"),
                "extra": format!("median of {} runs, MAD {}, {}", c.n, c.mad, c.verdict),
            })
        })
        .collect()
}
