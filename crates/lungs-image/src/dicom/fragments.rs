//! Encapsulated pixel data (PS3.5, A.4): a sequence of fragments, and their division into frames.

use lungs_base::text::counted;
use std::borrow::Cow;
use std::ops::Range;

/// Bytes of an item's tag and length.
const ITEM_HEADER: usize = 8;

/// The location of the fragments of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fragments {
    /// The basic offset table: where each frame starts, counted from the first fragment's item.
    offsets: Vec<u64>,
    /// The bytes of each fragment in the file.
    fragments: Vec<Range<usize>>,
}

/// The reason why fragments do not make a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FragmentError {
    /// The file ends early: bytes found and needed.
    Truncated { found: usize, expected: usize },
    /// Any other damage, in a sentence.
    Damaged(String),
}

impl Fragments {
    /// Reads item after item from `start`, up to the delimiter or the end of the file.
    pub(super) fn read(file: &[u8], start: usize) -> Result<Self, FragmentError> {
        let mut at = start;
        let mut items = Vec::new();
        while let Some(header) = file.get(at..at.saturating_add(ITEM_HEADER)) {
            let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
            match header[..4] {
                [0xFE, 0xFF, 0x00, 0xE0] => {}
                [0xFE, 0xFF, 0xDD, 0xE0] => break,
                _ => {
                    return Err(FragmentError::Damaged(format!(
                        "no fragment at byte {at} of the file, expected an item (FFFE,E000)"
                    )));
                }
            }
            let value = at + ITEM_HEADER;
            let end = value.checked_add(length).filter(|end| *end <= file.len());
            let Some(end) = end else {
                let found = file.len() - value;
                return Err(FragmentError::Truncated { found, expected: length });
            };
            items.push(value..end);
            at = end;
        }
        if items.is_empty() {
            let found = file.len().saturating_sub(start);
            return Err(FragmentError::Truncated { found, expected: ITEM_HEADER });
        }
        let table = items.remove(0);
        let offsets = file[table].chunks_exact(4);
        let offsets = offsets.map(|b| u64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        Ok(Self { offsets: offsets.collect(), fragments: items })
    }

    /// The bytes of frame `frame` of `frames`.
    ///
    /// With as many fragments as frames, each frame is one fragment (this includes files with an
    /// extended offset table). Otherwise the offset table gives the first fragment of each frame,
    /// or else the marker at the start of every JPEG frame.
    pub(super) fn frame<'a>(
        &self,
        file: &'a [u8],
        frame: usize,
        frames: usize,
    ) -> Result<Cow<'a, [u8]>, FragmentError> {
        let count = self.fragments.len();
        let starts: Vec<usize> = if count == frames {
            return self.join(file, frame..frame + 1);
        } else if frames == 1 {
            vec![0]
        } else if self.offsets.len() == frames {
            self.frame_starts()?
        } else {
            let starts_frame = |range: &Range<usize>| {
                matches!(file.get(range.clone()), Some([0xFF, 0xD8 | 0x4F, 0xFF, ..]))
            };
            (0..count).filter(|&index| starts_frame(&self.fragments[index])).collect()
        };
        if starts.len() != frames || starts.first() != Some(&0) {
            return Err(FragmentError::Damaged(format!(
                "{} and {}, expected those of {}",
                counted(count, "fragment", "fragments"),
                counted(self.offsets.len(), "offset", "offsets"),
                counted(frames, "frame", "frames")
            )));
        }
        let end = starts.get(frame + 1).copied().unwrap_or(count);
        let start = starts.get(frame).copied().unwrap_or(end);
        self.join(file, start..end)
    }

    /// The first fragment of each frame.
    fn frame_starts(&self) -> Result<Vec<usize>, FragmentError> {
        let first = self.fragments.first().map_or(0, |range| range.start);
        let find = |offset: &u64| {
            let start = usize::try_from(*offset).ok()?.checked_add(first)?;
            self.fragments.binary_search_by_key(&start, |range| range.start).ok()
        };
        let starts = self.offsets.iter().map(|offset| {
            find(offset).ok_or_else(|| {
                FragmentError::Damaged(format!(
                    "no fragment at offset {offset} of the offset table"
                ))
            })
        });
        let starts = starts.collect::<Result<Vec<_>, _>>()?;
        let rising = starts.is_sorted_by(|a, b| a < b);
        rising.then_some(starts).ok_or_else(|| {
            FragmentError::Damaged("the offsets of the offset table do not increase".to_owned())
        })
    }

    fn join<'a>(
        &self,
        file: &'a [u8],
        indices: Range<usize>,
    ) -> Result<Cow<'a, [u8]>, FragmentError> {
        let empty = || FragmentError::Damaged("the frame has no fragments".to_owned());
        let ranges = self.fragments.get(indices).filter(|ranges| !ranges.is_empty());
        let ranges = ranges.ok_or_else(empty)?;
        let bytes = |range: &Range<usize>| file.get(range.clone()).unwrap_or_default();
        Ok(match ranges {
            [one] => Cow::Borrowed(bytes(one)),
            several => Cow::Owned(several.iter().flat_map(bytes).copied().collect()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];
    const SEQUENCE_END: [u8; 4] = [0xFE, 0xFF, 0xDD, 0xE0];

    fn file(items: &[&[u8]]) -> Vec<u8> {
        let mut file = Vec::new();
        for item in items {
            file.extend(ITEM);
            file.extend((item.len() as u32).to_le_bytes());
            file.extend(*item);
        }
        file.extend(SEQUENCE_END);
        file.extend([0; 4]);
        file
    }

    const A: &[u8] = &[0xFF, 0xD8, 0xFF, 1];
    const B: &[u8] = &[2, 3];
    const C: &[u8] = &[0xFF, 0xD8, 0xFF, 4];

    #[test]
    fn frames_are_found_with_and_without_offset_table() {
        let table = [0_u32, 22].map(u32::to_le_bytes).concat();
        for table in [&table[..], &[]] {
            let bytes = file(&[table, A, B, C]);
            let fragments = Fragments::read(&bytes, 0).unwrap();
            let frame = |index| fragments.frame(&bytes, index, 2).unwrap().into_owned();
            assert_eq!((frame(0), frame(1)), ([A, B].concat(), C.to_vec()));
            assert_eq!(fragments.frame(&bytes, 0, 1).unwrap().len(), 10);
            assert_eq!(fragments.frame(&bytes, 2, 3).unwrap().as_ref(), C);
            let Err(FragmentError::Damaged(reason)) = fragments.frame(&bytes, 0, 4) else {
                panic!()
            };
            assert!(reason.starts_with("3 fragments"), "{reason}");
        }
    }

    #[test]
    fn wrong_tables_and_cut_files_are_refused() {
        let wrong = [0_u32, 21].map(u32::to_le_bytes).concat();
        let bytes = file(&[&wrong, A, B, C]);
        let fragments = Fragments::read(&bytes, 0).unwrap();
        let Err(FragmentError::Damaged(reason)) = fragments.frame(&bytes, 0, 2) else { panic!() };
        assert_eq!(reason, "no fragment at offset 21 of the offset table");
        let whole = file(&[&[], A]);
        let cut = Fragments::read(&whole[..whole.len() - 10], 0).unwrap_err();
        assert_eq!(cut, FragmentError::Truncated { found: 2, expected: 4 });
        assert!(matches!(Fragments::read(b"nonsense", 0), Err(FragmentError::Damaged(_))));
        assert!(matches!(Fragments::read(b"", 0), Err(FragmentError::Truncated { .. })));
    }
}
