//! Instructions -> stages, what they stand on, and which of them are needed.

use super::error::BuildError;
use super::expand;
use super::options::Options;
use super::parse::syntax;
use super::place::Source;
use super::syntax::{Flag, Instruction, Kind, Parsed};
use crate::image::platform::Platform;
use std::collections::{BTreeMap, BTreeSet};

/// What a stage, a COPY or a mount takes its files from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image of the store.
    Image(String),
}

/// One stage.
#[derive(Debug, Clone)]
pub struct Stage {
    /// In lower case.
    pub name: Option<String>,
    /// See there.
    pub base: Base,
    /// `--platform` of FROM.
    pub platform: Option<Platform>,
    /// FROM itself.
    pub from: Instruction,
    /// What follows it.
    pub steps: Vec<Instruction>,
}

impl Stage {
    /// For people.
    pub fn shown(&self, index: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("stage-{index}"))
    }
}

/// All stages, the one that is wanted, and which are needed for it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In order.
    pub stages: Vec<Stage>,
    /// Index of the wanted one.
    pub target: usize,
    /// By index.
    pub needed: Vec<bool>,
    /// ARGs before the first FROM, with their values.
    pub globals: BTreeMap<String, String>,
}

/// Makes the plan.
pub fn plan(source: &Source, parsed: &Parsed, options: &Options) -> Result<Plan, BuildError> {
    let mut globals = BTreeMap::new();
    let mut stages: Vec<Stage> = Vec::new();
    for instruction in &parsed.instructions {
        let fail = |why: String| syntax(source, &instruction.span, why);
        match (&instruction.kind, stages.last_mut()) {
            (Kind::From { image, platform, name }, _) => {
                let lookup =
                    |name: &str| globals.get(name).cloned().or_else(|| platform_argument(name, options));
                let expand = |text: &str| expand::word(text, parsed.escape, &lookup).map_err(fail);
                let text = expand(&image.text)?;
                if text.is_empty() {
                    let why = format!("the name of the base is empty: {} has no value", image.text);
                    return Err(syntax(source, &image.span, why));
                }
                if let Some(name) =
                    name.as_ref().filter(|n| stages.iter().any(|s| s.name.as_ref() == Some(n)))
                {
                    return Err(fail(format!("there is a stage {name} already")));
                }
                let platform = platform.as_ref().map(|p| expand(&p.text)).transpose()?;
                let parse = |p: String| p.parse().map_err(|e: crate::image::ImageError| fail(e.to_string()));
                let platform = platform.filter(|p| !p.is_empty()).map(parse).transpose()?;
                let base = if text == "scratch" { Base::Scratch } else { named(&stages, &text, false) };
                let from = instruction.clone();
                stages.push(Stage { name: name.clone(), base, platform, from, steps: Vec::new() });
            }
            (Kind::Arg(list), None) => {
                for (name, default) in list {
                    let known = |n: &str| globals.get(n).cloned().or_else(|| platform_argument(n, options));
                    let default = default.as_ref().map(|d| expand::word(d, parsed.escape, &known));
                    let default = default.transpose().map_err(fail)?;
                    if let Some(value) = options.arguments.get(name).cloned().or(default) {
                        globals.insert(name.clone(), value);
                    }
                }
            }
            (_, Some(stage)) => stage.steps.push(instruction.clone()),
            // The parser has refused anything else before the first FROM.
            (_, None) => return Err(fail("FROM has to come first".into())),
        }
    }
    let target = target(&stages, options)?;
    let needed = needed(&stages, target);
    Ok(Plan { stages, target, needed, globals })
}

/// A name or number of an earlier stage, or else an image.
pub fn named(earlier: &[Stage], text: &str, numbers: bool) -> Base {
    let lower = text.to_ascii_lowercase();
    if let Some(i) = earlier.iter().rposition(|s| s.name.as_deref() == Some(&lower)) {
        return Base::Stage(i);
    }
    match text.parse::<usize>() {
        Ok(i) if numbers && i < earlier.len() => Base::Stage(i),
        _ => Base::Image(text.to_owned()),
    }
}

fn target(stages: &[Stage], options: &Options) -> Result<usize, BuildError> {
    let last = stages.len().checked_sub(1).ok_or_else(|| BuildError::Option("there is no FROM".into()))?;
    let Some(wanted) = &options.target else { return Ok(last) };
    match named(stages, wanted, true) {
        Base::Stage(i) => Ok(i),
        _ => {
            let names: Vec<&str> = stages.iter().filter_map(|s| s.name.as_deref()).collect();
            let there = if names.is_empty() { "none has a name".into() } else { names.join(", ") };
            Err(BuildError::Option(format!("no stage is called {wanted}: {there}")))
        }
    }
}

