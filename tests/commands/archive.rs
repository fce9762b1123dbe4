//! An S3 archive on loopback with injected faults.
//!
//! It answers ListObjectsV2 (in pages of three), HeadObject, and GetObject with ranges and conditions, from
//! memory. [`Archive::proxy`] instead forwards requests to another server and injects faults into its answers.

use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A fault of one answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// An error status.
    Status(u16),
    /// The connection ends before any answer.
    HangUp,
    /// The connection ends after this share of the body.
    CutAt(f64),
    /// Body and Content-Length are shorter by a byte.
    Shorter,
    /// One byte of the body is changed.
    Flip,
    /// The whole file is sent instead of the requested range.
    NoRange,
    /// The connection ends after this many milliseconds without data.
    Silence(u64),
    /// The listing has no ETags, as on some servers.
    NoEtag,
    /// The body is sent in small pieces with a pause of this many milliseconds between them.
    Slow(u64),
}

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub key: String,
    /// Number of earlier requests for the same key.
    pub earlier: usize,
    pub is_list: bool,
    pub range_from: Option<usize>,
    pub headers: BTreeMap<String, String>,
}

type ChooseFault = dyn Fn(&Request) -> Option<Fault> + Send + Sync;

/// A running archive; it ends when dropped.
pub(crate) struct Archive {
    address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    objects: BTreeMap<String, Vec<u8>>,
    upstream: Option<SocketAddr>,
    choose_fault: Mutex<Arc<ChooseFault>>,
    requests: Mutex<Vec<Request>>,
    is_stopped: AtomicBool,
}

impl Archive {
    /// Serves objects by `bucket/key`.
    pub(crate) fn of(objects: BTreeMap<String, Vec<u8>>) -> Self {
        Self::start(objects, None)
    }

    /// Forwards requests to another server.
    pub(crate) fn proxy(upstream: SocketAddr) -> Self {
        Self::start(BTreeMap::new(), Some(upstream))
    }

    fn start(objects: BTreeMap<String, Vec<u8>>, upstream: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("an address");
        let inner = Arc::new(Inner {
            objects,
            upstream,
            choose_fault: Mutex::new(Arc::new(|_: &Request| None) as Arc<ChooseFault>),
            requests: Mutex::default(),
            is_stopped: AtomicBool::new(false),
        });
        let server = inner.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if server.is_stopped.load(Ordering::SeqCst) {
                    break;
                }
                let server = server.clone();
                std::thread::spawn(move || server.serve(stream));
            }
        });
        Self { address, inner }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the faults of all further answers.
    pub(crate) fn inject(
        &self,
        choose_fault: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static,
    ) {
        *self.inner.choose_fault.lock().expect("no panic") = Arc::new(choose_fault);
    }

    /// Number of requests since the last call of [`Self::take_requests`].
    pub(crate) fn count_requests(&self) -> usize {
        self.inner.requests.lock().expect("no panic").len()
    }

    /// All requests since the last call.
    pub(crate) fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.inner.requests.lock().expect("no panic"))
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        self.inner.is_stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

/// An answer without faults.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn of(status: u16, code: &str) -> Self {
        let body = format!("<Error><Code>{code}</Code></Error>").into_bytes();
        let headers = vec![("Content-Type".to_owned(), "application/xml".to_owned())];
        Self { status, headers, body }
    }
}

impl Inner {
    fn serve(&self, stream: TcpStream) {
        let Ok(mut out) = stream.try_clone() else { return };
        let mut reader = BufReader::new(stream);
        while let Some((method, target, headers)) = read_head(&mut reader) {
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let path = decode(path.trim_matches('/'));
            let query: BTreeMap<String, String> = query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), decode(value)))
                .collect();
            let is_list = query.contains_key("list-type");
            let key = match query.get("prefix") {
                Some(prefix) if is_list => format!("{path}/{prefix}"),
                _ => path.clone(),
            };
            let range_from = headers
                .get("range")
                .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
            let mut requests = self.requests.lock().expect("no panic");
            let earlier = requests.iter().filter(|it| it.key == key && it.is_list == is_list);
            let earlier = earlier.count();
            let request = Request { key, earlier, is_list, range_from, headers: headers.clone() };
            requests.push(request.clone());
            drop(requests);
            let choose_fault = self.choose_fault.lock().expect("no panic").clone();
            let fault = choose_fault(&request);
            let range_start = if fault == Some(Fault::NoRange) { None } else { range_from };
            let answer = match self.upstream {
                Some(upstream) => forward(upstream, &target, &headers, range_start),
                None if is_list => self.list(&path, &query),
                None => self.get(&path, range_start, headers.get("if-match")),
            };
            if send(&mut out, answer, fault, method != "HEAD").is_err() {
                break;
            }
        }
        let _ = out.shutdown(std::net::Shutdown::Both);
    }

    fn list(&self, bucket: &str, query: &BTreeMap<String, String>) -> Answer {
        const PAGE: usize = 3;
        let prefix = format!("{bucket}/{}", query.get("prefix").map_or("", String::as_str));
        let after = query.get("continuation-token").map_or("", String::as_str);
        let all = self.objects.iter().filter(|(key, _)| key.starts_with(&prefix));
        let rest: Vec<_> = all.filter(|(key, _)| key.as_str() > after).collect();
        let mut xml = format!("<ListBucketResult><Name>{bucket}</Name>");
        for (key, bytes) in rest.iter().take(PAGE) {
            let key =
                key.strip_prefix(&format!("{bucket}/")).expect("the key begins with the bucket");
            xml += &format!(
                "<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>\
                 <ETag>&quot;{}&quot;</ETag><Size>{}</Size></Contents>",
                md5(bytes),
                bytes.len()
            );
        }
        let is_truncated = rest.len() > PAGE;
        if is_truncated {
            xml += &format!("<NextContinuationToken>{}</NextContinuationToken>", rest[PAGE - 1].0);
        }
        xml += &format!("<IsTruncated>{is_truncated}</IsTruncated></ListBucketResult>");
        let headers = vec![("Content-Type".to_owned(), "application/xml".to_owned())];
        Answer { status: 200, headers, body: xml.into_bytes() }
    }

    fn get(&self, path: &str, from: Option<usize>, if_match: Option<&String>) -> Answer {
        let Some(bytes) = self.objects.get(path) else { return Answer::of(404, "NoSuchKey") };
        let etag = format!("\"{}\"", md5(bytes));
        if if_match.is_some_and(|expected| *expected != etag) {
            return Answer::of(412, "PreconditionFailed");
        }
        let mut headers = vec![
            ("ETag".to_owned(), etag),
            ("Last-Modified".to_owned(), "Fri, 02 Jan 2026 03:04:05 GMT".to_owned()),
        ];
        match from {
            None => Answer { status: 200, headers, body: bytes.clone() },
            Some(from) if from < bytes.len() => {
                let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
                headers.push(("Content-Range".to_owned(), range));
                Answer { status: 206, headers, body: bytes[from..].to_vec() }
            }
            Some(_) => Answer::of(416, "InvalidRange"),
        }
    }
}

