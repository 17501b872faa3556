//! Which columns a table has.

use std::fmt::Write;

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8, never absent.
    Word,
    /// Signed 32 bits, never absent.
    Count,
    /// Signed 32 bits, or absent.
    Code,
    /// Double, or absent.
    Number,
    /// Boolean, never absent.
    Flag,
}

impl Kind {
    fn parquet(self) -> (&'static str, &'static str) {
        match self {
            Kind::Word => ("required binary", " (STRING)"),
            Kind::Count => ("required int32", ""),
            Kind::Code => ("optional int32", ""),
            Kind::Number => ("optional double", ""),
            Kind::Flag => ("required boolean", ""),
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Kind::Word => "VARCHAR",
            Kind::Count => "INTEGER",
            Kind::Code => "INTEGER, may be NULL",
            Kind::Number => "DOUBLE, may be NULL",
            Kind::Flag => "BOOLEAN",
        }
    }
}

/// A column.
#[derive(Debug)]
pub struct Column {
    /// Name; none is a word of SQL.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// In one line.
    pub what: &'static str,
}

/// A table.
#[derive(Debug)]
pub struct Table {
    /// `samples`, `runs` or `phases`: the file without `.parquet`.
    pub name: &'static str,
    /// In their order in the file.
    pub columns: &'static [Column],
}

impl Table {
    /// As Parquet's message type.
    pub(super) fn message(&self) -> String {
        let mut text = format!("message {} {{", self.name);
        for column in self.columns {
            let (kind, mark) = column.kind.parquet();
            let _ = write!(text, " {kind} {}{mark};", column.name);
        }
        text + " }"
    }

    /// Place of a column.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }
}

const fn column(name: &'static str, kind: Kind, what: &'static str) -> Column {
    Column { name, kind, what }
}

const HOST: Column = column("host", Kind::Word, "id of the host, 32 hexadecimal digits: docs/fleet.md");
const HOST_NAME: Column = column("host_name", Kind::Word, "its name");
const SESSION: Column = column("session", Kind::Word, "id of the bench");
const RUN: Column = column("run", Kind::Count, "number of the run in its session; 0: of no run");
const BLOCK: Column = column("block", Kind::Count, "block of the plan, warm-up counted; 0: of no run");
const PLACE: Column = column("place", Kind::Count, "place in the block (`order` in the CSV)");
const TARGET: Column = column("target", Kind::Word, "how the workload was run");
const WORKLOAD: Column = column("workload", Kind::Word, "what was run");
const ACCELERATOR: Column = column("accelerator", Kind::Word, "`kvm`, `tcg` (emulation) or empty");
const WARMUP: Column = column("warmup", Kind::Flag, "of a warm-up run: of no figure");
const SUPERSEDED: Column =
    column("superseded", Kind::Flag, "another session's copy of this block counts: of no figure");
const ERROR: Column = column("error", Kind::Word, "why it failed, or empty");

/// What every table begins with, and its own columns after that.
macro_rules! columns {
    ($($own:expr),* $(,)?) => { &[HOST, HOST_NAME, SESSION, RUN, BLOCK, $($own),*] };
}

/// samples.parquet.
pub const SAMPLES: Table = Table {
    name: "samples",
    columns: columns![
        PLACE,
        TARGET,
        WORKLOAD,
        ACCELERATOR,
        column("metric", Kind::Word, "one of those of docs/method.md"),
        column("unit", Kind::Word, "`ms`, `bytes`, `1/s`, `MiB/s`"),
        column("value", Kind::Number, "absent only where `error` says why"),
        WARMUP,
        SUPERSEDED,
        ERROR,
    ],
};

/// runs.parquet.
pub const RUNS: Table = Table {
    name: "runs",
    columns: columns![
        PLACE,
        TARGET,
        WORKLOAD,
        ACCELERATOR,
        WARMUP,
        SUPERSEDED,
        column("started_utc", Kind::Word, "by the host's own clock, RFC 3339"),
        column("image_digest", Kind::Word, "what was launched"),
        column("job_digest", Kind::Word, "of what the target was told"),
        column("output_digest", Kind::Word, "of the checked part of the output"),
        column("exit_code", Kind::Code, "of the workload"),
        column("load1", Kind::Number, "one-minute load before the run"),
        column("steal_ms", Kind::Number, "steal time during the run, all CPUs"),
        ERROR,
        column("env_pad_bytes", Kind::Count, "by which the block's environment was longer"),
        column("waited_ms", Kind::Number, "wait for a quiet host"),
        column("waited_for", Kind::Word, "what was not quiet"),
    ],
};

/// phases.parquet.
pub const PHASES: Table = Table {
    name: "phases",
    columns: columns![
        TARGET,
        WORKLOAD,
        ACCELERATOR,
        WARMUP,
        SUPERSEDED,
        column("phase", Kind::Word, "named slice of a run's time line"),
        column("start_ms", Kind::Number, "from t0"),
        column("duration_ms", Kind::Number, "length"),
        column("error_ms", Kind::Number, "bound of the clock mapping's error"),
    ],
};

/// The tables for people, in Markdown.
pub fn describe() -> String {
    let mut text = format!(
        "# The Parquet tables\n\nVersion {}, in each file's metadata as `taremark.schema`. Compression is zstd; a row group is one \
         session, or {} rows of a\nlarge one. A merged record has all three; `taremark report RECORD --export parquet` writes the first of any\n\
         record. Questions that people ask stand in [queries.sql](queries.sql).\n",
        super::VERSION,
        super::GROUP_ROWS
    );
    for table in [&SAMPLES, &RUNS, &PHASES] {
        let _ =
            write!(text, "\n## {}.parquet\n\n| column | type | what |\n| --- | --- | --- |\n", table.name);
        for column in table.columns {
            let _ = writeln!(text, "| `{}` | {} | {} |", column.name, column.kind.sql(), column.what);
        }
    }
    text
}
