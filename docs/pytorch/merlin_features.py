"""Features of an inflated ResNet-152 with weights in the layout of Merlin, in double precision.

    python merlin_features.py WEIGHTS INPUT OUTPUT      (needs torchvision)

WEIGHTS is a PyTorch file whose `state_dict` has the names of Merlin's encoder (`conv1.weight`, `layer1.0.bn1.weight`).
INPUT is a volume of 48 × 128 × 128 numbers in single precision, which becomes three equal channels. OUTPUT is the JSON
that tests/real_series/encoder.rs reads.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch

from resnet import Encoder, MeanPool

SHAPE = (1, 1, 48, 128, 128)


def names(unit):
    """The prefix of a unit's convolution and of its normalisation in the file."""
    if unit == "stem":
        return "conv1", "bn1"
    stage, block, part = unit.split("/")
    if part == "downsample":
        return f"{stage}.{block}.downsample.0", f"{stage}.{block}.downsample.1"
    return f"{stage}.{block}.{part}", f"{stage}.{block}.bn{part.removeprefix('conv')}"


def main(weights, volume, output):
    state = torch.load(weights, map_location="cpu", weights_only=True)["state_dict"]
    encoder = Encoder("i3resnet-152").double().eval()
    used = set()
    with torch.no_grad():
        for unit, convolution, norm in encoder.units():
            kernel, moments = names(unit)
            arrays = [
                (convolution.weight, f"{kernel}.weight"),
                (norm.weight, f"{moments}.weight"),
                (norm.bias, f"{moments}.bias"),
                (norm.running_mean, f"{moments}.running_mean"),
                (norm.running_var, f"{moments}.running_var"),
            ]
            for target, name in arrays:
                target.copy_(state[name])
                used.add(name)
        unused = {name for name in state if name not in used and not name.endswith("num_batches_tracked")}
        assert not unused, unused
        x = torch.tensor(np.fromfile(volume, "<f4").astype(np.float64)).reshape(SHAPE).repeat(1, 3, 1, 1, 1)
        for _, x in encoder.parts(x):
            pass
        for _, features in MeanPool().parts(x):
            pass
    features = features[0]
    result = {
        "weights": hashlib.sha256(Path(weights).read_bytes()).hexdigest(),
        "norm": features.norm().item(),
        "features": features[::64].tolist(),
    }
    Path(output).write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
