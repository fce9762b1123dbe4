//! Errors that end all fetching.

use std::path::PathBuf;

use crate::table::Unreadable;
use lungs_base::files::WriteError;

/// Fetching cannot start or continue. Errors of single series are in their rows.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The file of the request cannot be read.
    #[error("cannot read {path}: {message}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        message: String,
    },
    /// An index table cannot be read.
    #[error(transparent)]
    Table(#[from] Unreadable),
    /// The file of the request names no series.
    #[error(
        "cannot read the series to fetch from {path}: {message}; expected an s5cmd manifest, a list of series UIDs, or a \
         CSV with a column `series_uid`"
    )]
    NotARequest {
        /// The file.
        path: PathBuf,
        /// What was found.
        message: String,
    },
    /// An index table lacks required columns.
    #[error(
        "{path} is not an index of an archive: expected a column `SeriesInstanceUID` (or `series_uid`) and \
         `series_aws_url` or `crdc_series_uuid`; its columns are: {found}"
    )]
    NotAnIndex {
        /// The table.
        path: PathBuf,
        /// Its columns.
        found: String,
    },
    /// The endpoint is invalid.
    #[error("{endpoint} is not an endpoint: {message}; expected https://HOST or http://HOST:PORT")]
    Endpoint {
        /// The text given, without a user's name and password.
        endpoint: String,
        /// The problem.
        message: String,
    },
    /// No connection can be opened.
    #[error("cannot open connections: {0}")]
    Client(String),
    /// The server does not answer.
    #[error(
        "cannot connect to {endpoint}: {message}; check the network and the proxy in HTTPS_PROXY, or give \
         another --endpoint. The same command then continues"
    )]
    Unreachable {
        /// The server.
        endpoint: String,
        /// The error of the last attempt.
        message: String,
    },
    /// Another process is fetching into the same folder.
    #[error(
        "another process is fetching into {folder}; wait until it ends, or give another folder"
    )]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// The disk is too small for the next series.
    #[error(
        "not enough disk space in {folder}: the next series needs {needed} bytes, {free} are free. Free some \
         space, choose a folder on another disk, or use --prepare SPEC, which keeps no raw files; the same \
         command then continues"
    )]
    DiskFull {
        /// The folder.
        folder: PathBuf,
        /// Free bytes.
        free: u64,
        /// Bytes of the series that are still to be fetched.
        needed: u64,
    },
    /// The folder cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Preparation of a complete series failed.
    #[error("{0}")]
    Preparation(String),
}

impl FetchError {
    /// Whether the request was wrong (exit code 2), not the work (exit code 1).
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
