//! Downloads series from a public archive into a folder, anonymously.
//!
//! ```text
//! manifest, list or table ──manifest──▶ Request ─┐
//! index of the archive (CSV, Parquet) ──index──▶ ├─plan──▶ Plan ──work──▶ DIR/<patient>/<series uid>/<instance>.dcm
//!                                                ┘                        DIR/.fetched    a line per finished series
//! ```
//!
//! Each file is fetched into `.partial-…`, named by the object's key, size and ETag, and renamed once size and
//! checksum are right. So a kill at any moment costs only the bytes in transfer, and an object that changed
//! in the archive is never mixed with the old one.
//!
//! This is the only module with network access, and the only one with an asynchronous runtime. Requests are
//! unsigned: credentials are read neither from the environment nor from files nor from a cloud's metadata
//! service.

mod backoff;
mod checksum;
mod download;
mod error;
mod folder;
mod index;
mod ledger;
mod manifest;
mod names;
mod partial;
mod plan;
mod session;
mod store;
mod survey;
mod table;
mod throttle;
mod work;

pub use error::FetchError;
pub use index::{Index, read_index};
pub use ledger::disk_free_bytes;
pub use manifest::{Address, Problem, Request, SeriesRequest, parse_address, parse_request};
pub use names::safe_name;
pub use plan::{Plan, Series, plan};
pub use session::{Event, Settings};
pub use store::Endpoint;
pub use survey::{Survey, survey};
pub use table::{FetchRow, FetchStatus};
pub use work::{Preparation, Product, fetch_all};
