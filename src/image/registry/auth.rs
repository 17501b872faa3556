//! A registry's challenge, and what answers it (distribution, "token authentication").

use super::credentials::Credentials;
use super::endpoint::with_query;
use super::error::RegistryError;
use super::http::{Http, MOST_JSON};
use serde_json::Value;
use ureq::Body;
use ureq::http::{Request, Response};

/// How a registry wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token, to be had elsewhere.
    Bearer {
        /// Where.
        realm: String,
        /// The registry's name there.
        service: Option<String>,
        /// What it would have to allow.
        scope: Option<String>,
    },
}

/// The first challenge of an answer that this program knows.
pub(super) fn challenge(response: &Response<Body>) -> Option<Challenge> {
    let values = response.headers().get_all("www-authenticate");
    values.iter().filter_map(|v| v.to_str().ok()).find_map(parse)
}

/// RFC 9110, 11.6.1: scheme, then `key="value"` with commas between.
fn parse(text: &str) -> Option<Challenge> {
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let all = parameters(rest);
    let get = |key: &str| all.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    Some(Challenge::Bearer { realm: get("realm")?, service: get("service"), scope: get("scope") })
}

fn parameters(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([',', ' ', '\t']).to_ascii_lowercase();
        let mut value = String::new();
        if let Some(quoted) = after.strip_prefix('"') {
            let mut chars = quoted.char_indices();
            let mut end = quoted.len();
            while let Some((i, c)) = chars.next() {
                match c {
                    '"' => {
                        end = i + 1;
                        break;
                    }
                    '\\' => value.extend(chars.next().map(|(_, c)| c)),
                    c => value.push(c),
                }
            }
            rest = &quoted[end..];
        } else {
            let end = after.find(',').unwrap_or(after.len());
            value.push_str(after[..end].trim());
            rest = &after[end..];
        }
        all.push((key, value));
    }
    all
}

/// The header `Authorization` that answers a challenge. None where nothing can be shown.
pub(super) fn answer(
    http: &Http,
    challenge: &Challenge,
    credentials: Option<&Credentials>,
    scopes: &[String],
    plain: bool,
) -> Result<Option<String>, RegistryError> {
    let (realm, service, scope) = match (challenge, credentials) {
        (Challenge::Basic, Some(Credentials::Basic(user, password))) => {
            return Ok(Some(Credentials::basic(user, password)));
        }
        (Challenge::Basic, _) => return Ok(None),
        (Challenge::Bearer { realm, service, scope }, _) => (realm, service, scope),
    };
    let safe = realm.starts_with("https://") || plain && realm.starts_with("http://");
    if !safe {
        let why = "credentials would go there in the clear: refused";
        return Err(RegistryError::Redirect { from: "the registry".into(), to: realm.clone(), why });
    }
    let scopes = if scopes.is_empty() { scope.iter().cloned().collect() } else { scopes.to_vec() };
    let response = match credentials {
        Some(Credentials::Identity(token)) => {
            let mut form = "grant_type=refresh_token&client_id=taremark".to_owned();
            let fields = [("refresh_token", token.clone()), ("scope", scopes.join(" "))];
            let fields = fields.into_iter().chain(service.iter().map(|s| ("service", s.clone())));
            for (key, value) in fields {
                form = format!("{form}&{key}={}", super::endpoint::escaped(&value));
            }
            let request = Request::post(realm).header("content-type", "application/x-www-form-urlencoded");
            http.once("POST", realm, request, form)?
        }
        other => {
            let mut url = realm.clone();
            for (key, value) in
                service.iter().map(|s| ("service", s)).chain(scopes.iter().map(|s| ("scope", s)))
            {
                url = with_query(&url, key, value);
            }
            let mut request = Request::get(&url);
            if let Some(Credentials::Basic(user, password)) = other {
                request = request.header("authorization", Credentials::basic(user, password));
            }
            http.once("GET", &url, request, ())?
        }
    };
    token(realm, response).map(|t| Some(format!("Bearer {t}")))
}

fn token(realm: &str, response: Response<Body>) -> Result<String, RegistryError> {
    if !response.status().is_success() {
        return Err(super::http::status_error("GET", realm, response));
    }
    let lies = |why: &str| RegistryError::Lies { url: realm.to_owned(), why: why.to_owned() };
    let bytes = response.into_body().into_with_config().limit(MOST_JSON).read_to_vec();
    let bytes = bytes.map_err(|_| lies("its token cannot be read"))?;
    let answer: Value = serde_json::from_slice(&bytes).map_err(|_| lies("its token is no JSON"))?;
    let text = ["token", "access_token"].iter().find_map(|k| answer.get(*k).and_then(Value::as_str));
    text.filter(|t| !t.is_empty()).map(str::to_owned).ok_or_else(|| lies("there is no token in its answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_parsed() {
        let text = r#"Bearer realm="https://a/t",service="reg \"x\"", scope="repository:a/b:pull,push""#;
        let expected = Challenge::Bearer {
            realm: "https://a/t".into(),
            service: Some("reg \"x\"".into()),
            scope: Some("repository:a/b:pull,push".into()),
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(parse("Basic"), Some(Challenge::Basic));
        assert_eq!(parse("Negotiate"), None);
        assert_eq!(parse("Bearer service=x"), None);
        for odd in ["Bearer realm=\"", "Bearer =,=", "Bearer realm=\"a\\", "", "=", "Bearer realm==\"\"\","] {
            let _ = parse(odd);
        }
    }
}
