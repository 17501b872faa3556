//! Who asks: the files of podman and Docker, and the programs that they name.
//!
//! containers-auth.json(5); Docker's `config.json`, "Credential store options".

use super::error::RegistryError;
use super::options::Options;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a registry is shown. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    /// User and password.
    Basic(String, String),
    /// A token that another token is got with (OAuth 2).
    Identity(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// Value of the header `Authorization`, by RFC 7617.
    pub fn basic(user: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }
}

/// The first file that knows the repository's host wins; none: the request goes without.
pub(super) fn find(
    host: &str,
    repository: &str,
    options: &Options,
) -> Result<Option<Credentials>, RegistryError> {
    let files = match &options.auth_file {
        Some(file) => vec![file.clone()],
        None => usual_files(|name| std::env::var_os(name)),
    };
    for file in files {
        match std::fs::read(&file) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && options.auth_file.is_none() => {}
            Err(e) => return Err(RegistryError::Credentials { path: file, why: e.to_string() }),
            Ok(bytes) => {
                // The error must not show what is in the file.
                let bad = |e: serde_json::Error| format!("no JSON: line {}, column {}", e.line(), e.column());
                let text: Value = serde_json::from_slice(&bytes)
                    .map_err(|e| RegistryError::Credentials { path: file.clone(), why: bad(e) })?;
                if let Some(found) = in_file(&file, &text, host, repository)? {
                    return Ok(Some(found));
                }
            }
        }
    }
    Ok(None)
}

/// In the order of containers-auth.json(5).
fn usual_files(var: impl Fn(&str) -> Option<std::ffi::OsString>) -> Vec<PathBuf> {
    let dir = |name: &str| var(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = dir("HOME").unwrap_or_else(|| "/root".into());
    let run = || PathBuf::from(format!("/run/containers/{}", nix::unistd::getuid()));
    let config = dir("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    let docker = dir("DOCKER_CONFIG").unwrap_or_else(|| home.join(".docker"));
    let first = dir("REGISTRY_AUTH_FILE").unwrap_or_else(|| {
        dir("XDG_RUNTIME_DIR").map_or_else(run, |d| d.join("containers")).join("auth.json")
    });
    vec![first, config.join("containers/auth.json"), docker.join("config.json")]
}

fn in_file(
    file: &Path,
    text: &Value,
    host: &str,
    repository: &str,
) -> Result<Option<Credentials>, RegistryError> {
    let helper = text.get("credHelpers").and_then(|h| h.get(host)).and_then(Value::as_str);
    if let Some(helper) = helper {
        return ask(helper, &key_of_helper(host));
    }
    let auths = text.get("auths").and_then(Value::as_object);
    let entry = auths.and_then(|all| keys(host, repository).iter().find_map(|key| all.get(key.as_str())));
    if let Some(found) = entry.map(|e| of_entry(file, e)).transpose()?.flatten() {
        return Ok(Some(found));
    }
    match text.get("credsStore").and_then(Value::as_str).filter(|s| !s.is_empty()) {
        Some(store) => ask(store, &key_of_helper(host)),
        None => Ok(None),
    }
}

/// Docker Hub is kept under the name of its first interface.
fn key_of_helper(host: &str) -> String {
    if host == "docker.io" { "https://index.docker.io/v1/".to_owned() } else { host.to_owned() }
}

/// Keys of `auths`, the most specific first: podman's may name a repository, Docker's may be URLs.
fn keys(host: &str, repository: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut path = repository;
    loop {
        all.push(format!("{host}/{path}"));
        match path.rsplit_once('/') {
            Some((above, _)) => path = above,
            None => break,
        }
    }
    let urls = ["", "https://", "http://"];
    all.extend(urls.iter().flat_map(|u| ["", "/", "/v1/", "/v2/"].map(|end| format!("{u}{host}{end}"))));
    if host == "docker.io" {
        all.extend(["https://index.docker.io/v1/", "index.docker.io"].map(str::to_owned));
    }
    all
}

fn of_entry(file: &Path, entry: &Value) -> Result<Option<Credentials>, RegistryError> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credentials::Identity(token.to_owned())));
    }
    if let (Some(user), Some(password)) = (text("username"), text("password")) {
        return Ok(Some(Credentials::Basic(user.to_owned(), password.to_owned())));
    }
    let Some(auth) = text("auth") else { return Ok(None) };
    let bad = |why: &str| RegistryError::Credentials { path: file.to_owned(), why: why.to_owned() };
    let plain = STANDARD.decode(auth).ok().and_then(|b| String::from_utf8(b).ok());
    let plain = plain.ok_or_else(|| bad("an auth entry is not in base64"))?;
    let (user, password) =
        plain.split_once(':').ok_or_else(|| bad("an auth entry is not user:password in base64"))?;
    Ok(Some(Credentials::Basic(user.to_owned(), password.trim_end_matches('\0').to_owned())))
}

