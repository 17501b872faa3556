//! Definitions, ledgers, break-even, blocks needed, density and published figures, as JSON.

use crate::record::reader::Record;
use crate::report::insight::HOSTS_GIB;
use crate::report::summary::Summary;
use crate::report::{definitions, ledger, meaning, needed, overlay};
use serde_json::{Value, json};

/// All of it.
pub fn of(record: &Record, summary: &Summary) -> Value {
    let starts = definitions::of(record);
    json!({
        "schema": summary.schema,
        "published": overlay::of(&starts),
        "starts": starts,
        "ledgers": ledger::of(record),
        "break_even": meaning::break_even(summary),
        "needed": needed::of(record, summary),
        "density": meaning::density(summary, &HOSTS_GIB),
    })
}
