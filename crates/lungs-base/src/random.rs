//! Random number generators of named streams: a seed and a name give a generator.
//!
//! The program has no global generator. Every draw belongs to a named stream (`"split"`, `"shuffle/epoch-7"`,
//! `"augment/epoch-7/exam-…"`), so work can be reordered, run in parallel or resumed without any change of the
//! results.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The generator of the stream `name` under `seed`.
///
/// Streams with different names are independent: the 256-bit key of the generator is the BLAKE3 derived key of
/// seed and name.
pub fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new_derive_key("lungs random stream v1");
    hasher.update(&seed.to_le_bytes());
    hasher.update(name.as_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

/// A 64-bit seed from the stream `name`, for generators of other libraries (dropout in Burn).
pub fn stream_seed(seed: u64, name: &str) -> u64 {
    use rand::Rng;
    stream(seed, name).next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_function_of_seed_and_name() {
        assert_eq!(stream_seed(37, "split"), stream_seed(37, "split"));
        assert_ne!(stream_seed(37, "split"), stream_seed(38, "split"));
        assert_ne!(stream_seed(37, "split"), stream_seed(37, "shuffle/epoch-1"));
    }
}