/// The protocol of docker-credential-helpers: `get`, the server's name on standard input, JSON as the answer.
fn ask(helper: &str, server: &str) -> Result<Option<Credentials>, RegistryError> {
    let program = format!("docker-credential-{helper}");
    let bad = |why: String| RegistryError::Helper { program: program.clone(), why };
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| bad(e.to_string()))?;
    if let Some(mut input) = child.stdin.take() {
        // One that ends without reading says why by its answer.
        let _ = input.write_all(server.as_bytes());
    }
    let output = child.wait_with_output().map_err(|e| bad(e.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
        // The word by which helpers say that they know nothing.
        return if said.contains("credentials not found") { Ok(None) } else { Err(bad(said)) };
    }
    let answer: Value =
        serde_json::from_slice(&output.stdout).map_err(|_| bad("its answer is no JSON".into()))?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (text("Username"), text("Secret")) {
        (user, secret) if user == "<token>" => Ok(Some(Credentials::Identity(secret))),
        (user, secret) => Ok(Some(Credentials::Basic(user, secret))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(text: &Value, host: &str, repository: &str) -> Option<Credentials> {
        in_file(Path::new("auth.json"), text, host, repository).expect("readable")
    }

    #[test]
    fn the_most_specific_entry_counts() {
        let auth = |text: &str| json!({ "auth": STANDARD.encode(text) });
        let file = json!({ "auths": { "h:5000/team": auth("team:a:b"), "h:5000": auth("all:c"),
            "https://index.docker.io/v1/": auth("hub:d"), "t": { "identitytoken": "x" }, "empty": {} } });
        let basic = |u: &str, p: &str| Some(Credentials::Basic(u.into(), p.into()));
        assert_eq!(of(&file, "h:5000", "team/image"), basic("team", "a:b"));
        assert_eq!(of(&file, "h:5000", "other/image"), basic("all", "c"));
        assert_eq!(of(&file, "docker.io", "library/redis"), basic("hub", "d"));
        assert_eq!(of(&file, "t", "x"), Some(Credentials::Identity("x".into())));
        assert_eq!(of(&file, "empty", "x"), None);
        assert_eq!(of(&file, "unknown", "x"), None);
        assert_eq!(Credentials::basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="); // RFC 7617
    }

    #[test]
    fn errors_do_not_show_secrets() {
        let file = json!({ "auths": { "h": { "auth": "c2VjcmV0" } } });
        let told = in_file(Path::new("a"), &file, "h", "x").expect_err("no colon").to_string();
        assert!(!told.contains("secret") && !told.contains("c2Vj"), "{told}");
        assert_eq!(format!("{:?}", Credentials::Basic("a".into(), "secret".into())), "Credentials");
    }

    #[test]
    fn files_are_looked_up_in_podmans_order() {
        let files = usual_files(|n| (n == "XDG_RUNTIME_DIR").then(|| "/run/user/7".into()));
        let shown: Vec<_> = files.iter().map(|f| f.display().to_string()).collect();
        assert_eq!(
            shown,
            [
                "/run/user/7/containers/auth.json",
                "/root/.config/containers/auth.json",
                "/root/.docker/config.json"
            ]
        );
    }
}
