//! What is asked for: a manifest of the archive, a list of series, or a table with a column of them.

use crate::text::{self, Separator};
use std::collections::BTreeSet;

/// The folder of a series in an archive: `s3://<bucket>/<key>/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// The key of the folder, without slashes at its ends.
    pub key: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}/", self.bucket, self.key)
    }
}

/// One series that is asked for: by its place, by its UID, or by both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// SeriesInstanceUID, when said.
    pub series_uid: Option<String>,
    /// PatientID, when said.
    pub patient: Option<String>,
    /// Where it lies, when said.
    pub place: Option<Place>,
}

/// A line that asks for something that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: u64,
    /// What it says, cut short.
    pub said: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Everything that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Series, in the order given.
    pub wanted: Vec<Wanted>,
    /// Lines that are no series.
    pub problems: Vec<Problem>,
    /// Rows of a cohort's table that it does not use.
    pub not_chosen: usize,
}

/// Columns in which series are named, by the tables of the archive and by ours.
pub(super) const SERIES: [&str; 3] = ["SeriesInstanceUID", "series_uid", "series"];
pub(super) const PATIENT: [&str; 3] = ["PatientID", "patient_id", "patient"];
pub(super) const URL: &str = "series_aws_url";
pub(super) const UUID: &str = "crdc_series_uuid";
pub(super) const BUCKET: &str = "aws_bucket";

/// Where series lie whose table has their UUID and no bucket.
pub(super) const DEFAULT_BUCKET: &str = "idc-open-data";

/// Reads a manifest (`cp s3://bucket/uuid/* .`), a list of series UIDs or places, or a CSV with a
/// column of series UIDs (a labels file, a `cohort.csv`, an index table).
///
/// # Errors
/// A sentence, when it is none of these; single bad lines are in [`Request::problems`].
pub fn parse_request(bytes: &[u8]) -> Result<Request, String> {
    let text = &text::decode(bytes).map_err(|fault| format!("it {fault}"))?;
    let first = text.lines().map(str::trim).find(|line| !is_comment(line)).unwrap_or("");
    let word = first.split_whitespace().next().unwrap_or_default();
    let copies = word == "cp" || word == "sync" || is_url(word);
    let (separator, first) = match Separator::of(text.as_bytes()) {
        // Comments may come first.
        Separator { skip: 0, .. } => (Separator::of(first.as_bytes()), first),
        named => (named, text[named.skip..].lines().next().unwrap_or_default()),
    };
    let mut header = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator.byte)
        .from_reader(first.as_bytes());
    let request = match header.records().next() {
        _ if copies => parse_lines(text),
        Some(Ok(header))
            if column(&header, &SERIES).is_some() || column(&header, &[URL]).is_some() =>
        {
            parse_table(text, separator)?
        }
        Some(Ok(header)) if header.len() > 1 => {
            return Err(format!(
                "it is a table with no column {}; its columns are: {}",
                SERIES.map(|name| format!("`{name}`")).join(", "),
                header.iter().take(20).collect::<Vec<_>>().join(", ")
            ));
        }
        _ => parse_lines(text),
    };
    if request.wanted.is_empty() {
        let first = request.problems.first();
        let first = first.map_or(String::new(), |p| format!("; line {}: {}", p.line, p.reason));
        return Err(format!("it names no series{first}"));
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
            Ok(wanted) => request.wanted.push(wanted),
            Err(reason) => {
                request.problems.push(Problem { line: number, said: shorten(line), reason });
            }
        }
    }
    request
}

fn parse_line(line: &str) -> Result<Wanted, String> {
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    if is_url(first) {
        return Ok(Wanted { place: Some(parse_place(first)?), ..Wanted::default() });
    }
    if first == "cp" || first == "sync" {
        let url = words.find(|word| is_url(word)).ok_or("it copies from no s3:// address")?;
        return Ok(Wanted { place: Some(parse_place(url)?), ..Wanted::default() });
    }
    if words.next().is_none() && is_uid(first) {
        return Ok(Wanted { series_uid: Some(first.to_owned()), ..Wanted::default() });
    }
    Err("expected `cp s3://bucket/uuid/* .`, an s3:// address or a series UID".to_owned())
}

