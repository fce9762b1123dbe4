//! Addresses of the trial's tables and the index of its series in the Imaging Data Commons.

/// The default release of the index. The number before its first dot is the version of the archive and of the
/// clinical tables.
pub const RELEASE: &str = "24.2.2";

/// Name of the folder of the downloaded index, in the folder of the tables.
pub const INDEX_FOLDER: &str = "idc_index";

/// The provider of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Amazon S3.
    Aws,
    /// Google Cloud Storage.
    Google,
}

/// A table, or the index, in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name, which is also the folder of its pieces.
    pub name: &'static str,
    /// Its provider.
    pub host: Host,
    /// Its address, a folder or a file: `s3://bucket/key`.
    pub url: String,
}

/// The tables and the index of a release. Each table is an export of the archive's database, a folder of
/// Parquet pieces (learn.canceridc.dev, "Files and metadata"). The index is one Parquet file among the
/// artifacts of the project `idc-index-data`.
///
/// # Errors
/// A sentence, if the release is not a version.
pub fn sources(release: &str) -> Result<Vec<Source>, String> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !release.contains('.') || !release.split('.').all(digits) {
        return Err(format!(
            "found {release:?}, expected a release of idc-index-data such as {RELEASE}"
        ));
    }
    let version = release.split('.').next().unwrap_or_default();
    let tables = ["nlst_prsn", "nlst_canc", "nlst_screen", "nlst_ctab"].map(|name| Source {
        name,
        host: Host::Aws,
        url: format!("s3://idc-open-metadata/bigquery_export/idc_v{version}_clinical/{name}"),
    });
    let index = Source {
        name: INDEX_FOLDER,
        host: Host::Google,
        url: format!("s3://idc-index-data-artifacts/{release}/release_artifacts/idc_index.parquet"),
    };
    Ok(tables.into_iter().chain([index]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_names_the_version_of_the_tables() {
        let sources = sources("25.0.1").unwrap();
        assert_eq!(sources.len(), 5);
        assert!(sources[0].url.ends_with("/idc_v25_clinical/nlst_prsn"));
        assert!(sources[4].url.contains("/25.0.1/"));
        for bad in ["", "25", "current", "../25.0", "25.", "25.x"] {
            assert!(super::sources(bad).is_err(), "{bad}");
        }
    }
}
