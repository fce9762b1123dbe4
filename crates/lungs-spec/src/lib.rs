//! An experiment as data ([`spec`]) and its folder of results ([`results`]).
//!
//! ```
//! use lungs_spec::spec::{Overrides, load};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("spec.toml");
//! std::fs::write(&path, "[data]\nroot = \"ct\"\nlabels = \"labels.csv\"\n")?;
//! let set = vec!["train.epochs=3".to_owned()];
//! let spec = load(&path, &Overrides { environment: vec![], set })?;
//! assert_eq!(spec.train.epochs, 3);
//! // The canonical form has every default, and its hash identifies the experiment.
//! assert!(spec.to_toml().contains("spacing_mm"));
//! assert_eq!(spec.hash(), load(&path, &Overrides { environment: vec![], set: vec!["train.epochs=3".into()] })?.hash());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod results;
pub mod spec;
