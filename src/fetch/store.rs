//! The archive's side: anonymous clients, listings, and what kind of trouble an error is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{ClientOptions, HeaderValue, ObjectStore, ObjectStoreExt, RetryConfig};

use super::FetchError;
use super::manifest::Place;
use super::names::safe_name;
use crate::files::WriteError;

/// Which server is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Endpoint {
    /// Amazon's, of the region where public archives are.
    #[default]
    Aws,
    /// Google's mirror, which speaks the same protocol and has the same names.
    Google,
    /// Any other.
    Url(String),
}

impl Endpoint {
    /// An address, `http://` or `https://`, without a user's name in it.
    pub fn parse(url: &str) -> Result<Self, FetchError> {
        let bad = |message: &str| FetchError::Endpoint {
            // A password may stand before the `@`.
            endpoint: url.rsplit('@').next().unwrap_or_default().to_owned(),
            message: message.to_owned(),
        };
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"))
            .ok_or_else(|| bad("it does not begin with http:// or https://"))?;
        if rest.contains('@') {
            return Err(bad("requests are anonymous, and it names a user"));
        }
        if rest.is_empty() || rest.starts_with(['/', ':']) || rest.contains(char::is_whitespace) {
            return Err(bad("it names no host"));
        }
        Ok(Self::Url(url.trim_end_matches('/').to_owned()))
    }

    /// Who it is, for messages.
    pub fn told(&self) -> &str {
        match self {
            Self::Aws => "Amazon's S3",
            Self::Google => "Google's storage",
            Self::Url(url) => url,
        }
    }

    fn url(&self) -> Option<&str> {
        match self {
            Self::Aws => None,
            Self::Google => Some("https://storage.googleapis.com"),
            Self::Url(url) => Some(url),
        }
    }
}

/// Amazon's region of the Imaging Data Commons.
const REGION: &str = "us-east-1";

/// A client for each bucket.
pub(super) struct Stores {
    endpoint: Endpoint,
    timeout: Duration,
    open: Mutex<BTreeMap<String, Arc<AmazonS3>>>,
}

impl Stores {
    pub fn new(endpoint: &Endpoint, timeout: Duration) -> Self {
        // Fails only when a provider is set already, and then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { endpoint: endpoint.clone(), timeout, open: Mutex::default() }
    }

    /// The client of a bucket.
    ///
    /// Built from nothing but what is given here: neither environment nor files nor a metadata
    /// service are asked for credentials, and no request is signed.
    pub fn of(&self, bucket: &str) -> Result<Arc<AmazonS3>, FetchError> {
        let mut open = self.open.lock().unwrap_or_else(|poison| poison.into_inner());
        if let Some(store) = open.get(bucket) {
            return Ok(store.clone());
        }
        let plain = self.endpoint.url().is_some_and(|url| url.starts_with("http://"));
        let agent = HeaderValue::from_static(concat!("lungs/", env!("CARGO_PKG_VERSION")));
        let client = ClientOptions::new()
            .with_allow_http(plain)
            .with_user_agent(agent)
            .with_connect_timeout(self.timeout)
            .with_read_timeout(self.timeout)
            // Of a whole file: a slow line is no error.
            .with_timeout_disabled();
        // Trying again is ours, so that a file goes on where it was, in this process or the next.
        let once = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(REGION)
            .with_skip_signature(true)
            .with_client_options(client)
            .with_retry(once);
        if let Some(url) = self.endpoint.url() {
            builder = builder.with_endpoint(url);
        }
        let store = builder.build().map_err(|error| FetchError::Client(in_one_line(&error)))?;
        let store = Arc::new(store);
        open.insert(bucket.to_owned(), store.clone());
        Ok(store)
    }
}

/// A file of a series in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub key: Key,
    /// The name that its file has here.
    pub name: String,
    pub bytes: u64,
    pub e_tag: Option<String>,
}

