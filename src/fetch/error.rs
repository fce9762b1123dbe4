//! Why nothing, or nothing more, can be fetched.

use std::path::PathBuf;

use crate::files::WriteError;
use crate::table::Unreadable;

/// Fetching as a whole cannot start, or go on. What fails for one series is in its row.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A file that says what to fetch cannot be read.
    #[error("cannot read {path}: {message}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        message: String,
    },
    /// An index table cannot be read.
    #[error(transparent)]
    Table(#[from] Unreadable),
    /// A file asks for nothing.
    #[error(
        "{path} does not say what to fetch: {message}; give an s5cmd manifest, a list of series \
         UIDs, or a CSV with a column `series_uid`"
    )]
    NotARequest {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        message: String,
    },
    /// An index table without the columns that matter.
    #[error(
        "{path} is no index of an archive: it needs a column `SeriesInstanceUID` (or `series_uid`) \
         and one of `series_aws_url`, `crdc_series_uuid`; its columns are: {found}"
    )]
    NotAnIndex {
        /// The table.
        path: PathBuf,
        /// Its columns.
        found: String,
    },
    /// The endpoint cannot be used.
    #[error("{endpoint} is no endpoint: {message}; expected https://HOST or http://HOST:PORT")]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        message: String,
    },
    /// Connections cannot be made at all.
    #[error("cannot open connections: {0}")]
    Client(String),
    /// Nobody answers.
    #[error(
        "cannot connect to {endpoint}: {message}; look at the network (a proxy is what HTTPS_PROXY \
         names) or give another --endpoint. The same command goes on where this one ends"
    )]
    Unreachable {
        /// Who was asked.
        endpoint: String,
        /// What the last try met.
        message: String,
    },
    /// Another process fetches into the same folder.
    #[error("another process is fetching into {folder}; wait for it, or give another folder")]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// The disk is too small for the next series.
    #[error(
        "{folder} has {free} bytes free, and the next series needs {needed}: free space, fetch into \
         another disk, or give --prepare SPEC, which keeps no raw files; the same command continues"
    )]
    DiskFull {
        /// The folder.
        folder: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that the series still needs.
        needed: u64,
    },
    /// The folder cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// What is done with a finished series cannot go on.
    #[error("{0}")]
    After(String),
}

impl FetchError {
    /// Whether the request was wrong, rather than the work failed.
    pub fn is_request(&self) -> bool {
        use FetchError::{Busy, Endpoint, NotARequest, NotAnIndex, Table, Unreadable};
        matches!(
            self,
            Unreadable { .. }
                | Table(_)
                | NotARequest { .. }
                | NotAnIndex { .. }
                | Endpoint { .. }
                | Busy { .. }
        )
    }
}
