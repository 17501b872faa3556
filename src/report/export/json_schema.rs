//! JSON Schema (draft 2020-12) of every file of a record.

use crate::record::lessons::Lessons;
use crate::record::schema::{Environment, Phase, Plan, RunRow, SCHEMA, Sample};
use crate::report::summary::{Cell, Summary};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// An object with a schema for each file; of a CSV file, for one of its rows.
pub fn of() -> Value {
    json!({
        "title": "Files of a taremark record",
        "version": SCHEMA,
        "files": {
            "plan.json": schema::<Plan>(),
            "environment.json": schema::<Environment>(),
            "runs.csv": schema::<RunRow>(),
            "samples.csv": schema::<Sample>(),
            "phases.csv": schema::<Phase>(),
            "lessons.json": schema::<Lessons>(),
            "summary.json": schema::<Summary>(),
            "summary.csv": schema::<Cell>(),
        },
    })
}

fn schema<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}
