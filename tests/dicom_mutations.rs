//! Damaged DICOM files: whatever the damage, scanning and reading end without panic and within bounded
//! memory, and report the result for the file.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use lungs_image::dicom::{HuRule, read_slice, read_volume, scan};

/// Counts allocated bytes, to bound the peak.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(ALLOCATED.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: as our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(ALLOCATED.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: as our caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as our caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Serialises the tests, since the peak is that of the process.
static TEST_LOCK: Mutex<()> = Mutex::new(());

/// Files have a few kilobytes. The largest image that a header may request has 4096 × 4096 pixels,
/// 32 MiB; a few of them are allocated before a multi-frame file is refused.
const MAX_BYTES: usize = 200 << 20;

const ROWS: u16 = 19;
const COLUMNS: u16 = 23;
const IMPLICIT: &str = "1.2.840.10008.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// Elements as bytes, with the start of each.
struct Writer {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    explicit: bool,
}

impl Writer {
    fn new(explicit: bool) -> Self {
        Self { bytes: Vec::new(), starts: Vec::new(), explicit }
    }

    fn header(&mut self, tag: u32, vr: &str, length: u32) {
        self.starts.push(self.bytes.len());
        self.bytes.extend(((tag >> 16) as u16).to_le_bytes());
        self.bytes.extend((tag as u16).to_le_bytes());
        if !self.explicit || vr.is_empty() {
            self.bytes.extend(length.to_le_bytes());
        } else if ["OB", "OV", "OW", "SQ"].contains(&vr) {
            self.bytes.extend(vr.as_bytes());
            self.bytes.extend([0; 2]);
            self.bytes.extend(length.to_le_bytes());
        } else {
            self.bytes.extend(vr.as_bytes());
            self.bytes.extend((length as u16).to_le_bytes());
        }
    }

    fn put(&mut self, tag: u32, vr: &str, value: &[u8]) {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == "UI" { 0 } else { b' ' });
        }
        self.header(tag, vr, value.len() as u32);
        self.bytes.extend(value);
    }

    fn text(&mut self, tag: u32, vr: &str, value: &str) {
        self.put(tag, vr, value.as_bytes());
    }

    fn short(&mut self, tag: u32, value: u16) {
        self.put(tag, "US", &value.to_le_bytes());
    }

    /// A sequence of one item, of stated or of open length.
    fn sequence(&mut self, tag: u32, open: bool, fill: impl Fn(&mut Self)) {
        self.items(tag, open, 1, |writer, _| fill(writer));
    }

    fn items(&mut self, tag: u32, open: bool, count: usize, fill: impl Fn(&mut Self, usize)) {
        let mut inner = Self::new(self.explicit);
        for index in 0..count {
            let mut item = Self::new(self.explicit);
            fill(&mut item, index);
            let length = if open { u32::MAX } else { item.bytes.len() as u32 };
            inner.header(0xFFFE_E000, "", length);
            inner.append(item);
            if open {
                inner.header(0xFFFE_E00D, "", 0);
            }
        }
        self.header(tag, "SQ", if open { u32::MAX } else { inner.bytes.len() as u32 });
        self.append(inner);
        if open {
            self.header(0xFFFE_E0DD, "", 0);
        }
    }

    fn append(&mut self, other: Self) {
        let at = self.bytes.len();
        self.starts.extend(other.starts.iter().map(|start| start + at));
        self.bytes.extend(other.bytes);
    }
}

/// A kind of file to damage.
struct Sample {
    name: &'static str,
    syntax: &'static str,
    frames: usize,
    /// One compressed frame; native without.
    frame: Option<&'static [u8]>,
    /// Fragments per frame.
    fragments: usize,
}

const JPEG_LS: &[u8] = include_bytes!("vectors/jpeg-ls-16.jls");
const LOSSLESS: &[u8] = include_bytes!("vectors/jpeg-lossless-16.jpg");
const EXTENDED: &[u8] = include_bytes!("vectors/jpeg-extended-12.jpg");
const JPEG_2000: &[u8] = include_bytes!("vectors/jpeg-2000-unsigned-16.j2k");
/// One RLE frame: a literal run and replicate runs of both bytes of 19 × 23 samples.
const RLE: &[u8] = &{
    let mut frame = [0; 64 + 2 * 8];
    frame[0] = 2;
    frame[4] = 64;
    frame[8] = 72;
    let mut segment = 0;
    while segment < 2 {
        // 128 + 128 + 128 + 53 = 437 samples.
        let runs = [129, 1, 129, 2, 129, 3, 204, 4];
        let mut at = 0;
        while at < 8 {
            frame[64 + 8 * segment + at] = runs[at];
            at += 1;
        }
        segment += 1;
    }
    frame
};