/// Method, target and headers of a request; `None` at the end of the connection.
fn read_head(reader: &mut impl BufRead) -> Option<(String, String, BTreeMap<String, String>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
            None => return Some((method, target, headers)),
        }
    }
}

/// Sends an answer with a fault; an error ends the connection.
fn send(
    out: &mut TcpStream,
    mut answer: Answer,
    fault: Option<Fault>,
    with_body: bool,
) -> std::io::Result<()> {
    let end = || std::io::Error::other("the connection ends");
    let mut cut_at = None;
    let mut pause = 0;
    match fault {
        None | Some(Fault::NoRange) => {}
        Some(Fault::NoEtag) => {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let pieces = text.split("<ETag>").map(|piece| match piece.split_once("</ETag>") {
                Some((_, rest)) => rest,
                None => piece,
            });
            answer.body = pieces.collect::<String>().into_bytes();
        }
        Some(Fault::Status(status)) => answer = Answer::of(status, "SlowDown"),
        Some(Fault::HangUp) => return Err(end()),
        Some(Fault::Silence(milliseconds)) => {
            std::thread::sleep(Duration::from_millis(milliseconds));
            return Err(end());
        }
        Some(Fault::CutAt(share)) => cut_at = Some((answer.body.len() as f64 * share) as usize),
        Some(Fault::Shorter) => {
            answer.body.pop();
        }
        Some(Fault::Flip) => {
            let middle = answer.body.len() / 2;
            if let Some(byte) = answer.body.get_mut(middle) {
                *byte ^= 1;
            }
        }
        Some(Fault::Slow(milliseconds)) => pause = milliseconds,
    }
    let mut head =
        format!("HTTP/1.1 {} -\r\nContent-Length: {}\r\n", answer.status, answer.body.len());
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    out.write_all(head.as_bytes())?;
    out.write_all(b"\r\n")?;
    if !with_body {
        return Ok(());
    }
    let body = &answer.body[..cut_at.unwrap_or(answer.body.len())];
    for piece in body.chunks(if pause > 0 { 4096 } else { 1 << 20 }) {
        out.write_all(piece)?;
        std::thread::sleep(Duration::from_millis(pause));
    }
    if cut_at.is_some() { Err(end()) } else { Ok(()) }
}

/// Forwards a request to another server.
fn forward(
    upstream: SocketAddr,
    target: &str,
    headers: &BTreeMap<String, String>,
    from: Option<usize>,
) -> Answer {
    let mut request = format!("GET {target} HTTP/1.1\r\nHost: {upstream}\r\nConnection: close\r\n");
    for name in ["if-match", "user-agent"] {
        if let Some(value) = headers.get(name) {
            request += &format!("{name}: {value}\r\n");
        }
    }
    if let Some(from) = from {
        request += &format!("Range: bytes={from}-\r\n");
    }
    request += "\r\n";
    exchange(upstream, request.as_bytes()).unwrap_or_else(|_| Answer::of(502, "BadGateway"))
}

/// Puts an object on another server.
pub(crate) fn put(server: SocketAddr, path: &str, bytes: &[u8]) -> u16 {
    let mut request = format!(
        "PUT /{path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        bytes.len()
    )
    .into_bytes();
    request.extend_from_slice(bytes);
    exchange(server, &request).map_or(0, |answer| answer.status)
}

fn exchange(server: SocketAddr, request: &[u8]) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(server)?;
    stream.write_all(request)?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(502);
    let mut headers = Vec::new();
    let mut is_chunked = false;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        is_chunked |= name.eq_ignore_ascii_case("transfer-encoding");
        let transport = ["content-length", "transfer-encoding", "connection"];
        if !transport.contains(&name.to_ascii_lowercase().as_str()) {
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    let mut body = Vec::new();
    if is_chunked {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let length = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
            if length == 0 {
                break;
            }
            let mut piece = vec![0; length + 2];
            reader.read_exact(&mut piece)?;
            body.extend_from_slice(&piece[..length]);
        }
    } else {
        reader.read_to_end(&mut body)?;
    }
    Ok(Answer { status, headers, body })
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut hex = || (rest.next().unwrap_or(b'0') as char).to_digit(16).unwrap_or(0) as u8;
        bytes.push(match byte {
            b'%' => hex() * 16 + hex(),
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
