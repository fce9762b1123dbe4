"""Checks a file that `lungs weights export --to pytorch-safetensors` wrote: the names that the public
PyTorch I3D has, shapes that fit each other, and finite numbers.

usage: python check.py FILE      (needs safetensors and numpy; PyTorch is not needed)
"""

import sys

import numpy as np
from safetensors.numpy import load_file

STEM = ["Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3"]
BLOCKS = ["3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"]
BRANCHES = ["b0", "b1a", "b1b", "b2a", "b2b", "b3b"]


def main(path):
    arrays = load_file(path)
    units = STEM + [f"Mixed_{block}.{branch}" for block in BLOCKS for branch in BRANCHES]
    names = {f"{unit}.conv3d.weight" for unit in units}
    for unit in units:
        outputs = arrays[f"{unit}.conv3d.weight"].shape[0]
        for vector in ["weight", "bias", "running_mean", "running_var"]:
            names.add(f"{unit}.bn.{vector}")
            assert arrays[f"{unit}.bn.{vector}"].shape == (outputs,), unit
    features = sum(arrays[f"Mixed_5c.{b}.conv3d.weight"].shape[0] for b in ["b0", "b1b", "b2b", "b3b"])
    if "logits.conv3d.weight" in arrays:
        names |= {"logits.conv3d.weight", "logits.conv3d.bias"}
        assert arrays["logits.conv3d.weight"].shape[1:] == (features, 1, 1, 1)
    assert set(arrays) == names, set(arrays) ^ names
    assert all(np.isfinite(array).all() for array in arrays.values())
    print(f"{path}: {len(arrays)} arrays, {sum(array.size for array in arrays.values())} numbers")


main(sys.argv[1])