const fn sample(
    name: &'static str,
    syntax: &'static str,
    frames: usize,
    frame: Option<&'static [u8]>,
    fragments: usize,
) -> Sample {
    Sample { name, syntax, frames, frame, fragments }
}

const SAMPLES: [Sample; 12] = [
    sample("explicit", EXPLICIT, 1, None, 0),
    sample("implicit", IMPLICIT, 1, None, 0),
    sample("deflated", DEFLATED, 1, None, 0),
    sample("rle", "1.2.840.10008.1.2.5", 1, Some(RLE), 1),
    sample("jpeg-ls", "1.2.840.10008.1.2.4.80", 1, Some(JPEG_LS), 1),
    sample("jpeg-lossless", "1.2.840.10008.1.2.4.57", 1, Some(LOSSLESS), 1),
    sample("jpeg-extended", "1.2.840.10008.1.2.4.51", 1, Some(EXTENDED), 1),
    sample("jpeg-2000", "1.2.840.10008.1.2.4.90", 1, Some(JPEG_2000), 1),
    sample("frames", EXPLICIT, 3, None, 0),
    sample("implicit-frames", IMPLICIT, 3, None, 0),
    sample("jpeg-ls-frames", "1.2.840.10008.1.2.4.80", 3, Some(JPEG_LS), 2),
    sample("rle-frames", "1.2.840.10008.1.2.5", 3, Some(RLE), 1),
];

impl Sample {
    /// The file of slice (or first frame) `number`, with the starts of its elements.
    fn file(&self, number: usize) -> (Vec<u8>, Vec<usize>) {
        let mut meta = Writer::new(true);
        meta.text(0x0002_0002, "UI", "1.2.840.10008.5.1.4.1.1.2");
        meta.text(0x0002_0010, "UI", self.syntax);
        let mut bytes = [&[0; 128], b"DICM".as_slice(), &meta.bytes].concat();
        let set = self.data_set(number);
        if self.syntax == DEFLATED {
            let mut deflated = Vec::new();
            let level = flate2::Compression::default();
            let mut encoder = flate2::read::DeflateEncoder::new(&set.bytes[..], level);
            std::io::Read::read_to_end(&mut encoder, &mut deflated).unwrap();
            bytes.extend(deflated);
            return (bytes, Vec::new());
        }
        let at = bytes.len();
        bytes.extend(set.bytes);
        (bytes, set.starts.iter().map(|start| start + at).collect())
    }

