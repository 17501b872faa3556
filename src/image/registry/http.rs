//! One request: with the right credentials for the host it goes to, along redirects, and its answer told apart.

use super::auth::{Challenge, answer, challenge};
use super::credentials::{self, Credentials};
use super::endpoint::{Endpoint, joined, origin};
use super::error::RegistryError;
use super::options::Options;
use std::sync::{Mutex, PoisonError};
use ureq::http::{Request, Response, StatusCode, request::Builder};
use ureq::{Agent, AsSendBody, Body, SendBody};

/// Most bytes of an answer that is read into memory.
pub(super) const MOST_JSON: u64 = 16 << 20;
/// Redirects in a row: one to a store of blobs is usual, two are seen.
const MOST_REDIRECTS: usize = 5;

/// Gives a body's reader.
type Open<'a> = dyn Fn() -> std::io::Result<Box<dyn std::io::Read + 'a>> + 'a;

/// What goes with a request; made anew each time it is sent.
pub(super) enum Payload<'a> {
    None,
    Bytes(&'a [u8]),
    /// Length, and what gives the reader.
    Stream(u64, &'a Open<'a>),
}

/// One method, one URL, headers.
pub(super) struct Ask<'a> {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub payload: Payload<'a>,
}

impl Ask<'_> {
    pub fn new(method: &'static str, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), payload: Payload::None }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The agent alone.
pub(super) struct Http {
    agent: Agent,
    idle: std::time::Duration,
}

impl Http {
    /// One request, with no redirect followed and no credentials but those in it.
    pub fn once(
        &self,
        method: &'static str,
        url: &str,
        request: Builder,
        body: impl AsSendBody,
    ) -> Result<Response<Body>, RegistryError> {
        let failed = |source: ureq::Error| RegistryError::Transport {
            method,
            url: shown(url),
            source: Box::new(source),
        };
        let request = request.body(body).map_err(|e| failed(e.into()))?;
        let small = !url.contains("/blobs/");
        // Blobs take as long as they take; of the rest, one that comes in drops would hold us for ever.
        let most = small.then(|| self.idle.saturating_mul(4));
        let request = self.agent.configure_request(request).timeout_global(most).build();
        self.agent.run(request).map_err(failed)
    }
}

/// A registry's repository, and what it was last shown.
pub(super) struct Client {
    http: Http,
    pub endpoint: Endpoint,
    pub options: Options,
    /// `scheme://host:port`.
    base: String,
    action: &'static str,
    scopes: Vec<String>,
    challenge: Option<Challenge>,
    credentials: Option<Credentials>,
    /// Value of `Authorization`, changed when it is refused.
    authorization: Mutex<Option<String>>,
}

impl Client {
    /// Finds out whether the registry is there, how it is spoken to, and whom it wants to see. `action` is `pull` or
    /// `push`; of the repositories `others`, blobs may be taken over.
    pub fn open(
        endpoint: Endpoint,
        options: &Options,
        action: &'static str,
        others: &[String],
    ) -> Result<Self, RegistryError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("taremark/", env!("CARGO_PKG_VERSION")))
            .tls_config(super::tls::config(&endpoint.host, options)?)
            .timeout_connect(Some(options.idle))
            .timeout_per_read(Some(options.idle))
            .timeout_per_write(Some(options.idle))
            .input_buffer_size(256 << 10)
            .output_buffer_size(256 << 10)
            .max_idle_connections_per_host(options.jobs.max(1));
        let http = Http { agent: config.build().new_agent(), idle: options.idle };
        let (base, first) = hello(&http, &endpoint, options)?;
        let challenge = (first.status() == StatusCode::UNAUTHORIZED).then(|| challenge(&first)).flatten();
        let what = if action == "push" { "pull,push" } else { "pull" };
        let scope = |repository: &str, what: &str| format!("repository:{repository}:{what}");
        let mut scopes = vec![scope(&endpoint.repository, what)];
        scopes.extend(others.iter().map(|o| scope(o, "pull")));
        let credentials = match challenge {
            Some(_) => credentials::find(&endpoint.host, &endpoint.repository, options)?,
            None => None,
        };
        let client = Self {
            http,
            options: options.clone(),
            base,
            action,
            scopes,
            challenge,
            credentials,
            endpoint,
            authorization: Mutex::default(),
        };
        client.renew(None)?;
        Ok(client)
    }

    /// `…/v2/<repository>/<rest>`.
    pub fn url(&self, rest: &str) -> String {
        format!("{}/v2/{}/{rest}", self.base, self.endpoint.repository)
    }

    /// Sends it, follows where it leads, and gives what is no error.
    pub fn send(&self, ask: &Ask<'_>) -> Result<Response<Body>, RegistryError> {
        let mut url = ask.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.authorized(ask, &url)?;
            let status = response.status();
            if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
                return self.judged(ask.method, &url, response);
            }
            let to = response.headers().get("location").and_then(|l| l.to_str().ok());
            let refused = |to: &str, why| RegistryError::Redirect { from: shown(&url), to: shown(to), why };
            let to = joined(&url, to.ok_or_else(|| refused("nowhere", "there is no Location"))?);
            if !matches!(ask.method, "GET" | "HEAD") {
                return Err(refused(&to, "a request that changes something is not sent elsewhere"));
            }
            if url.starts_with("https://") && !to.starts_with("https://") {
                return Err(refused(&to, "from TLS to plain HTTP: refused"));
            }
            url = to;
        }
        let why = "too many redirects in a row";
        Err(RegistryError::Redirect { from: shown(&ask.url), to: shown(&url), why })
    }

    /// Only the registry itself is shown credentials. A refusal is answered once.
    fn authorized(&self, ask: &Ask<'_>, url: &str) -> Result<Response<Body>, RegistryError> {
        let own = origin(url).eq_ignore_ascii_case(&self.base);
        let mut authorization = if own { self.current() } else { None };
        let mut renewed = false;
        loop {
            let mut request = Request::builder().method(ask.method).uri(url);
            for (name, value) in &ask.headers {
                request = request.header(*name, value);
            }
            if let Some(value) = &authorization {
                request = request.header("authorization", value);
            }
            let failed = |e: std::io::Error| RegistryError::Transport {
                method: ask.method,
                url: shown(url),
                source: Box::new(e.into()),
            };
            let response = match &ask.payload {
                Payload::None if matches!(ask.method, "GET" | "HEAD") => {
                    self.http.once(ask.method, url, request, ())?
                }
                Payload::None => self.http.once(ask.method, url, request, &b""[..])?,
                Payload::Bytes(bytes) => self.http.once(ask.method, url, request, *bytes)?,
                Payload::Stream(length, open) => {
                    let request = request.header("content-length", length.to_string());
                    let mut reader = open().map_err(failed)?;
                    self.http.once(ask.method, url, request, SendBody::from_reader(&mut reader))?
                }
            };
            if own && !renewed && response.status() == StatusCode::UNAUTHORIZED && self.challenge.is_some() {
                self.renew(authorization.as_deref())?;
                renewed = true;
                let new = self.current();
                if new != authorization {
                    authorization = new;
                    continue;
                }
            }
            return Ok(response);
        }
    }

    fn current(&self) -> Option<String> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gets a new token, unless another thread did since `refused` was sent.
    fn renew(&self, refused: Option<&str>) -> Result<(), RegistryError> {
        let Some(challenge) = &self.challenge else { return Ok(()) };
        let mut held = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_deref() == refused {
            let plain = self.base.starts_with("http://") || self.options.insecure;
            *held = answer(&self.http, challenge, self.credentials.as_ref(), &self.scopes, plain)
                .map_err(|e| self.denied(e))?;
        }
        Ok(())
    }

    fn denied(&self, error: RegistryError) -> RegistryError {
        match error {
            RegistryError::Status { status: 401 | 403, message, .. } => RegistryError::Denied {
                host: self.endpoint.host.clone(),
                repository: self.endpoint.repository.clone(),
                action: self.action,
                message,
            },
            other => other,
        }
    }

    fn judged(
        &self,
        method: &'static str,
        url: &str,
        response: Response<Body>,
    ) -> Result<Response<Body>, RegistryError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(self.denied(status_error(method, url, response)))
    }
}

