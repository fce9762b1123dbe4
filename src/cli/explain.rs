//! The options of `lungs predict --explain`.

use super::Failure;
use crate::pipeline::explain::ExplainOptions;
use clap::{Args, ValueEnum};
use lungs_net::explain::{CamKind, HeatmapError, Length, Method};
use lungs_net::model::{Architecture, inspected_layers};
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(next_help_heading = "Heatmaps")]
pub(super) struct Explain {
    /// Write heatmaps into this folder: for each exam a volume on the voxel grid of the CT (.nii.gz)
    /// and an image (.png), and one table of all exams.
    #[arg(long, value_name = "FOLDER")]
    explain: Option<PathBuf>,

    /// Attribution method.
    #[arg(long, value_enum, value_name = "METHOD", default_value_t = AttributionMethod::GradCam, requires = "explain")]
    explain_by: AttributionMethod,

    /// Layers to compute heatmaps for, multiplied with each other, from Conv3d_1a_7x7 to Mixed_5c. [default: the last layer of each
    /// resolution]
    #[arg(long, value_name = "LAYER,…", value_delimiter = ',', requires = "explain")]
    explain_layer: Vec<String>,

    /// Side length of the occluded blocks, in mm (16mm) or in voxels of the prepared volume (8).
    #[arg(long, value_name = "LENGTH", default_value = "30mm", requires = "explain")]
    occlusion_size: Length,

    /// Distance between neighbouring blocks, in mm (8mm) or in voxels (4).
    #[arg(long, value_name = "LENGTH", default_value = "15mm", requires = "explain")]
    occlusion_stride: Length,

    /// Occluded volumes per forward pass.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 4,
        requires = "explain",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    occlusion_batch: u16,
}

/// The method that computes a heatmap.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AttributionMethod {
    /// Activations weighted by mean gradients (Selvaraju et al. 2017). Takes seconds.
    GradCam,
    /// Activations weighted by their own gradients (Draelos & Carin 2020). Takes seconds.
    HiresCam,
    /// Decrease of the log-odds when a block is replaced by air (Zeiler & Fergus 2014). Takes thousands of
    /// forward passes.
    Occlusion,
}

impl Explain {
    /// The requested explanation; `None` without `--explain`.
    pub(super) fn settings(&self, paths: &[PathBuf]) -> Result<Option<ExplainOptions>, Failure> {
        let Some(folder) = &self.explain else { return Ok(None) };
        let canonical = |path: &Path| std::fs::canonicalize(path).ok();
        if paths
            .iter()
            .any(|path| canonical(path).is_some_and(|path| Some(path) == canonical(folder)))
        {
            return Err(Failure::request(format!(
                "--explain {}: found one of the input paths, expected another folder; heatmaps there would \
                 be read as CT images in the next call",
                folder.display()
            )));
        }
        let camera = |camera| {
            // Which layers exist depends on the network, which is not loaded yet. A name of no network is
            // an error at once.
            let layers = self.explain_layer.clone();
            let known: Vec<String> =
                Architecture::ALL.into_iter().flat_map(inspected_layers).collect();
            let unknown = layers.iter().find(|layer| !known.contains(layer));
            if let Some(layer) = unknown.cloned() {
                let known = inspected_layers(Architecture::I3d);
                return Err(Failure::request(HeatmapError::UnknownLayer { layer, known }));
            }
            Ok(Method::Cam { kind: camera, layers })
        };
        let method = match self.explain_by {
            AttributionMethod::GradCam => camera(CamKind::GradCam)?,
            AttributionMethod::HiresCam => camera(CamKind::HiResCam)?,
            AttributionMethod::Occlusion => Method::Occlusion {
                size: self.occlusion_size,
                stride: self.occlusion_stride,
                batch: usize::from(self.occlusion_batch),
            },
        };
        Ok(Some(ExplainOptions { folder: folder.clone(), method }))
    }
}
