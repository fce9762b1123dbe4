//! What every crate of `lungs` shares: atomic files, labels in tables, follow-up, text and tables that people write,
//! suggestions for misspelt names, named random streams,
//! compressed data read within bounds, and the settings of the memory allocator.
//!
//! ```
//! use rand::Rng;
//!
//! // The same seed and name give the same numbers, in any order of work and on any number of threads.
//! let mut epoch_7 = lungs_base::random::stream(37, "shuffle/epoch-7");
//! let mut again = lungs_base::random::stream(37, "shuffle/epoch-7");
//! assert_eq!(epoch_7.next_u64(), again.next_u64());
//! ```

pub mod device;
pub mod files;
pub mod follow_up;
pub mod label;
pub mod memory;
pub mod network;
pub mod panics;
pub mod random;
pub mod suggest;
pub mod table;
pub mod text;
pub mod unpack;
