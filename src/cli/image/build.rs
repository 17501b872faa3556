//! `taremark image build`.

use crate::builder::Builder;
use crate::cli::failure::{self, FAILED, Usage};
use crate::image::build::{
    BuildError, Built, Compression, Context, Event, Network, Options, Platform, Secret, build,
};
use crate::image::reference::Reference;
use crate::image::store::Store;
use anyhow::Context as _;
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// How what goes on is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Progress {
    /// Plain, unless --quiet
    Auto,
    /// A line a step and a line of output
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Codec {
    Gzip,
    Zstd,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Net {
    Host,
    None,
}

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder with the files; - reads a tar or a Dockerfile from standard input
    #[arg(value_name = "CONTEXT|-")]
    context: PathBuf,
    /// Name of the image; may be given again
    #[arg(short, long = "tag", value_name = "REF")]
    tags: Vec<Reference>,
    /// Dockerfile; Containerfile or Dockerfile of the context unless given, - is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Stage to stop at
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// Value of an ARG; without =V that of the environment
    #[arg(long = "build-arg", value_name = "K=V")]
    arguments: Vec<String>,
    /// Of the image and its bases
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// id=…,src=FILE or id=…,env=NAME: for RUN --mount=type=secret
    #[arg(long = "secret", value_name = "id=…,src=…", value_parser = secret)]
    secrets: Vec<(String, Secret)>,
    /// Further label; may be given again
    #[arg(long = "label", value_name = "K=V")]
    labels: Vec<String>,
    /// Take nothing from the cache
    #[arg(long)]
    no_cache: bool,
    /// Make one layer of all that the build adds
    #[arg(long)]
    squash: bool,
    /// How layers are compressed
    #[arg(long, value_enum, default_value = "gzip")]
    compression: Codec,
    /// Network of RUN steps that do not say
    #[arg(long, value_enum, default_value = "host")]
    network: Net,
    /// How what goes on is shown
    #[arg(long, value_enum, default_value = "auto")]
    progress: Progress,
    /// Print the digest only
    #[arg(short, long)]
    quiet: bool,
}

fn secret(text: &str) -> Result<(String, Secret), String> {
    let field = |name: &str| text.split(',').find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
    let id = field("id").ok_or("id=… is missing")?;
    let secret = match (field("src").or_else(|| field("source")), field("env")) {
        (Some(path), None) => Secret::File(path.into()),
        (None, Some(name)) => Secret::Variable(name.into()),
        // As Docker: a variable of that name, or else a file.
        (None, None) if std::env::var_os(id).is_some() => Secret::Variable(id.into()),
        (None, None) => Secret::File(id.into()),
        (Some(_), Some(_)) => return Err("either src=… or env=…".into()),
    };
    Ok((id.to_owned(), secret))
}

pub fn run(store: &Store, a: &Arguments) -> anyhow::Result<ExitCode> {
    let options = options(a)?;
    let builder = Builder::new(crate::target::lookup::own_program("tarec")?);
    let quiet = a.quiet && a.progress != Progress::Plain;
    let last = std::sync::Mutex::new(Vec::new());
    let tell = |event: &Event<'_>| {
        if !quiet {
            return show(event);
        }
        // What the failing command said is shown after all.
        if let Event::Output { line, .. } = event
            && let Ok(mut lines) = last.lock()
        {
            lines.push((*line).to_owned());
            let over = lines.len().saturating_sub(20);
            lines.drain(..over);
        }
    };
    match build(store, &options, std::io::stdin(), &|step| builder.run(step), &tell) {
        Ok(built) => {
            print(&options, &built, quiet);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            last.into_inner().unwrap_or_default().iter().for_each(|line| eprintln!("{line}"));
            explain(error)
        }
    }
}

fn options(a: &Arguments) -> anyhow::Result<Options> {
    let context =
        if a.context.as_os_str() == "-" { Context::Stdin } else { Context::Folder(a.context.clone()) };
    let mut options = Options::new(context);
    options.file.clone_from(&a.file);
    options.target.clone_from(&a.target);
    options.tags.clone_from(&a.tags);
    for argument in &a.arguments {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), std::env::var(argument).ok()),
        };
        if let Some(value) = value {
            options.arguments.insert(name.to_owned(), value);
        }
    }
    if let Some(platform) = &a.platform {
        options.platform = platform.clone();
    }
    options.secrets = a.secrets.iter().cloned().collect::<BTreeMap<_, _>>();
    for label in &a.labels {
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        options.labels.insert(key.to_owned(), value.to_owned());
    }
    options.no_cache = a.no_cache;
    options.squash = a.squash;
    options.compression = match a.compression {
        Codec::Gzip => Compression::Gzip,
        Codec::Zstd => Compression::Zstd,
        Codec::None => Compression::None,
    };
    options.network = match a.network {
        Net::Host => Network::Host,
        Net::None => Network::None,
    };
    options.epoch = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) if !text.is_empty() => {
            let what = format!("SOURCE_DATE_EPOCH={text}: seconds since 1970 are wanted");
            Some(text.parse().map_err(|_| Usage { what })?)
        }
        _ => None,
    };
    Ok(options)
}

fn show(event: &Event<'_>) {
    match event {
        Event::Step { stage, number, of, text } => {
            // A long command is not shown whole: its output follows.
            let first = text.lines().next().unwrap_or_default();
            eprintln!("[{stage} {number}/{of}] {first}");
        }
        Event::Cached { stage, .. } => eprintln!("[{stage}] cached"),
        Event::Output { stage, line } => eprintln!("[{stage}] | {line}"),
        Event::Warning(text) => eprintln!("warning: {text}"),
    }
}

fn print(options: &Options, built: &Built, quiet: bool) {
    if quiet || options.tags.is_empty() {
        println!("{}", built.digest);
        return;
    }
    for tag in &options.tags {
        println!("{tag} {}", built.digest);
    }
}

/// An error in the Dockerfile is shown as a compiler would.
fn explain(error: BuildError) -> anyhow::Result<ExitCode> {
    let Some(place) = error.place().cloned() else { return Err(error).context("build") };
    let error = anyhow::Error::from(error);
    eprintln!("taremark: {}", failure::one_line(&error));
    eprintln!("{}", place.marked());
    if let Some(hint) = failure::hint(&error) {
        eprintln!("try: {hint}");
    }
    Ok(ExitCode::from(FAILED))
}
