//! The requested series: a manifest of the archive, a list of series, or a table with a column of series.

use lungs_base::text::{self, Separator};
use std::collections::BTreeSet;

/// The folder of a series in an archive: `s3://<bucket>/<key>/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The bucket.
    pub bucket: String,
    /// The key of the folder, without slashes at its ends.
    pub key: String,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}/", self.bucket, self.key)
    }
}

/// A requested series, by its address, its UID, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesRequest {
    /// SeriesInstanceUID, if given.
    pub series_uid: Option<String>,
    /// PatientID, if given.
    pub patient_id: Option<String>,
    /// Its folder in the archive, if given.
    pub address: Option<Address>,
}

/// An invalid line of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Number of the line, from 1.
    pub line: u64,
    /// The line, shortened.
    pub text: String,
    /// The problem.
    pub reason: String,
}

/// All requested series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Series, in the order of the file.
    pub series: Vec<SeriesRequest>,
    /// Invalid lines.
    pub problems: Vec<Problem>,
    /// Number of rows of a `cohort.csv` that are not chosen.
    pub not_chosen: usize,
}

/// Names of the column of series, in the archive's tables and in ours.
pub(super) const SERIES: [&str; 3] = ["SeriesInstanceUID", "series_uid", "series"];
pub(super) const PATIENT: [&str; 3] = ["PatientID", "patient_id", "patient"];
pub(super) const URL: &str = "series_aws_url";
pub(super) const UUID: &str = "crdc_series_uuid";
pub(super) const BUCKET: &str = "aws_bucket";

/// The bucket of series whose table has a UUID but no bucket.
pub(super) const DEFAULT_BUCKET: &str = "idc-open-data";

/// Reads a manifest (`cp s3://bucket/uuid/* .`), a list of series UIDs or addresses, or a CSV with a
/// column of series UIDs (a labels file, a `cohort.csv`, an index table).
///
/// # Errors
/// A sentence, if it is none of these. Single invalid lines are in [`Request::problems`].
pub fn parse_request(bytes: &[u8]) -> Result<Request, String> {
    let text = &text::decode(bytes).map_err(|fault| format!("it {fault}"))?;
    let first = text.lines().map(str::trim).find(|line| !is_comment(line)).unwrap_or("");
    let word = first.split_whitespace().next().unwrap_or_default();
    let is_manifest = word == "cp" || word == "sync" || is_url(word);
    let (separator, first) = match Separator::of(text.as_bytes()) {
        // The file may begin with comments.
        Separator { skip: 0, .. } => (Separator::of(first.as_bytes()), first),
        explicit => (explicit, text[explicit.skip..].lines().next().unwrap_or_default()),
    };
    let mut header = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator.byte)
        .from_reader(first.as_bytes());
    let request = match header.records().next() {
        _ if is_manifest => parse_lines(text),
        Some(Ok(header))
            if column(&header, &SERIES).is_some() || column(&header, &[URL]).is_some() =>
        {
            parse_table(text, separator)?
        }
        Some(Ok(header)) if header.len() > 1 => {
            return Err(format!(
                "it is a table without a column {}; its columns are: {}",
                SERIES.map(|name| format!("`{name}`")).join(", "),
                header.iter().take(20).collect::<Vec<_>>().join(", ")
            ));
        }
        _ => parse_lines(text),
    };
    if request.series.is_empty() {
        let problem = request.problems.first();
        let problem = problem.map(|it| format!("; line {}: {}", it.line, it.reason));
        return Err(format!("no series was found{}", problem.unwrap_or_default()));
    }
    Ok(request)
}

fn is_comment(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

fn parse_lines(text: &str) -> Request {
    let mut request = Request::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if is_comment(line) {
            continue;
        }
        match parse_line(line) {
            Ok(series) => request.series.push(series),
            Err(reason) => {
                request.problems.push(Problem { line: number, text: shorten(line), reason });
            }
        }
    }
    request
}

fn parse_line(line: &str) -> Result<SeriesRequest, String> {
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    if is_url(first) {
        return Ok(SeriesRequest {
            address: Some(parse_address(first)?),
            ..SeriesRequest::default()
        });
    }
    if first == "cp" || first == "sync" {
        let url = words.find(|word| is_url(word)).ok_or("the command has no s3:// address")?;
        return Ok(SeriesRequest {
            address: Some(parse_address(url)?),
            ..SeriesRequest::default()
        });
    }
    if words.next().is_none() && is_uid(first) {
        return Ok(SeriesRequest {
            series_uid: Some(first.to_owned()),
            ..SeriesRequest::default()
        });
    }
    Err("expected `cp s3://bucket/uuid/* .`, an s3:// address or a series UID".to_owned())
}

fn is_url(word: &str) -> bool {
    let word = trim_quotes(word);
    word.starts_with("s3://") || word.starts_with("gs://")
}

fn trim_quotes(word: &str) -> &str {
    word.trim_matches(['"', '\''])
}

/// Whether a text is a DICOM UID.
pub(super) fn is_uid(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 64 && text.contains('.') && text.split('.').all(digits)
}

