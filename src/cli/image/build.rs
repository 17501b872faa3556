//! `taremark image build`.

use super::build_progress::{How, Shown};
use crate::builder::Builder;
use crate::cli::failure::{self, FAILED, LACKS, Usage};
use crate::cli::json::Json;
use crate::image::build::{
    BuildError, Built, Compression, Context, Network, Options, Platform, Pull, Secret, build,
};
use crate::image::reference::Reference;
use crate::image::store::Store;
use anyhow::Context as _;
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Codec {
    Gzip,
    Zstd,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    /// Those that the store does not have
    Missing,
    /// All; what has not changed is not fetched again
    Always,
    /// All, but the store's will do where a registry does not answer
    Newer,
    /// None
    Never,
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
    progress: How,
    /// When the images of FROM and --from are fetched; without a value: always
    #[arg(long, value_enum, value_name = "WHEN", default_value = "missing", num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    pull: When,
    /// Fetch them by plain HTTP, or TLS with any certificate, too
    #[arg(long)]
    insecure: bool,
    /// Trust the authorities in this PEM file too
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Credentials for registries from this file alone
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Print the digest only
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    json: Json,
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
    let shown = Shown::new(a.progress, a.quiet);
    let built =
        build(store, &options, std::io::stdin(), &|step| builder.run(step), &|event| shown.take(event));
    shown.end(built.is_err());
    match built {
        Ok(built) => {
            let tags: Vec<String> = options.tags.iter().map(ToString::to_string).collect();
            let told = serde_json::json!({ "digest": built.digest.to_string(), "cached": built.cached, "tags": tags });
            a.json.or(&told, || print(&options, &built, a.quiet))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => explain(error),
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
    options.pull = match a.pull {
        When::Missing => Pull::Missing,
        When::Always => Pull::Always,
        When::Newer => Pull::Newer,
        When::Never => Pull::Never,
    };
    options.registry.insecure = a.insecure;
    options.registry.ca.clone_from(&a.ca);
    options.registry.auth_file.clone_from(&a.authfile);
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
    failure::wrong(&failure::one_line(&error));
    eprintln!("{}", place.marked());
    failure::try_this(&error);
    let lacks = failure::code(&error) == LACKS;
    Ok(ExitCode::from(if lacks { LACKS } else { FAILED }))
}