    fn data_set(&self, number: usize) -> Writer {
        let mut set = Writer::new(self.syntax != IMPLICIT);
        set.text(0x0008_0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL");
        set.text(0x0008_0018, "UI", &format!("1.2.3.{number}"));
        set.text(0x0008_0060, "CS", "CT");
        set.sequence(0x0008_1140, true, |item| {
            item.sequence(0x0008_1199, false, |inner| inner.text(0x0008_1155, "UI", "1.2.3"));
        });
        set.text(0x0010_0020, "LO", "P1");
        set.text(0x0020_000D, "UI", "1.2");
        set.text(0x0020_000E, "UI", "1.2.3");
        set.text(0x0020_0013, "IS", &number.to_string());
        let position = |set: &mut Writer, number: usize| {
            set.text(0x0020_0032, "DS", &format!("-10\\-20\\{}", 2.5 * number as f64));
        };
        if self.frames == 1 {
            position(&mut set, number);
            set.text(0x0020_0037, "DS", "1\\0\\0\\0\\1\\0");
        }
        set.short(0x0028_0002, 1);
        set.text(0x0028_0004, "CS", "MONOCHROME2");
        if self.frames > 1 {
            set.text(0x0028_0008, "IS", &self.frames.to_string());
        }
        set.short(0x0028_0010, ROWS);
        set.short(0x0028_0011, COLUMNS);
        set.text(0x0028_0030, "DS", "0.7\\0.7");
        set.short(0x0028_0100, 16);
        set.short(0x0028_0101, 16);
        set.short(0x0028_0102, 15);
        set.short(0x0028_0103, 0);
        set.text(0x0028_1052, "DS", "-1024");
        set.text(0x0028_1053, "DS", "1");
        if self.frames > 1 {
            set.sequence(0x5200_9229, false, |shared| {
                shared.sequence(0x0020_9116, true, |item| {
                    item.text(0x0020_0037, "DS", "1\\0\\0\\0\\1\\0");
                });
            });
            set.items(0x5200_9230, true, self.frames, |frame, index| {
                frame.sequence(0x0020_9113, false, |item| position(item, number + index));
            });
        }
        let Some(frame) = self.frame else {
            let pixels = usize::from(ROWS) * usize::from(COLUMNS) * self.frames;
            let words: Vec<u8> =
                (0..pixels).flat_map(|pixel| (pixel as u16 * 3).to_le_bytes()).collect();
            set.put(0x7FE0_0010, "OW", &words);
            return set;
        };
        if self.fragments == 1 && self.frames > 1 {
            // An extended offset table and its lengths (PS3.5, A.4).
            let even = frame.len().next_multiple_of(2) as u64;
            let offsets =
                (0..self.frames as u64).flat_map(|index| (index * (even + 8)).to_le_bytes());
            set.put(0x7FE0_0001, "OV", &offsets.collect::<Vec<u8>>());
            let lengths = [(frame.len() as u64).to_le_bytes()].repeat(self.frames).concat();
            set.put(0x7FE0_0002, "OV", &lengths);
        }
        set.header(0x7FE0_0010, "OB", u32::MAX);
        set.put(0xFFFE_E000, "", &[]);
        for _ in 0..self.frames {
            // Fragments have even lengths.
            for part in frame.chunks(frame.len().div_ceil(2 * self.fragments) * 2) {
                set.put(0xFFFE_E000, "", part);
            }
        }
        set.header(0xFFFE_E0DD, "", 0);
        set
    }
}

/// Reads a folder with one damaged file, and returns whether that file gives all its pixels.
///
/// Panics if the file is not accounted for.
fn read(folder: &Path, damage: &str) -> bool {
    PEAK.store(ALLOCATED.load(Relaxed), Relaxed);
    let before = ALLOCATED.load(Relaxed);
    let found = scan(folder).unwrap();
    let mut accounted = found.skipped + found.problems.len();
    assert!(found.problems.iter().all(|problem| problem.reason.len() > 10), "{damage}");
    let mut good = 0;
    for series in &found.series {
        if let Err(refusal) = read_volume(series, HuRule::Standard) {
            assert!(refusal.to_string().len() > 10, "{damage}");
        }
        for slice in series.slices.iter().filter(|slice| slice.path.ends_with("damaged")) {
            accounted += 1;
            match read_slice(slice, HuRule::Standard) {
                Ok(_) => good += 1,
                Err(refusal) => assert!(refusal.to_string().contains("damaged"), "{refusal}"),
            }
        }
    }
    assert!(accounted > 0, "{damage}: the file is not accounted for");
    let peak = PEAK.load(Relaxed) - before;
    assert!(peak <= MAX_BYTES, "{damage}: {peak} bytes allocated at once");
    good == accounted
}

/// Writes two good slices (none for multi-frame samples), and reads them with each damaged third file.
fn with_each_damaged(sample: &Sample, damages: impl Iterator<Item = (String, Vec<u8>)>) -> usize {
    let folder = tempfile::tempdir().unwrap();
    if sample.frames == 1 {
        for number in 0..2 {
            std::fs::write(folder.path().join(number.to_string()), sample.file(number).0).unwrap();
        }
    }
    let path = folder.path().join("damaged");
    let mut good = 0;
    for (damage, bytes) in damages {
        std::fs::write(&path, bytes).unwrap();
        good += usize::from(read(folder.path(), &format!("{}, {damage}", sample.name)));
    }
    good
}

/// Deterministic pseudo-random numbers (Steele, Lea, Flood 2014).
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[test]
fn undamaged_samples_make_volumes() {
    let _guard = TEST_LOCK.lock().unwrap_or_else(|poison| poison.into_inner());
    for sample in &SAMPLES {
        let folder = tempfile::tempdir().unwrap();
        for number in (0..3).step_by(sample.frames) {
            std::fs::write(folder.path().join(number.to_string()), sample.file(number).0).unwrap();
        }
        let found = scan(folder.path()).unwrap();
        assert_eq!(found.problems, [], "{}", sample.name);
        let (volume, _) = read_volume(&found.series[0], HuRule::Standard)
            .unwrap_or_else(|refusal| panic!("{}: {refusal}", sample.name));
        assert_eq!(volume.hu.dim(), (3, ROWS.into(), COLUMNS.into()), "{}", sample.name);
    }
}

#[test]
fn flipped_bits_end_in_pixels_or_a_reason() {
    let _guard = TEST_LOCK.lock().unwrap_or_else(|poison| poison.into_inner());
    for (seed, sample) in (1..).zip(&SAMPLES) {
        let mut state = seed;
        let whole = sample.file(2).0;
        let damages = (0..300).map(|round| {
            let mut bytes = whole.clone();
            for _ in 0..1 + round % 4 {
                // After the preamble, which has no meaning.
                let bit = 128 * 8 + splitmix(&mut state) as usize % ((bytes.len() - 128) * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            (format!("round {round} of bits"), bytes)
        });
        let good = with_each_damaged(sample, damages);
        // Most single bits of an uncompressed file are pixels and stay readable.
        assert!(sample.frame.is_some() || sample.syntax == DEFLATED || good > 100, "{good}");
    }
}

#[test]
fn files_cut_at_every_element_end_in_a_reason() {
    let _guard = TEST_LOCK.lock().unwrap_or_else(|poison| poison.into_inner());
    for sample in &SAMPLES {
        let (whole, starts) = sample.file(2);
        let deflated = (140..whole.len()).step_by(7);
        let cuts = starts
            .iter()
            .flat_map(|&start| [start, start + 3, start + 8])
            .chain((sample.syntax == DEFLATED).then_some(deflated).into_iter().flatten());
        // After the last pixel only the delimiter is lost.
        let end = starts.last().copied().unwrap_or(whole.len());
        let damages = cuts
            .filter(|&cut| cut < end)
            .map(|cut| (format!("cut at byte {cut}"), whole[..cut].to_vec()));
        assert_eq!(with_each_damaged(sample, damages), 0, "{}", sample.name);
    }
}

#[test]
fn absurd_lengths_end_in_a_reason() {
    let _guard = TEST_LOCK.lock().unwrap_or_else(|poison| poison.into_inner());
    for sample in &SAMPLES {
        let (whole, starts) = sample.file(2);
        let damages = starts.iter().flat_map(|&start| {
            let whole = &whole;
            // Short and long forms keep their lengths at 4, 6 and 8 bytes from the start.
            [4, 6, 8].into_iter().flat_map(move |at| {
                [[0xFF; 4], [0, 0, 0, 0x80], [0xFE, 0xFF, 0xFF, 0x7F], [0; 4]].map(|length| {
                    let mut bytes = whole.clone();
                    let end = (start + at + 4).min(bytes.len());
                    let at = (start + at).min(end);
                    bytes[at..end].copy_from_slice(&length[..end - at]);
                    (format!("length {length:?} at byte {at}"), bytes)
                })
            })
        });
        with_each_damaged(sample, damages);
    }
}

#[test]
fn absurd_numbers_of_rows_frames_and_slopes_end_in_a_reason() {
    let _guard = TEST_LOCK.lock().unwrap_or_else(|poison| poison.into_inner());
    for sample in SAMPLES.iter().filter(|sample| sample.syntax != DEFLATED) {
        let (whole, starts) = sample.file(2);
        let damages = starts.iter().flat_map(|&start| {
            let value = start + 8;
            [[0xFF, 0xFF], [0x00, 0x10], [0, 0], [b'9', b'9'], [b'e', b'9']].map(|two| {
                let mut bytes = whole.clone();
                let end = (value + 2).min(bytes.len());
                let at = value.min(end);
                bytes[at..end].copy_from_slice(&two[..end - at]);
                (format!("value {two:?} at byte {value}"), bytes)
            })
        });
        with_each_damaged(sample, damages);
    }
}