/// Parses an address: `s3://bucket/folder/*`, with or without the final `/*`.
///
/// # Errors
/// A sentence that describes the problem.
pub fn parse_address(url: &str) -> Result<Address, String> {
    let url = trim_quotes(url.trim());
    let rest = url
        .strip_prefix("s3://")
        .or_else(|| url.strip_prefix("gs://"))
        .ok_or("expected an address that begins with s3:// or gs://")?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let is_bucket_byte = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
    };
    let is_bucket = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(is_bucket_byte)
        && bucket.as_bytes()[0].is_ascii_alphanumeric()
        && !bucket.contains("..");
    if !is_bucket {
        return Err(format!("{:?} is not a name of a bucket", shorten(bucket)));
    }
    let key = key.strip_suffix('*').unwrap_or(key);
    let key = key.strip_suffix('/').unwrap_or(key);
    if key.is_empty() {
        return Err("it names a whole bucket, expected s3://bucket/folder/*".to_owned());
    }
    if key.contains(['*', '?', '[']) {
        return Err("`*`, `?` or `[` within the address, expected s3://bucket/folder/*".to_owned());
    }
    let is_invalid = |part: &str| part.is_empty() || part == "." || part == "..";
    if key.len() > 900 || key.split('/').any(is_invalid) || key.chars().any(char::is_control) {
        return Err(
            "its folder is too long or has an empty part, `.`, `..` or a control character"
                .to_owned(),
        );
    }
    if key.ends_with(".dcm") {
        return Err("it names one file, expected s3://bucket/folder/*".to_owned());
    }
    Ok(Address { bucket: bucket.to_owned(), key: key.to_owned() })
}

/// The address of a row with an address, or with a UUID and perhaps a bucket.
pub(super) fn row_address(url: &str, uuid: &str, bucket: &str) -> Result<Option<Address>, String> {
    if !url.is_empty() {
        return parse_address(url).map(Some);
    }
    if uuid.is_empty() {
        return Ok(None);
    }
    let bucket = if bucket.is_empty() { DEFAULT_BUCKET } else { bucket };
    parse_address(&format!("s3://{bucket}/{uuid}/")).map(Some)
}

/// The index of the column with one of these names; earlier names take precedence.
pub(super) fn column(header: &csv::StringRecord, names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| header.iter().position(|column| column.trim() == *name))
}

fn parse_table(text: &str, separator: Separator) -> Result<Request, String> {
    let mut reader = table_reader(&text.as_bytes()[separator.skip..], separator.byte);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let series = column(&header, &SERIES);
    let patient = column(&header, &PATIENT);
    let [url, uuid, bucket, chosen] =
        [URL, UUID, BUCKET, "chosen"].map(|name| column(&header, &[name]));
    let mut request = Request::default();
    let mut requested = BTreeSet::new();
    let line_of = |position: Option<&csv::Position>| {
        position.map_or(0, csv::Position::line) + separator.lines_skipped()
    };
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = line_of(error.position());
                let reason = error.to_string();
                request.problems.push(Problem { line, text: String::new(), reason });
                continue;
            }
        };
        let line = line_of(record.position());
        let cell = |column: Option<usize>| column.and_then(|c| record.get(c)).unwrap_or("").trim();
        if chosen.is_some() && !matches!(cell(chosen), "true" | "True" | "1") {
            request.not_chosen += 1;
            continue;
        }
        let problem = |reason: String| {
            let text = shorten(&record.iter().collect::<Vec<_>>().join(","));
            Problem { line, text, reason }
        };
        let uid = cell(series);
        match row_address(cell(url), cell(uuid), cell(bucket)) {
            Err(reason) => request.problems.push(problem(reason)),
            Ok(None) if uid.is_empty() => {
                request.problems.push(problem("its series UID is empty".to_owned()));
            }
            Ok(_) if !uid.is_empty() && !is_uid(uid) => {
                request.problems.push(problem(format!("{:?} is not a series UID", shorten(uid))));
            }
            // Tables of exams may name a series more than once.
            Ok(address) => {
                let non_empty = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
                let (series_uid, patient) = (non_empty(uid), non_empty(cell(patient)));
                if requested.insert((series_uid.clone(), address.clone())) {
                    request.series.push(SeriesRequest { series_uid, patient_id: patient, address });
                }
            }
        }
    }
    Ok(request)
}

/// A reader of the archives' CSV: quotes within quotes may be doubled or escaped with a backslash.
fn table_reader<R: std::io::Read>(source: R, separator: u8) -> csv::Reader<R> {
    csv::ReaderBuilder::new()
        .delimiter(separator)
        .comment(Some(b'#'))
        .flexible(true)
        .escape(Some(b'\\'))
        .from_reader(source)
}

/// The first 80 characters of a text, without control characters.
fn shorten(text: &str) -> String {
    let replace_control = |letter: char| if letter.is_control() { '·' } else { letter };
    let start: String = text.chars().take(80).map(replace_control).collect();
    if text.chars().nth(80).is_some() { start + "…" } else { start }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
