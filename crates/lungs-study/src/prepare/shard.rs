//! Shards of the series, for preparation by several jobs.

use std::fmt;
use std::str::FromStr;

/// One of several shards. The hash of its UID decides the shard of a series, independent of other series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Number of the shard, from 1.
    index: usize,
    /// Number of shards.
    count: usize,
}

impl Shard {
    /// Whether a series belongs to this shard.
    pub fn has(&self, series_uid: &str) -> bool {
        let hash = blake3::hash(series_uid.as_bytes());
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_be_bytes(prefix) % self.count as u64 == self.index as u64 - 1
    }

    /// File name of this shard's preparation table.
    pub fn table_name(&self) -> String {
        format!("preparation-{}-of-{}.csv", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            Some((index.parse::<usize>().ok()?, count.parse::<usize>().ok()?))
        });
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("expected shard/shards, counted from 1, such as 3/20".to_owned()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_in_one_shard_and_shards_have_similar_sizes() {
        let series: Vec<String> = (0..20_000).map(|n| format!("1.2.840.113654.{n}")).collect();
        let shards: Vec<Shard> =
            (1..=20).map(|index| format!("{index}/20").parse().unwrap()).collect();
        let mut counts = [0; 20];
        for uid in &series {
            let indices: Vec<usize> = (0..20).filter(|&n| shards[n].has(uid)).collect();
            assert_eq!(indices.len(), 1, "{uid}");
            counts[indices[0]] += 1;
        }
        // 1000 each, give or take five standard deviations of 31.
        assert!(counts.iter().all(|count| (845..=1155).contains(count)), "{counts:?}");
    }

    /// Shards must not change between versions, or series would be prepared twice in different caches.
    #[test]
    fn the_shard_of_a_series_never_changes() {
        // The first 64 bits of the text's BLAKE3 modulo 20, plus 1, by another implementation.
        let shard_of = |uid: &str| {
            let shards = (1..=20).map(|index| Shard { index, count: 20 });
            shards.filter(|shard| shard.has(uid)).map(|shard| shard.index).next().unwrap()
        };
        assert_eq!(["1.2.3", "1.2.4", ""].map(shard_of), [6, 20, 19]);
    }

    #[test]
    fn an_invalid_shard_is_an_error() {
        for text in ["", "3", "0/4", "5/4", "a/4", "1/0", "-1/4", "1/4/2"] {
            assert!(text.parse::<Shard>().unwrap_err().contains("as 3/20"), "{text}");
        }
        assert_eq!("3/20".parse::<Shard>().unwrap().to_string(), "3/20");
    }
}
