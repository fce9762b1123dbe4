//! Anonymous clients of the archive, listings, and the classification of errors.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{ClientOptions, HeaderValue, ObjectStore, ObjectStoreExt, RetryConfig};

use super::FetchError;
use super::manifest::Address;
use super::names::safe_name;
use lungs_base::files::WriteError;

/// The server of the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Endpoint {
    /// Amazon S3, in the region of the public archives.
    #[default]
    Aws,
    /// Google's mirror, with the same protocol and names.
    Google,
    /// Any other server that speaks S3.
    Url(String),
}

impl Endpoint {
    /// Parses an address that begins with `http://` or `https://` and contains no user name.
    pub fn parse(url: &str) -> Result<Self, FetchError> {
        let error = |message: &str| FetchError::Endpoint {
            // The part before the `@` may contain a password.
            endpoint: url.rsplit('@').next().unwrap_or_default().to_owned(),
            message: message.to_owned(),
        };
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"))
            .ok_or_else(|| error("it does not begin with http:// or https://"))?;
        if rest.contains('@') {
            return Err(error("it contains a user name, but requests are anonymous"));
        }
        if rest.is_empty() || rest.starts_with(['/', ':']) || rest.contains(char::is_whitespace) {
            return Err(error("it contains no host"));
        }
        Ok(Self::Url(url.trim_end_matches('/').to_owned()))
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
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

/// The clients, one per bucket.
pub(super) struct Stores {
    endpoint: Endpoint,
    timeout: Duration,
    clients: Mutex<BTreeMap<String, Arc<AmazonS3>>>,
}

impl Stores {
    pub(super) fn new(endpoint: &Endpoint, timeout: Duration) -> Self {
        // Fails only if a provider is already installed, which is then used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { endpoint: endpoint.clone(), timeout, clients: Mutex::default() }
    }

    /// The client of a bucket.
    ///
    /// Its configuration is complete: credentials are read neither from the environment nor from files nor from a
    /// metadata service, and requests are unsigned.
    pub(super) fn client(&self, bucket: &str) -> Result<Arc<AmazonS3>, FetchError> {
        let mut clients = self.clients.lock().unwrap_or_else(|poison| poison.into_inner());
        if let Some(store) = clients.get(bucket) {
            return Ok(store.clone());
        }
        let is_http = self.endpoint.url().is_some_and(|url| url.starts_with("http://"));
        let agent = HeaderValue::from_static(concat!("lungs/", env!("CARGO_PKG_VERSION")));
        let options = ClientOptions::new()
            .with_allow_http(is_http)
            .with_user_agent(agent)
            .with_connect_timeout(self.timeout)
            .with_read_timeout(self.timeout)
            // No timeout of a whole file: a slow connection is no error.
            .with_timeout_disabled();
        // `download::retry` retries, so that a file resumes where it stopped, in this process or the next.
        let no_retries = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(REGION)
            .with_skip_signature(true)
            .with_client_options(options)
            .with_retry(no_retries);
        if let Some(url) = self.endpoint.url() {
            builder = builder.with_endpoint(url);
        }
        let store = builder.build().map_err(|error| FetchError::Client(single_line(&error)))?;
        let store = Arc::new(store);
        clients.insert(bucket.to_owned(), store.clone());
        Ok(store)
    }
}

/// A file of a series in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub key: Key,
    /// The name of the local file.
    pub name: String,
    pub bytes: u64,
    pub e_tag: Option<String>,
}

/// The files of a series, ordered by key. If the address is a file instead of a folder, this file.
pub(super) async fn list(store: &AmazonS3, address: &Address) -> Result<Vec<Object>, FileError> {
    let prefix =
        Key::parse(&address.key).map_err(|error| FileError::Permanent(single_line(&error)))?;
    let metadata: Vec<_> =
        store.list(Some(&prefix)).try_collect().await.map_err(FileError::from_response)?;
    let folder = format!("{}/", address.key);
    let mut objects: Vec<Object> = metadata
        .into_iter()
        .filter_map(|object| {
            // Skips the marker object of the folder itself.
            let name = safe_name(object.location.as_ref().strip_prefix(&folder)?)?;
            Some(Object { name, key: object.location, bytes: object.size, e_tag: object.e_tag })
        })
        .collect();
    objects.sort_by(|a, b| a.key.cmp(&b.key));
    if !objects.is_empty() {
        return Ok(objects);
    }
    // The address is no folder, but may be a file.
    let not_found = || FileError::Permanent("not found in the archive".to_owned());
    let object = match store.head(&prefix).await {
        Err(object_store::Error::NotFound { .. }) => return Err(not_found()),
        result => result.map_err(FileError::from_response)?,
    };
    let name = object.location.filename().and_then(safe_name).ok_or_else(not_found)?;
    Ok(vec![Object { name, key: object.location, bytes: object.size, e_tag: object.e_tag }])
}

/// An error of fetching a file or a listing.
#[derive(Debug)]
pub(super) enum FileError {
    /// A retry may succeed.
    Transient(String),
    /// The server does not answer; a retry may succeed.
    Unreachable(String),
    /// A retry cannot succeed.
    Permanent(String),
    /// The user stopped the command.
    Stopped,
    /// All fetching must end.
    Fatal(FetchError),
}

impl From<FetchError> for FileError {
    fn from(error: FetchError) -> Self {
        Self::Fatal(error)
    }
}

impl From<WriteError> for FileError {
    fn from(error: WriteError) -> Self {
        Self::Fatal(error.into())
    }
}

impl FileError {
    /// Classifies an error of the client.
    pub(crate) fn from_response(error: object_store::Error) -> Self {
        use object_store::Error::{
            InvalidPath, NotFound, NotImplemented, NotSupported, PermissionDenied, Precondition,
            Unauthenticated,
        };
        let message = single_line(&error);
        if message.contains("client error (Connect)") || message.contains("dns error") {
            return Self::Unreachable(root_cause(&error));
        }
        match error {
            NotFound { .. } => Self::Permanent("not found in the archive".to_owned()),
            PermissionDenied { .. } | Unauthenticated { .. } => {
                Self::Permanent("not accessible to anonymous users".to_owned())
            }
            Precondition { .. } => {
                Self::Permanent("changed in the archive during the download".to_owned())
            }
            InvalidPath { .. } | NotSupported { .. } | NotImplemented { .. } => {
                Self::Permanent(message)
            }
            // Only the text of other errors contains the status.
            _ if has_status(&message, &["404"]) => {
                Self::Permanent("not found in the archive".to_owned())
            }
            _ if has_status(&message, &["400", "401", "403", "405", "410", "501"]) => {
                Self::Permanent(message)
            }
            _ => Self::Transient(message),
        }
    }
}

/// Whether the message of an error contains one of these HTTP statuses.
fn has_status(message: &str, statuses: &[&str]) -> bool {
    statuses.iter().any(|status| message.contains(&format!("status code: {status} ")))
}

/// The last source of an error.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// An error with its sources, in one line of at most 400 characters.
pub(super) fn single_line(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let text = source.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = source.source();
    }
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match message.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_addresses_without_a_user_name() {
        let url = Endpoint::parse("http://127.0.0.1:9000/").unwrap();
        assert_eq!(url, Endpoint::Url("http://127.0.0.1:9000".into()));
        for bad in ["ftp://x", "127.0.0.1:9000", "https://", "http://:80", "http://a b"] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
        let message = Endpoint::parse("https://me:secret@host").unwrap_err().to_string();
        assert!(message.contains("anonymous") && !message.contains("secret"), "{message}");
    }
}
