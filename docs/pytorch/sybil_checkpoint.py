"""Narrow networks with the names and the file format of Sybil's checkpoints, and their outputs.

    python sybil_checkpoint.py ../../tests/vectors/sybil      (needs PyTorch)

It writes `1.ckpt` and `2.ckpt`, as PyTorch Lightning writes them, a file of calibrators, and `expected.json` with the
outputs of both networks in double precision. The files are oracles of tests/sybil_checkpoints.rs. Weights are stored in
half precision to keep them small; the outputs are those of the stored weights.
"""

import argparse
import json
import sys
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

WIDTH = 0.05
YEARS = 6
SHAPE = (1, 3, 12, 40, 36)


def scaled(channels):
    return max(1, round(channels * WIDTH))


def unit(inputs, outputs, size, stride, *rest):
    padding = [side // 2 for side in size]
    convolution = nn.Conv3d(inputs, outputs, size, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm3d(outputs), *rest)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = unit(inputs, outputs, (3, 3, 3), stride, nn.ReLU())
        self.conv2 = unit(outputs, outputs, (3, 3, 3), 1)
        if stride > 1 or inputs != outputs:
            self.downsample = unit(inputs, outputs, (1, 1, 1), stride)

    def forward(self, x):
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        return F.relu(self.conv2(self.conv1(x)) + shortcut)


class Attention(nn.Module):
    """A mean over the positions after the channels, weighted by a softmax."""

    def __init__(self, channels):
        super().__init__()
        self.attention_fc = nn.Linear(channels, 1)

    def forward(self, x):  # [..., channel, position]
        scores = self.attention_fc(x.transpose(-1, -2)).squeeze(-1)
        return (x * torch.softmax(scores, -1).unsqueeze(-2)).sum(-1)


class Convolved(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1d = nn.Conv1d(channels, channels, 11, padding=5, bias=False)
        self.aggregate = Attention(channels)

    def forward(self, x):
        return self.aggregate(self.conv1d(x))


class Pool(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self.image_pool1, self.volume_pool1 = Attention(channels), Attention(channels)
        self.volume_pool2 = Convolved(channels)
        self.hidden_fc = nn.Linear(3 * channels, hidden)
        self.multi_img_hidden_fc = nn.Linear(2 * channels, hidden)  # without effect on the risk

    def forward(self, x):  # [batch, channel, slice, height, width]
        slices = self.image_pool1(x.flatten(3).transpose(1, 2)).transpose(1, 2)
        largest = x.flatten(3).amax(3)
        joined = [self.volume_pool1(slices), self.volume_pool2(largest), largest.amax(2)]
        return F.relu(self.hidden_fc(torch.cat(joined, 1)))


class Hazards(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.hazard_fc, self.base_hazard_fc = nn.Linear(features, YEARS), nn.Linear(features, 1)
        mask = torch.ones(YEARS, YEARS).triu()
        self.register_parameter("upper_triagular_mask", nn.Parameter(mask, requires_grad=False))

    def forward(self, x):
        return F.relu(self.hazard_fc(x)) @ self.upper_triagular_mask + self.base_hazard_fc(x)


class Sybil(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [scaled(channels) for channels in (64, 64, 128, 256, 512)]
        stem = unit(3, widths[0], (3, 7, 7), (1, 2, 2), nn.ReLU())
        stages = [
            nn.Sequential(Block(inputs, outputs, 1 if index == 0 else 2), Block(outputs, outputs, 1))
            for index, (inputs, outputs) in enumerate(zip(widths, widths[1:]))
        ]
        self.image_encoder = nn.Sequential(stem, *stages)
        self.pool = Pool(widths[-1], HIDDEN)
        self.prob_of_failure_layer = Hazards(HIDDEN)

    def forward(self, x):
        return self.prob_of_failure_layer(self.pool(self.image_encoder(x)))


HIDDEN = scaled(512)


def network(seed):
    torch.manual_seed(seed)
    result = Sybil().eval()
    for module in result.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.2, 0.2)
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 1.5)
        if isinstance(module, nn.Linear):
            module.weight.data.mul_(3)
    # Not every hazard is positive, and risks are neither 0 nor 1.
    result.prob_of_failure_layer.base_hazard_fc.bias.data.fill_(-2)
    return result.half()


def volume():
    index = torch.arange(torch.Size(SHAPE).numel(), dtype=torch.int64)
    return ((index * 2654435761 % 2**32).double() / 2**31 - 1).reshape(SHAPE)


def checkpoint(model):
    state = OrderedDict((f"model.{name}", array.clone()) for name, array in model.state_dict().items())
    arguments = argparse.Namespace(
        max_followup=YEARS, dropout=0.1, censoring_distribution={"0": 0.98, "1": 0.87}, cuda=False
    )
    return {
        "epoch": 9,
        "global_step": 4000,
        "pytorch-lightning_version": "1.6.0",
        "state_dict": state,
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"params": [0]}]}],
        "args": arguments,
    }


def calibrators():
    """Two calibrators a year; risks of different years have different maps."""
    years = {}
    for year in range(1, YEARS + 1):
        knots = torch.rand(5, generator=torch.Generator().manual_seed(year), dtype=torch.float64).sort().values
        values = torch.rand(5, generator=torch.Generator().manual_seed(-year), dtype=torch.float64).sort().values
        one = {
            "coef": [[1.0]],
            "intercept": [0.0],
            "x0": knots.tolist(),
            "y0": values.tolist(),
            "x_min": knots[0].item(),
            "x_max": knots[-1].item(),
        }
        years[f"Year{year}"] = [one, {**one, "coef": [[0.9]], "intercept": [0.05]}]
    return years


def calibrated(calibrators, risk):
    """The definition: an affine map, a clip, and a polyline; the mean over the list."""
    results = []
    for one in calibrators:
        x = one["coef"][0][0] * risk + one["intercept"][0]
        x = min(max(x, one["x_min"]), one["x_max"])
        pairs = list(zip(one["x0"], one["y0"]))
        for (x0, y0), (x1, y1) in zip(pairs, pairs[1:]):
            if x0 <= x <= x1:
                results.append(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
                break
    return sum(results) / len(results)


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    logits, x = [], volume()
    for seed in (1, 2):
        model = network(seed)
        torch.save(checkpoint(model), folder / f"{seed}.ckpt")
        with torch.no_grad():
            logits.append(model.double()(x)[0].tolist())
    maps = calibrators()
    (folder / "sybil_ensemble_simple_calibrator.json").write_text(json.dumps(maps) + "\n")
    risks = torch.tensor(logits, dtype=torch.float64).sigmoid().mean(0).tolist()
    after = [calibrated(maps[f"Year{year}"], risk) for year, risk in enumerate(risks, 1)]
    expected = {"input": SHAPE, "logits": logits, "mean_risks": risks, "calibrated_risks": after}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
