//! What is fuzzed: each parser behind its front door, given a file with the fuzzer's bytes.
//!
//! An error is a good answer; a panic, a hang or absurd memory is not. `tests/parsers.rs` runs the
//! same code over `fuzz/seeds`, where every input that once failed is kept.

use lungs_image::dicom::{HuRule, StackRules};
use std::fs;
use std::path::PathBuf;

/// A parser and where its input is put.
pub(crate) struct Target {
    name: &'static str,
    folder: tempfile::TempDir,
}

/// Every target: its name, and the name of the file that it reads.
pub(crate) const TARGETS: [(&str, &str); 13] = [
    ("spec", "spec.toml"),
    ("list", "train.list"),
    ("labels", "labels.csv"),
    ("predictions", "predictions.csv"),
    ("npz", "crop.npz"),
    ("metaimage", "scan.mha"),
    ("nifti", "scan.nii"),
    ("dicom", "slice.dcm"),
    ("safetensors", "weights.safetensors"),
    ("pytorch", "weights.pt"),
    ("tensorflow", "model.ckpt"),
    ("manifest", "manifest.s5cmd"),
    ("parquet", "table.parquet"),
];

impl Target {
    /// The target of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (name, _) = TARGETS.into_iter().find(|(known, _)| *known == name)?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        Some(Self { name, folder })
    }

    fn file(&self) -> PathBuf {
        let (_, file) = TARGETS.into_iter().find(|(known, _)| *known == self.name).expect("known");
        self.folder.path().join(file)
    }

    /// Parses the input to the end.
    pub(crate) fn run(&self, input: &[u8]) {
        let path = self.file();
        fs::write(&path, input).expect("a file can be written");
        match self.name {
            "spec" => {
                let _ = lungs_spec::spec::load(&path, &lungs_spec::spec::Overrides::default());
            }
            "list" => {
                let _ = lungs_study::cohort::read_list(&path);
            }
            "parquet" => {
                let all = |_: &std::path::Path, names: &[String]| {
                    Ok::<_, lungs_archive::table::Unreadable>((0..names.len()).map(Some).collect())
                };
                let _ = lungs_archive::table::read(&path, all, |_| Ok(()));
            }
            "manifest" => {
                if let Ok(request) = lungs_archive::fetch::parse_request(input) {
                    let index = lungs_archive::fetch::read_index(&path, &request).ok();
                    let _ = lungs_archive::fetch::plan(&request, index.as_ref());
                }
            }
            "labels" => {
                use lungs_spec::spec::{Outcome, OutcomeName};
                let root = path.parent().unwrap_or(&path);
                for name in [OutcomeName::Binary, OutcomeName::Survival] {
                    let outcome = Outcome { name, ..Outcome::default() };
                    let _ = lungs_study::cohort::Labels::read_csv(&path, root, &outcome);
                }
            }
            "predictions" => {
                use lungs_report::{PredictionTable, RequestedColumns, ScoreOptions, score};
                if let Ok(table) = PredictionTable::read(&path, &RequestedColumns::default()) {
                    let options = ScoreOptions { replicates: 2, ..ScoreOptions::default() };
                    let _ = score(&table, &options).to_json();
                }
            }
            "npz" => {
                let _ = lungs_study::prepare::load_prepared(&path);
                self.look_and_read();
            }
            "safetensors" | "pytorch" => {
                let _ = lungs_net::weights::load(&path, None, lungs_net::weights::Head::Load);
            }
            "tensorflow" => self.read_checkpoint(input),
            "dicom" => {
                self.look_and_read();
                self.decode_alone();
            }
            _ => self.look_and_read(),
        }
    }

    /// Reads the input as a checkpoint of one file, and, parted by its first two bytes, as an index
    /// and a shard.
    fn read_checkpoint(&self, input: &[u8]) {
        let path = self.file();
        let _ = lungs_net::weights::tensorflow::read(&path);
        let Some((length, rest)) = input.split_first_chunk() else { return };
        let index = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let named = |ending: &str| self.folder.path().join(format!("two{ending}"));
        fs::write(named(".index"), &rest[..index]).expect("a file can be written");
        fs::write(named(".data-00000-of-00001"), &rest[index..]).expect("a file can be written");
        let _ = lungs_net::weights::tensorflow::read(&named(""));
    }

    /// Decodes each slice by itself, whether or not it makes a volume.
    fn decode_alone(&self) {
        let Ok(found) = lungs_image::dicom::scan(&self.file()) else { return };
        for slice in found.series.iter().flat_map(|series| &series.slices) {
            let _ = lungs_image::dicom::read_slice(slice, HuRule::Standard);
        }
    }

    /// Finds the images of the folder and reads their voxels.
    fn look_and_read(&self) {
        let Ok(found) = lungs_image::images::scan(&self.file()) else { return };
        for image in &found.images {
            let _ =
                lungs_image::images::read_volume(image, HuRule::Standard, StackRules::default());
        }
    }
}
