//! Definitions, ledgers, break-even, density and published figures, as JSON.

use crate::record::reader::Record;
use crate::report::summary::Summary;
use crate::report::{definitions, ledger, meaning, overlay};
use serde_json::{Value, json};

/// Sizes of host for the density, GiB.
const HOSTS_GIB: [u32; 3] = [16, 64, 256];

/// All of it.
pub fn of(record: &Record, summary: &Summary) -> Value {
    let starts = definitions::of(record);
    json!({
        "schema": summary.schema,
        "published": overlay::of(&starts),
        "starts": starts,
        "ledgers": ledger::of(record),
        "break_even": meaning::break_even(summary),
        "density": meaning::density(summary, &HOSTS_GIB),
    })
}
