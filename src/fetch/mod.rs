//! Series from a public archive to a folder, anonymously.
//!
//! ```text
//! manifest, list or table ──manifest──▶ Request ─┐
//! index of the archive (CSV, Parquet) ──index──▶ ├─plan──▶ Plan ──work──▶ DIR/<patient>/<series uid>/<instance>.dcm
//!                                                ┘                        DIR/.fetched    what is done, a line each
//! ```
//!
//! Each file is fetched into `.partial-…`, named after the object's key, size and ETag, and gets its
//! own name when size and checksum are right; so a kill at any moment costs nothing but the bytes in
//! flight, and an object that changed in the archive is never glued to the old one.
//!
//! This is the only room that talks to the network, and the only one with an asynchronous runtime. No
//! request is signed: credentials are not looked for, neither in the environment nor in files nor
//! from a cloud's metadata service.

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
mod store;
mod survey;
mod table;
mod throttle;
mod work;

pub use error::FetchError;
pub use index::{Index, read_index};
pub use ledger::disk_free_bytes;
pub use manifest::{Place, Problem, Request, Wanted, parse_place, parse_request};
pub use names::safe_name;
pub use plan::{Plan, Series, plan};
pub use store::Endpoint;
pub use survey::{Survey, survey};
pub use table::{FetchRow, State};
pub use work::{After, Event, Product, Settings, fetch_all};
