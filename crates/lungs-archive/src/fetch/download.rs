//! Downloads one file: resumes, retries, verifies and renames it.

use lungs_base::text::counted;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use object_store::aws::AmazonS3;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use tokio::time::{sleep, timeout};

use super::backoff;
use super::checksum::Checksum;
use super::partial::{Partial, md5_of};
use super::session::{Event, Session};
use super::store::{FileError, Object};

/// Fetches a file into a folder, and returns whether it had to be fetched.
pub(super) async fn fetch_file(
    session: &Session<'_>,
    store: &AmazonS3,
    object: &Object,
    folder: &Path,
) -> Result<bool, FileError> {
    let path = folder.join(&object.name);
    if is_complete(session, store, object, &path).await? {
        return Ok(false);
    }
    let fetch = || resume(session, store, object, folder, &path);
    retry(session, object.key.as_ref(), fetch).await?;
    Ok(true)
}

/// Repeats `attempt` after transient errors, up to the number of retries, with increasing waits. `key` names the
/// file or folder in events.
pub(super) async fn retry<T, F: Future<Output = Result<T, FileError>>>(
    session: &Session<'_>,
    key: &str,
    mut attempt: impl FnMut() -> F,
) -> Result<T, FileError> {
    let mut failures = 0;
    loop {
        let (reason, is_answer) = match until_stopped(session, attempt()).await? {
            Err(FileError::Transient(reason)) => (reason, true),
            Err(FileError::Unreachable(reason)) => (reason, false),
            result => {
                if matches!(result, Ok(_) | Err(FileError::Permanent(_))) {
                    session.record_answer();
                }
                return result;
            }
        };
        failures += 1;
        if is_answer {
            session.record_answer();
            if failures > session.settings.retries {
                return Err(FileError::Permanent(format!(
                    "{reason} (tried {})",
                    counted(failures as usize, "time", "times")
                )));
            }
        } else if failures > session.max_retries_without_answer() {
            return Err(session.unreachable_error(reason, failures));
        }
        (session.tell)(&Event::Retry { what: key, reason: &reason });
        let wait = backoff::wait(session.settings.first_wait, failures, key);
        until_stopped(session, sleep(wait)).await?;
    }
}

/// Waits for a future, or fails as soon as the session is stopped.
async fn until_stopped<F: Future>(
    session: &Session<'_>,
    future: F,
) -> Result<F::Output, FileError> {
    const CHECK_INTERVAL: Duration = Duration::from_millis(100);
    let mut future = pin!(future);
    loop {
        if session.is_stopped() {
            return Err(FileError::Stopped);
        }
        if let Ok(output) = timeout(CHECK_INTERVAL, &mut future).await {
            return Ok(output);
        }
    }
}

/// Whether the file exists with the right size and, with `verify`, the right checksum.
async fn is_complete(
    session: &Session<'_>,
    store: &AmazonS3,
    object: &Object,
    path: &Path,
) -> Result<bool, FileError> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(false) };
    if !metadata.is_file() {
        let kind = if metadata.is_symlink() { "a link" } else { "not a file" };
        let message = format!("{} is {kind}, expected a file; remove it", path.display());
        return Err(FileError::Permanent(message));
    }
    if metadata.len() != object.bytes || !session.settings.verify {
        return Ok(metadata.len() == object.bytes);
    }
    let e_tag = match &object.e_tag {
        Some(e_tag) => Some(e_tag.clone()),
        // Some servers omit ETags in listings.
        None => {
            let head = || async { store.head(&object.key).await.map_err(FileError::from_response) };
            retry(session, object.key.as_ref(), head).await?.e_tag
        }
    };
    let checksum = e_tag.as_deref().and_then(Checksum::from_etag);
    let is_correct = checksum.is_none_or(|it| md5_of(path).is_ok_and(|md5| it.matches(&md5)));
    if is_correct {
        (session.tell)(&Event::Checked { by_md5: checksum.is_some() });
    }
    Ok(is_correct)
}

/// Fetches the missing bytes of a file, verifies it and gives it its final name.
async fn resume(
    session: &Session<'_>,
    store: &AmazonS3,
    object: &Object,
    folder: &Path,
    path: &Path,
) -> Result<(), FileError> {
    let mut partial = Partial::open(folder, object)?;
    if partial.bytes > object.bytes {
        partial.clear()?;
    }
    let mut e_tag = object.e_tag.clone();
    if partial.bytes == object.bytes && object.bytes > 0 && e_tag.is_none() {
        // All bytes were fetched before, from a server that omits ETags in listings.
        e_tag = store.head(&object.key).await.map_err(FileError::from_response)?.e_tag;
    }
    if partial.bytes < object.bytes {
        let response_e_tag = receive(session, store, object, &mut partial).await?;
        // Some servers omit ETags in listings.
        e_tag = e_tag.or(response_e_tag);
    }
    let checksum = e_tag.as_deref().and_then(Checksum::from_etag);
    if checksum.is_some_and(|checksum| !checksum.matches(&partial.md5())) {
        partial.clear()?;
        return Err(FileError::Transient("the MD5 differs from the archive's".to_owned()));
    }
    partial.finish(path)?;
    (session.tell)(&Event::Checked { by_md5: checksum.is_some() });
    Ok(())
}

/// Receives the missing bytes, and returns the ETag of the response.
async fn receive(
    session: &Session<'_>,
    store: &AmazonS3,
    object: &Object,
    partial: &mut Partial,
) -> Result<Option<String>, FileError> {
    let range = (partial.bytes > 0).then_some(GetRange::Offset(partial.bytes));
    let is_resumed = range.is_some();
    let options = GetOptions { if_match: object.e_tag.clone(), range, ..GetOptions::default() };
    let response = match store.get_opts(&object.key, options).await {
        Ok(response) => response,
        Err(error) => {
            // A server without support for ranges sends the whole file: the retry requests all of it.
            if is_resumed && error.to_string().contains("non-partial response") {
                partial.clear()?;
            }
            return Err(FileError::from_response(error));
        }
    };
    if response.meta.size != object.bytes {
        return Err(FileError::Transient(format!(
            "the archive lists {} bytes but sends {}",
            object.bytes, response.meta.size
        )));
    }
    let e_tag = response.meta.e_tag.clone();
    let mut body = response.into_stream();
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(FileError::from_response)?;
        if partial.bytes + bytes.len() as u64 > object.bytes {
            partial.clear()?;
            let message =
                format!("the archive sends more than the {} bytes it lists", object.bytes);
            return Err(FileError::Transient(message));
        }
        partial.append(&bytes)?;
        (session.tell)(&Event::Bytes(bytes.len()));
        let wait = session.throttle_wait(bytes.len());
        if wait > Duration::ZERO {
            sleep(wait).await;
        }
    }
    if partial.bytes == object.bytes {
        Ok(e_tag)
    } else {
        Err(FileError::Transient(format!(
            "the connection ended after {} of {} bytes",
            partial.bytes, object.bytes
        )))
    }
}