/// Stages that a step takes files from.
fn sources(flags: &[Flag]) -> impl Iterator<Item = &str> {
    flags.iter().filter_map(|f| match (f.name.as_str(), &f.value) {
        ("from", Some(value)) => Some(value.as_str()),
        ("mount", Some(value)) => value.split(',').find_map(|part| part.strip_prefix("from=")),
        _ => None,
    })
}

fn needed(stages: &[Stage], target: usize) -> Vec<bool> {
    let mut needed = vec![false; stages.len()];
    let mut waiting = BTreeSet::from([target]);
    while let Some(i) = waiting.pop_last() {
        needed[i] = true;
        let mut add = |base: Base| {
            if let Base::Stage(n) = base {
                waiting.insert(n);
            }
        };
        add(stages[i].base.clone());
        for step in &stages[i].steps {
            if let Kind::Copy { flags, .. } | Kind::Run { flags, .. } = &step.kind {
                sources(flags).for_each(|name| add(named(&stages[..i], name, true)));
            }
        }
    }
    needed
}

/// Arguments that are there without being given (Dockerfile reference, "Automatic platform ARGs").
pub fn platform_argument(name: &str, options: &Options) -> Option<String> {
    let host = Platform::host();
    let (platform, rest) = match name.strip_prefix("TARGET") {
        Some(rest) => (&options.platform, rest),
        None => (&host, name.strip_prefix("BUILD")?),
    };
    match rest {
        "PLATFORM" => Some(platform.to_string()),
        "OS" => Some(platform.os.clone()),
        "ARCH" => Some(platform.architecture.clone()),
        "VARIANT" => Some(platform.variant.clone().unwrap_or_default()),
        "STAGE" if name == "TARGETSTAGE" => Some(options.target.clone().unwrap_or_else(|| "default".into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Context;
    use super::super::parse::parse;
    use super::*;

    fn of(text: &str, change: impl FnOnce(&mut Options)) -> Result<Plan, String> {
        let source = Source { name: "Dockerfile".into(), text: text.into() };
        let mut options = Options::new(Context::Empty);
        change(&mut options);
        let parsed = parse(&source).map_err(|e| e.to_string())?;
        plan(&source, &parsed, &options).map_err(|e| e.to_string())
    }

    const FOUR: &str = "ARG V=1\nARG W=${V}.2\nFROM a:$W AS One\nRUN x\nFROM scratch AS two\nCOPY --from=0 / /\n\
        FROM two\nRUN --mount=type=bind,from=one,target=/x y\nFROM b AS unused\n";

    #[test]
    fn stages_and_what_they_need() {
        let plan = of(FOUR, |o| o.target = Some("2".into())).expect("plan");
        assert_eq!(plan.stages[0].base, Base::Image("a:1.2".into()));
        assert_eq!(plan.stages[2].base, Base::Stage(1));
        assert_eq!((plan.target, plan.needed), (2, vec![true, true, true, false]));
        let other = of(FOUR, |o| drop(o.arguments.insert("V".into(), "7".into()))).expect("plan");
        assert_eq!(other.stages[0].base, Base::Image("a:7.2".into()));
        assert_eq!(other.needed, [false, false, false, true]);
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_is() {
        for (text, wanted) in [
            ("FROM a AS x\nFROM b AS X\n", "Dockerfile:2:1: there is a stage x already"),
            ("FROM $N\n", "Dockerfile:1:6: the name of the base is empty: $N has no value"),
            ("RUN x\n", "Dockerfile:1:1: expected FROM"),
            ("FROM a\nRUNN x\n", "Dockerfile:2:1: unknown instruction 'RUNN'"),
            ("FROM a\nCOPY x\n", "Dockerfile:2:1: COPY instruction requires at least two arguments"),
            ("FROM a\nRUN <<E\nx\n", "Dockerfile:2:5: the here-document <<E has no end"),
            ("FROM a\nENV x\n", "Dockerfile:2:1: ENV x has no value: x=… is wanted"),
            ("FROM --x=y a\n", "Dockerfile:1:6: --x is not known to FROM: --platform=… is"),
        ] {
            assert_eq!(of(text, |_| ()).map(|_| ()), Err(wanted.to_owned()), "{text}");
        }
        let e = of(FOUR, |o| o.target = Some("three".into())).expect_err("unknown");
        assert_eq!(e, "no stage is called three: one, two, unused");
    }
}