fn is_url(word: &str) -> bool {
    let word = unquoted(word);
    word.starts_with("s3://") || word.starts_with("gs://")
}

fn unquoted(word: &str) -> &str {
    word.trim_matches(['"', '\''])
}

/// Whether a text is a DICOM UID.
pub(super) fn is_uid(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 64 && text.contains('.') && text.split('.').all(digits)
}

/// The place that an address names: `s3://bucket/folder/*`, with or without the end.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse_place(url: &str) -> Result<Place, String> {
    let url = unquoted(url.trim());
    let rest = url
        .strip_prefix("s3://")
        .or_else(|| url.strip_prefix("gs://"))
        .ok_or("an address begins with s3:// or gs://")?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let letters = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
    };
    let named = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(letters)
        && bucket.as_bytes()[0].is_ascii_alphanumeric()
        && !bucket.contains("..");
    if !named {
        return Err(format!("{:?} is no name of a bucket", shorten(bucket)));
    }
    let key = key.strip_suffix('*').unwrap_or(key);
    let key = key.strip_suffix('/').unwrap_or(key);
    if key.is_empty() {
        return Err("it names a whole bucket; a series is s3://bucket/folder/*".to_owned());
    }
    if key.contains(['*', '?', '[']) {
        return Err("only a `*` at the end is understood, as in s3://bucket/folder/*".to_owned());
    }
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    if key.len() > 900 || key.split('/').any(odd) || key.chars().any(char::is_control) {
        return Err("its folder has an empty part, `.`, `..` or a control character".to_owned());
    }
    if key.ends_with(".dcm") {
        return Err("it names one file; a series is s3://bucket/folder/*".to_owned());
    }
    Ok(Place { bucket: bucket.to_owned(), key: key.to_owned() })
}

/// The place of a row that has an address, or a UUID with or without a bucket.
pub(super) fn place_of(url: &str, uuid: &str, bucket: &str) -> Result<Option<Place>, String> {
    if !url.is_empty() {
        return parse_place(url).map(Some);
    }
    if uuid.is_empty() {
        return Ok(None);
    }
    let bucket = if bucket.is_empty() { DEFAULT_BUCKET } else { bucket };
    parse_place(&format!("s3://{bucket}/{uuid}/")).map(Some)
}

/// The column that has one of these names; the first name goes before the second.
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
    let mut seen = BTreeSet::new();
    let line_of = |position: Option<&csv::Position>| {
        position.map_or(0, csv::Position::line) + separator.lines_skipped()
    };
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = line_of(error.position());
                let reason = error.to_string();
                request.problems.push(Problem { line, said: String::new(), reason });
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
            let said = shorten(&record.iter().collect::<Vec<_>>().join(","));
            Problem { line, said, reason }
        };
        let uid = cell(series);
        match place_of(cell(url), cell(uuid), cell(bucket)) {
            Err(reason) => request.problems.push(problem(reason)),
            Ok(None) if uid.is_empty() => {
                request.problems.push(problem("its series UID is empty".to_owned()));
            }
            Ok(_) if !uid.is_empty() && !is_uid(uid) => {
                request.problems.push(problem(format!("{:?} is no series UID", shorten(uid))));
            }
            // Tables of exams may name a series more than once.
            Ok(place) => {
                let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
                let wanted = Wanted { series_uid: some(uid), patient: some(cell(patient)), place };
                if seen.insert((wanted.series_uid.clone(), wanted.place.clone())) {
                    request.wanted.push(wanted);
                }
            }
        }
    }
    Ok(request)
}

/// Reads the CSV of archives: quotes within quotes may be escaped either way.
fn table_reader<R: std::io::Read>(source: R, separator: u8) -> csv::Reader<R> {
    csv::ReaderBuilder::new()
        .delimiter(separator)
        .comment(Some(b'#'))
        .flexible(true)
        .escape(Some(b'\\'))
        .from_reader(source)
}

/// The beginning of a text, without what would move a terminal's cursor.
fn shorten(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { '·' } else { letter };
    let kept: String = text.chars().take(80).map(plain).collect();
    if text.chars().nth(80).is_some() { kept + "…" } else { kept }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
