//! One file: fetched, continued, tried again, checked, and named.

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
use super::store::{Object, Trouble};
use super::work::{Event, Work};

/// Fetches a file into a folder, unless it is there, and says whether anything had to come.
pub(super) async fn fetch_file(
    work: &Work<'_>,
    store: &AmazonS3,
    object: &Object,
    folder: &Path,
) -> Result<bool, Trouble> {
    let path = folder.join(&object.name);
    if is_there(work, store, object, &path).await? {
        return Ok(false);
    }
    let what = object.key.as_ref();
    try_again(work, what, || fetch_rest(work, store, object, folder, &path)).await?;
    Ok(true)
}

/// Does something until it is done, up to a bound, with longer and longer waits.
pub(super) async fn try_again<T, F: Future<Output = Result<T, Trouble>>>(
    work: &Work<'_>,
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Trouble> {
    let mut failures = 0;
    loop {
        let told = unless_stopped(work, attempt()).await?;
        let (reason, answered) = match told {
            Err(Trouble::Passing(reason)) => (reason, true),
            Err(Trouble::Unreachable(reason)) => (reason, false),
            done => {
                if matches!(done, Ok(_) | Err(Trouble::Lasting(_))) {
                    work.hear();
                }
                return done;
            }
        };
        failures += 1;
        if answered {
            work.hear();
            if failures > work.settings.retries {
                return Err(Trouble::Lasting(format!("{reason} (tried {failures} times)")));
            }
        } else if failures > work.patience() {
            return Err(work.give_up(reason, failures));
        }
        (work.tell)(&Event::TryingAgain { what, reason: &reason });
        unless_stopped(work, sleep(backoff::wait(work.settings.first_wait, failures, what)))
            .await?;
    }
}

/// Waits for something, but not after a stop.
async fn unless_stopped<F: Future>(work: &Work<'_>, future: F) -> Result<F::Output, Trouble> {
    const LOOK: Duration = Duration::from_millis(100);
    let mut future = pin!(future);
    loop {
        if work.is_stopped() {
            return Err(Trouble::Stopped);
        }
        if let Ok(done) = timeout(LOOK, &mut future).await {
            return Ok(done);
        }
    }
}

/// Whether the file is there with the right size, and, where that is asked for, the right checksum.
async fn is_there(
    work: &Work<'_>,
    store: &AmazonS3,
    object: &Object,
    path: &Path,
) -> Result<bool, Trouble> {
    let Ok(facts) = fs::symlink_metadata(path) else { return Ok(false) };
    if !facts.is_file() {
        let odd = if facts.is_symlink() { "a link" } else { "no file" };
        return Err(Trouble::Lasting(format!("{} is {odd}; remove it", path.display())));
    }
    if facts.len() != object.bytes || !work.settings.verify {
        return Ok(facts.len() == object.bytes);
    }
    let e_tag = match &object.e_tag {
        Some(e_tag) => Some(e_tag.clone()),
        // Some servers list none and have one.
        None => {
            let ask = || async { store.head(&object.key).await.map_err(Trouble::of) };
            try_again(work, object.key.as_ref(), ask).await?.e_tag
        }
    };
    let checksum = e_tag.as_deref().and_then(Checksum::of_etag);
    let right = checksum.is_none_or(|it| md5_of(path).is_ok_and(|md5| it.fits(&md5)));
    if right {
        (work.tell)(&Event::Checked { by_md5: checksum.is_some() });
    }
    Ok(right)
}

/// Fetches what is missing.
async fn fetch_rest(
    work: &Work<'_>,
    store: &AmazonS3,
    object: &Object,
    folder: &Path,
    path: &Path,
) -> Result<(), Trouble> {
    let mut partial = Partial::open(folder, object)?;
    if partial.bytes > object.bytes {
        partial.clear()?;
    }
    let mut e_tag = object.e_tag.clone();
    if partial.bytes == object.bytes && object.bytes > 0 && e_tag.is_none() {
        // All of it came before, from a server that lists no checksums.
        e_tag = store.head(&object.key).await.map_err(Trouble::of)?.e_tag;
    }
    if partial.bytes < object.bytes {
        let sent = receive(work, store, object, &mut partial).await?;
        // Some servers list none and send one.
        e_tag = e_tag.or(sent);
    }
    let checksum = e_tag.as_deref().and_then(Checksum::of_etag);
    if checksum.is_some_and(|checksum| !checksum.fits(&partial.md5())) {
        partial.clear()?;
        return Err(Trouble::Passing("its checksum is not that of the archive".to_owned()));
    }
    partial.finish(path)?;
    (work.tell)(&Event::Checked { by_md5: checksum.is_some() });
    Ok(())
}

/// Receives what is missing, and gives the ETag that came with it.
async fn receive(
    work: &Work<'_>,
    store: &AmazonS3,
    object: &Object,
    partial: &mut Partial,
) -> Result<Option<String>, Trouble> {
    let range = (partial.bytes > 0).then_some(GetRange::Offset(partial.bytes));
    let continued = range.is_some();
    let options = GetOptions { if_match: object.e_tag.clone(), range, ..GetOptions::default() };
    let answer = match store.get_opts(&object.key, options).await {
        Ok(answer) => answer,
        Err(error) => {
            // A server that knows no ranges sends the whole, and has to be asked for the whole.
            if continued && error.to_string().contains("non-partial response") {
                partial.clear()?;
            }
            return Err(Trouble::of(error));
        }
    };
    if answer.meta.size != object.bytes {
        return Err(Trouble::Passing(format!(
            "the archive lists {} bytes and sends {}",
            object.bytes, answer.meta.size
        )));
    }
    let e_tag = answer.meta.e_tag.clone();
    let mut body = answer.into_stream();
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(Trouble::of)?;
        if partial.bytes + bytes.len() as u64 > object.bytes {
            partial.clear()?;
            let told = format!("more came than the {} bytes that the archive lists", object.bytes);
            return Err(Trouble::Passing(told));
        }
        partial.add(&bytes)?;
        (work.tell)(&Event::Bytes(bytes.len()));
        let wait = work.throttle(bytes.len());
        if wait > Duration::ZERO {
            sleep(wait).await;
        }
    }
    if partial.bytes == object.bytes {
        Ok(e_tag)
    } else {
        Err(Trouble::Passing(format!(
            "the connection ended after {} of {} bytes",
            partial.bytes, object.bytes
        )))
    }
}
