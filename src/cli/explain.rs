//! What `lungs predict --explain` takes.

use super::Failure;
use crate::explain::{CamKind, HeatmapError, LEVELS, Length, Method};
use crate::model::inspected_layers;
use crate::pipeline::explain::ExplainOptions;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(next_help_heading = "Where the network looked")]
pub(super) struct Explain {
    /// Write heatmaps into this folder: for each exam a volume on the CT's voxels (.nii.gz) and a picture
    /// (.png), and one table.
    #[arg(long, value_name = "FOLDER")]
    explain: Option<PathBuf>,

    /// Attribution method.
    #[arg(long, value_enum, default_value_t = By::GradCam, requires = "explain")]
    explain_by: By,

    /// Layers whose heatmaps are multiplied, from Conv3d_1a_7x7 to Mixed_5c; default: the last layer of
    /// each resolution.
    #[arg(long, value_name = "LAYER,…", value_delimiter = ',', requires = "explain")]
    explain_layer: Vec<String>,

    /// Side of the occluded blocks, in mm (16mm) or in voxels of the prepared volume (8).
    #[arg(long, value_name = "SIZE", default_value = "30mm", requires = "explain")]
    occlusion_size: Length,

    /// Distance between neighbouring blocks, in mm or voxels.
    #[arg(long, value_name = "STEP", default_value = "15mm", requires = "explain")]
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

/// How a map is made.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// Activations weighed by mean gradients (Selvaraju et al. 2017): seconds.
    GradCam,
    /// Activations weighed by their own gradients (Draelos & Carin 2020): seconds.
    HiresCam,
    /// What the log-odds lose when a block becomes air (Zeiler & Fergus 2014): thousands of
    /// forward passes.
    Occlusion,
}

impl Explain {
    /// What is asked for; nothing without --explain.
    pub fn wanted(&self, paths: &[PathBuf]) -> Result<Option<ExplainOptions>, Failure> {
        let Some(folder) = &self.explain else { return Ok(None) };
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        if paths.iter().any(|path| real(path).is_some_and(|path| Some(path) == real(folder))) {
            return Err(Failure::request(format!(
                "{} is the data itself: maps among it would be taken for images the next time; give \
                 another folder with --explain",
                folder.display()
            )));
        }
        let camera = |camera| {
            let layers = if self.explain_layer.is_empty() {
                LEVELS.map(str::to_owned).to_vec()
            } else {
                self.explain_layer.clone()
            };
            match layers.iter().find(|layer| !inspected_layers().contains(&layer.as_str())) {
                Some(found) => {
                    Err(Failure::request(HeatmapError::UnknownLayer { layer: found.clone() }))
                }
                None => Ok(Method::Cam { kind: camera, layers }),
            }
        };
        let method = match self.explain_by {
            By::GradCam => camera(CamKind::GradCam)?,
            By::HiresCam => camera(CamKind::HiResCam)?,
            By::Occlusion => Method::Occlusion {
                size: self.occlusion_size,
                stride: self.occlusion_stride,
                batch: usize::from(self.occlusion_batch),
            },
        };
        Ok(Some(ExplainOptions { folder: folder.clone(), method }))
    }
}
