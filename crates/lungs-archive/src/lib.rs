//! Public archives of images: anonymous downloads that continue ([`fetch`]), and tables in CSV and Parquet ([`table`]).

pub mod fetch;
pub mod table;
