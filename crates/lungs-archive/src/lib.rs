//! Public archives of images: anonymous downloads that continue ([`fetch`]), and tables in CSV and Parquet ([`table`]).
//!
//! ```
//! use lungs_archive::fetch::{parse_address, safe_name};
//!
//! let address = parse_address("s3://idc-open-data/0a1b2c3d-0000-4000-8000-000000000001/*")?;
//! assert_eq!(address.bucket, "idc-open-data");
//! assert!(parse_address("https://example.org/0a1b").is_err());
//! // A plain name of an archive names a folder; any other gets a plain name with a hash.
//! assert_eq!(safe_name("P0001").as_deref(), Some("P0001"));
//! assert!(safe_name("../etc").is_some_and(|name| !name.contains('/')));
//! # Ok::<(), String>(())
//! ```
//!
//! A download is [`fetch::parse_request`] of a manifest, [`fetch::plan()`], then [`fetch::fetch_all`], which resumes after an
//! interruption. Limits: S3 without credentials; tables without nested columns.

pub mod fetch;
pub mod table;