/// By TLS; by plain HTTP too, where that is allowed and TLS fails.
fn hello(
    http: &Http,
    endpoint: &Endpoint,
    options: &Options,
) -> Result<(String, Response<Body>), RegistryError> {
    let try_it = |scheme: &str| {
        let base = format!("{scheme}://{}", endpoint.server);
        let url = format!("{base}/v2/");
        http.once("GET", &url, Request::get(&url), ()).map(|response| (base, response))
    };
    match try_it("https") {
        Err(_) if options.insecure => try_it("http"),
        other => other,
    }
}

/// What an answer that is none of success says.
pub(super) fn status_error(method: &'static str, url: &str, response: Response<Body>) -> RegistryError {
    let status = response.status().as_u16();
    let retry_after_s =
        response.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    // As much as a person reads.
    let text = response.into_body().into_with_config().limit(64 << 10).read_to_vec().unwrap_or_default();
    RegistryError::Status { method, url: shown(url), status, message: words(&text), retry_after_s }
}

/// The `errors` of a registry's answer (distribution-spec, "Error Codes"), for a line of text.
fn words(text: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(text) else { return String::new() };
    let errors = value.get("errors").and_then(|e| e.as_array()).into_iter().flatten();
    let field =
        |e: &serde_json::Value, key: &str| e.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let all: Vec<String> = errors.map(|e| format!("{} {}", field(e, "code"), field(e, "message"))).collect();
    let line: String =
        all.join("; ").chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    if line.trim().is_empty() { String::new() } else { format!(": {}", line.trim()) }
}

/// A URL for people: what follows `?` may be a signature that is as good as a password.
pub(super) fn shown(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}
