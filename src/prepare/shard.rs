//! A part of many series, for who shares the work of preparation among jobs.

use std::fmt;
use std::str::FromStr;

/// One of several parts into which series fall by the hash of their UID: whatever else is found
/// beside a series, it is always in the same part, and in one only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    index: usize,
    /// How many parts there are.
    of: usize,
}

impl Shard {
    /// Whether a series belongs to this part.
    pub fn has(&self, series_uid: &str) -> bool {
        let hash = blake3::hash(series_uid.as_bytes());
        let mut beginning = [0; 8];
        beginning.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_be_bytes(beginning) % self.of as u64 == self.index as u64 - 1
    }

    /// The name of this part's table of preparation.
    pub fn table_name(&self) -> String {
        format!("preparation-{}-of-{}.csv", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, of)| {
            Some((index.parse::<usize>().ok()?, of.parse::<usize>().ok()?))
        });
        match numbers {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index, of }),
            _ => Err("expected which part of how many, from 1, as 3/20".to_owned()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_in_one_part_and_parts_are_alike() {
        let series: Vec<String> = (0..20_000).map(|n| format!("1.2.840.113654.{n}")).collect();
        let shards: Vec<Shard> =
            (1..=20).map(|index| format!("{index}/20").parse().unwrap()).collect();
        let mut counts = [0; 20];
        for uid in &series {
            let parts: Vec<usize> = (0..20).filter(|&n| shards[n].has(uid)).collect();
            assert_eq!(parts.len(), 1, "{uid}");
            counts[parts[0]] += 1;
        }
        // 1000 each, give or take five standard deviations of 31.
        assert!(counts.iter().all(|count| (845..=1155).contains(count)), "{counts:?}");
    }

    /// A part that changed between versions would do the work of another one's cache again.
    #[test]
    fn the_part_of_a_series_never_changes() {
        // The first 64 bits of the text's BLAKE3 modulo 20, plus 1, by another implementation.
        let of = |uid: &str| {
            let parts = (1..=20).map(|index| Shard { index, of: 20 });
            parts.filter(|shard| shard.has(uid)).map(|shard| shard.index).next().unwrap()
        };
        assert_eq!(["1.2.3", "1.2.4", ""].map(of), [6, 20, 19]);
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for text in ["", "3", "0/4", "5/4", "a/4", "1/0", "-1/4", "1/4/2"] {
            assert!(text.parse::<Shard>().unwrap_err().contains("as 3/20"), "{text}");
        }
        assert_eq!("3/20".parse::<Shard>().unwrap().to_string(), "3/20");
    }
}
