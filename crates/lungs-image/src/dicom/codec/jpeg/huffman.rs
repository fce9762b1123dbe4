//! Huffman tables (T.81, annexes C and F) and the bit reader.

/// A table of the code that each 16-bit prefix starts with.
#[derive(Clone)]
pub(super) struct Table {
    /// Length and symbol of the code; length 0 without a code.
    codes: Vec<(u8, u8)>,
}

/// An encoded table: the number of codes of each length, and their symbols.
pub(super) type EncodedTable<'a> = (&'a [u8], &'a [u8]);

/// Finds the tables of one DHT segment, by `[class][identifier]`.
pub(super) fn read_tables<'a>(
    mut segment: &'a [u8],
    tables: &mut [[Option<EncodedTable<'a>>; 4]; 2],
) -> Result<(), String> {
    while let Some((&selector, rest)) = segment.split_first() {
        let cut = || "a Huffman table is cut short".to_owned();
        let (counts, rest) = rest.split_at_checked(16).ok_or_else(cut)?;
        let total = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(total).ok_or_else(cut)?;
        let slot = tables
            .get_mut(usize::from(selector >> 4))
            .and_then(|class| class.get_mut(usize::from(selector & 15)))
            .ok_or_else(|| format!("Huffman table selector {selector:#04x} is out of range"))?;
        *slot = Some((counts, symbols));
        segment = rest;
    }
    Ok(())
}

impl Table {
    pub(super) fn new((counts, symbols): EncodedTable) -> Result<Self, String> {
        let mut codes = Vec::with_capacity(1 << 16);
        let mut symbols = symbols.iter();
        for (length, &count) in (1..=16_u8).zip(counts) {
            for &symbol in symbols.by_ref().take(usize::from(count)) {
                // Codes of one length are consecutive, and so are the prefixes that start with them.
                let end = codes.len() + (1 << (16 - length));
                if end > 1 << 16 {
                    return Err("a Huffman table has too many codes".to_owned());
                }
                codes.resize(end, (length, symbol));
            }
        }
        codes.resize(1 << 16, (0, 0));
        Ok(Self { codes })
    }
}

/// Bits of entropy-coded data: 0xFF is followed by a stuffed zero, or is a marker.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the most significant.
    buffer: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, count: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let width = match self.bytes.get(self.at..) {
                Some([0xFF, 0, ..]) => 2,
                Some([0xFF, ..] | []) | None => return,
                Some(_) => 1,
            };
            self.buffer |= u64::from(self.bytes[self.at]) << (56 - self.count);
            self.count += 8;
            self.at += width;
        }
    }

    /// The next `count` bits (at most 16), `None` when there are fewer.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        if count == 0 {
            return Some(0);
        }
        if self.count < count {
            self.fill();
        }
        self.count = self.count.checked_sub(count)?;
        let bits = (self.buffer >> (64 - count)) as u32;
        self.buffer <<= count;
        Some(bits)
    }

    /// The symbol of the next code.
    pub(super) fn symbol(&mut self, table: &Table) -> Option<u8> {
        if self.count < 16 {
            self.fill();
        }
        let (length, symbol) = table.codes[(self.buffer >> 48) as usize];
        let length = u32::from(length);
        self.count = self.count.checked_sub(length).filter(|_| length > 0)?;
        self.buffer <<= length;
        Some(symbol)
    }

    /// A number of `size` bits with its sign (T.81, F.2.2.1).
    pub(super) fn signed(&mut self, size: u32) -> Option<i32> {
        if size == 0 {
            return Some(0);
        }
        let bits = self.take(size)? as i32;
        Some(if bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits })
    }

    /// Skips the next restart marker; `None` if there is none.
    pub(super) fn restart(&mut self) -> Option<()> {
        (self.buffer, self.count) = (0, 0);
        match self.bytes.get(self.at..)? {
            [0xFF, 0xD0..=0xD7, ..] => self.at += 2,
            _ => return None,
        }
        Some(())
    }
}
