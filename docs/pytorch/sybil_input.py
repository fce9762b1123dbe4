"""The input of Sybil, computed with the libraries that Sybil calls: the oracle of `preprocess.compat = "sybil"`.

usage: python sybil_input.py phantoms         expected values of the phantoms in tests/data/sybil_input.json
       python sybil_input.py series FOLDER    the same values of a folder of DICOM files

needs numpy, opencv-python-headless, torch and torchio; `series` needs pydicom. Sybil 1.x pins OpenCV 4.5.4 and TorchIO
0.18.74. The expected values were computed with OpenCV 4.5.5.64, SimpleITK 2.2.1 and TorchIO 0.18.74.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
import torchio

SIZE = 256
TARGET_MM = (0.703125, 0.703125, 2.5)
VOXELS = (SIZE, SIZE, 200)
MEAN, DEVIATION = 128.1722, 87.1849

# rows, columns, slices, [row spacing, column spacing, thickness, distance], slope, intercept
PHANTOMS = {
    "matrix-512": (512, 512, 61, [0.7, 0.7, 1.25, 1.25], 1.0, -24.0),
    "matrix-768-gapped": (768, 768, 51, [0.46875, 0.46875, 2.5, 5.0], 1.0, -24.0),
    "matrix-500-single-precision": (500, 500, 75, [0.9, 0.8, 1.2, 1.0], 1.0, -24.0),
    "more-than-200": (96, 64, 300, [2.5, 2.75, 2.0, 2.0], 0.5, -500.25),
    "overlapping": (64, 64, 120, [5.0, 5.0, 5.0, 2.5], 1.0, 0.0),
}


def phantom(rows, columns, slices):
    """Stored values: waves and texture, from -1500 to 1500, in whole numbers so that every program has the same."""
    z, y, x = np.meshgrid(*[np.arange(n, dtype=np.int64) for n in (slices, rows, columns)], indexing="ij")
    wave = (z * 37 + y * 11 + x * 7) % 2000
    wave = np.abs(wave - 1000) * 2 - 1000
    texture = (x * x * 3 + y * y * 5 + z * z * 7 + x * y + y * z) % 1001 - 500
    return (wave + texture).astype(np.int16)


def grey(stored, slope, intercept):
    """DICOM's window function to 16 bits, then the upper 8."""
    hu = stored.astype(np.float64) * slope + intercept
    centre, width = -600 - 0.5, 1500 - 1
    bits = np.clip(((hu - centre) / width + 0.5) * 65535, 0, 65535)
    bits[hu <= centre - width / 2] = 0
    bits[hu > centre + width / 2] = 65535
    return np.floor_divide(bits, 256)


def network_input(images, row_mm, column_mm, thickness_mm):
    """`[slice, row, column]` of the network's input; images are grey levels from the feet to the head."""
    small = [cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR) for image in images]
    volume = torch.from_numpy(np.stack(small)).float()
    volume = (volume - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    spacing = torch.tensor([row_mm, column_mm, thickness_mm, 1.0])
    image = torchio.ScalarImage(tensor=volume.permute(1, 2, 0)[None], affine=torch.diag(spacing))
    image = torchio.Resample(target=TARGET_MM)(image)
    image = torchio.CropOrPad(VOXELS, padding_mode=0)(image)
    return image.data[0].permute(2, 0, 1).numpy()


def summary(volume):
    """Sampled voxels, means of slices and the sum of squares: a few kilobytes that notice every shift."""
    count = volume.size
    # Steps of a prime visit all slices, rows and columns.
    places = [(index * 1_299_709 + 12_345) % count for index in range(100)]
    flat = volume.reshape(-1).astype(np.float64)
    filled = np.flatnonzero(flat)
    places += [int(filled[(index * 1_299_709 + 12_345) % len(filled)]) for index in range(400)]
    return {
        "voxels": [[place, round(float(flat[place]), 6)] for place in places],
        "slice_means": [round(float(mean), 6) for mean in volume.astype(np.float64).mean(axis=(1, 2))],
        "mean_square": round(float((flat**2).mean()), 6),
    }


def series(folder):
    import pydicom
    from pydicom.misc import is_dicom

    paths = [path for path in sorted(Path(folder).rglob("*")) if path.is_file() and is_dicom(path)]
    files = [pydicom.dcmread(path) for path in paths]
    files.sort(key=lambda file: float(file.ImagePositionPatient[-1]))
    images = [grey(f.pixel_array, float(f.RescaleSlope), float(f.RescaleIntercept)) for f in files]
    row_mm, column_mm = map(float, files[0].PixelSpacing)
    return network_input(images, row_mm, column_mm, float(files[0].SliceThickness))


def main(arguments):
    if arguments[:1] == ["phantoms"]:
        result = {}
        for name, (rows, columns, slices, spacing_mm, slope, intercept) in PHANTOMS.items():
            images = grey(phantom(rows, columns, slices), slope, intercept)
            result[name] = {
                "shape": [slices, rows, columns],
                "spacing_mm": spacing_mm,
                "rescale": [slope, intercept],
                **summary(network_input(list(images), *spacing_mm[:3])),
            }
        print(json.dumps(result))
    elif arguments[:1] == ["series"]:
        print(json.dumps({Path(folder).name: summary(series(folder)) for folder in arguments[1:]}))
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