/// The files of a series, by key; of a place that is one file, this file.
pub(super) async fn list(store: &AmazonS3, place: &Place) -> Result<Vec<Object>, Trouble> {
    let prefix = Key::parse(&place.key).map_err(|error| Trouble::Lasting(in_one_line(&error)))?;
    let listed: Vec<_> = store.list(Some(&prefix)).try_collect().await.map_err(Trouble::of)?;
    let below = format!("{}/", place.key);
    let mut objects: Vec<Object> = listed
        .into_iter()
        .filter_map(|object| {
            // A marker of the folder itself is no file.
            let name = safe_name(object.location.as_ref().strip_prefix(&below)?)?;
            Some(Object { name, key: object.location, bytes: object.size, e_tag: object.e_tag })
        })
        .collect();
    objects.sort_by(|a, b| a.key.cmp(&b.key));
    if !objects.is_empty() {
        return Ok(objects);
    }
    // No folder: perhaps one file.
    let nothing = || Trouble::Lasting("nothing is there".to_owned());
    let object = match store.head(&prefix).await {
        Err(object_store::Error::NotFound { .. }) => return Err(nothing()),
        told => told.map_err(Trouble::of)?,
    };
    let name = object.location.filename().and_then(safe_name).ok_or_else(nothing)?;
    Ok(vec![Object { name, key: object.location, bytes: object.size, e_tag: object.e_tag }])
}

/// Why something did not come.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may come next time.
    Passing(String),
    /// Nobody answers at all; it may come next time.
    Unreachable(String),
    /// It will not.
    Lasting(String),
    /// The user stopped it.
    Stopped,
    /// Nothing more can be fetched at all.
    Fatal(FetchError),
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        Self::Fatal(error)
    }
}

impl From<WriteError> for Trouble {
    fn from(error: WriteError) -> Self {
        Self::Fatal(error.into())
    }
}

impl Trouble {
    /// What an answer, or none, means.
    pub fn of(error: object_store::Error) -> Self {
        use object_store::Error::{
            InvalidPath, NotFound, NotImplemented, NotSupported, PermissionDenied, Precondition,
            Unauthenticated,
        };
        let told = in_one_line(&error);
        if told.contains("client error (Connect)") || told.contains("dns error") {
            return Self::Unreachable(innermost(&error));
        }
        match error {
            NotFound { .. } => Self::Lasting("the archive does not have it".to_owned()),
            PermissionDenied { .. } | Unauthenticated { .. } => {
                Self::Lasting("the archive does not give it to anonymous users".to_owned())
            }
            Precondition { .. } => {
                Self::Lasting("it changed in the archive while it was fetched".to_owned())
            }
            InvalidPath { .. } | NotSupported { .. } | NotImplemented { .. } => Self::Lasting(told),
            // The only place where other answers say their status.
            _ if says_status(&told, &["404"]) => {
                Self::Lasting("the archive does not have it".to_owned())
            }
            _ if says_status(&told, &["400", "401", "403", "405", "410", "501"]) => {
                Self::Lasting(told)
            }
            _ => Self::Passing(told),
        }
    }
}

/// Whether an error tells of an answer with one of these statuses.
fn says_status(told: &str, statuses: &[&str]) -> bool {
    statuses.iter().any(|status| told.contains(&format!("status code: {status} ")))
}

/// What is behind everything else.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    last.to_string()
}

/// An error with what is behind it, in one line of bounded length.
pub(super) fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        cause = inner.source();
    }
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    match told.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &told[..end]),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_addresses_without_a_user() {
        let url = Endpoint::parse("http://127.0.0.1:9000/").unwrap();
        assert_eq!(url, Endpoint::Url("http://127.0.0.1:9000".into()));
        for bad in ["ftp://x", "127.0.0.1:9000", "https://", "http://:80", "http://a b"] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
        let told = Endpoint::parse("https://me:secret@host").unwrap_err().to_string();
        assert!(told.contains("anonymous") && !told.contains("secret"), "{told}");
    }
}
