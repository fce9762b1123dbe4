"""The residual networks of `model.name` in PyTorch: torchvision's r3d_18, ResNet-152 inflated, and the
pooling that Sybil uses (`model.pool = "sybil"`). It is the oracle of
crates/lungs-net/src/model/residual/reference.rs, and shows what the networks compute.

    python resnet.py ../../tests/data/resnet      (writes the reference values; needs torchvision)

Weights and inputs are a formula of their names, the same as in the test, so that no large file is needed.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import resnet152
from torchvision.models.video import r3d_18


def pattern(name, count):
    """`count` numbers between -1 and 1 that depend on the name alone: the FNV-1a hash of the name is the
    start of a sequence, of which SplitMix64 mixes every element."""
    start = 0xCBF29CE484222325
    for byte in name.encode():
        start = (start ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        x = np.uint64(start) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return (x >> np.uint64(11)).astype(np.float64) / 2**53 * 2 - 1


def values(name, shape):
    """The numbers of an array, rounded to single precision."""
    v = pattern(name, math.prod(shape))
    kind = name.rsplit("/", 1)[1]
    if kind == "w":
        fan_in = math.prod(shape[1:])
        v *= math.sqrt((6 if "/conv_3d/" in name and not name.startswith("Logits") else 3) / fan_in)
    elif kind == "gamma":
        v = 0.5 + 0.25 * v
    elif kind == "moving_variance":
        v = 1 + 0.5 * v
    else:
        v = 0.1 * v
    return v.astype(np.float32).astype(np.float64).reshape(shape)


def volume(name, shape):
    """An input between -1 and 1."""
    v = pattern(name, math.prod(shape)).astype(np.float32)
    return torch.tensor(v.astype(np.float64).reshape(shape))


class Attention(nn.Module):
    """A mean over positions, weighted by the softmax of a linear function of the channels."""

    def __init__(self, channels):
        super().__init__()
        self.score = nn.Linear(channels, 1)

    def forward(self, x):  # [..., channel, position]
        weights = torch.softmax(self.score(x.transpose(-1, -2)), dim=-2)
        return (x @ weights).squeeze(-1)


class SybilPool(nn.Module):
    def __init__(self, channels, hidden=512):
        super().__init__()
        self.positions, self.slices, self.convolved = (Attention(channels) for _ in range(3))
        self.convolution = nn.Conv1d(channels, channels, 11, padding=5, bias=False)
        self.hidden = nn.Linear(3 * channels, hidden)

    def parts(self, x):  # [batch, channel, slice, height, width]
        x = x.flatten(3)
        of_slices = self.positions(x.transpose(1, 2)).transpose(1, 2)
        yield "Pool/attention_of_slices", of_slices
        attended = self.slices(of_slices)
        yield "Pool/attention_of_volume", attended
        largest = x.max(dim=3).values
        yield "Pool/maximum_of_slices", largest
        convolved = self.convolution(largest)
        yield "Pool/convolution", convolved
        convolved = self.convolved(convolved)
        yield "Pool/attention_of_convolution", convolved
        maximum = x.flatten(2).max(dim=2).values
        yield "Pool/maximum_of_volume", maximum
        yield "pooled", F.relu(self.hidden(torch.cat([attended, convolved, maximum], dim=1)))


class MeanPool(nn.Module):
    def parts(self, x):
        yield "pooled", x.flatten(2).mean(dim=2)


def inflate(layer, depth=1, stride=1):
    """A 2-D convolution with a depth: the kernel in its middle, so that a still image gives the same."""
    (height, width), (down, across) = layer.kernel_size, layer.stride
    deep = nn.Conv3d(
        layer.in_channels,
        layer.out_channels,
        (depth, height, width),
        (stride, down, across),
        (depth // 2, *layer.padding),
        bias=False,
    )
    with torch.no_grad():
        deep.weight.zero_()
        deep.weight[:, :, depth // 2] = layer.weight
    return deep


class Bottleneck(nn.Module):
    def __init__(self, flat):
        super().__init__()
        stride = flat.conv2.stride[0]
        self.conv1 = nn.Sequential(inflate(flat.conv1), nn.BatchNorm3d(flat.conv1.out_channels))
        self.conv2 = nn.Sequential(inflate(flat.conv2, 3, stride), nn.BatchNorm3d(flat.conv2.out_channels))
        self.conv3 = nn.Sequential(inflate(flat.conv3), nn.BatchNorm3d(flat.conv3.out_channels))
        self.downsample = None
        if flat.downsample is not None:
            layer = inflate(flat.downsample[0], stride=stride)
            self.downsample = nn.Sequential(layer, nn.BatchNorm3d(layer.out_channels))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return F.relu(self.conv3(x) + shortcut)


class Encoder(nn.Module):
    """The network before the pool: `stem` and `layer1` to `layer4`."""

    def __init__(self, name):
        super().__init__()
        self.max_pool = nn.Identity()
        if name == "r3d-18":
            video = r3d_18(weights=None)
            self.stem, self.channels = video.stem, 512
            layers = [video.layer1, video.layer2, video.layer3, video.layer4]
        else:
            flat = resnet152(weights=None)
            self.stem = nn.Sequential(inflate(flat.conv1, 3), nn.BatchNorm3d(64), nn.ReLU())
            self.max_pool, self.channels = nn.MaxPool3d(3, 2, 1), 2048
            stages = [flat.layer1, flat.layer2, flat.layer3, flat.layer4]
            layers = [nn.Sequential(*map(Bottleneck, stage)) for stage in stages]
        self.layer1, self.layer2, self.layer3, self.layer4 = layers

    def parts(self, x):
        x = self.stem(x)
        yield "stem", x
        x = self.max_pool(x)
        for name in ["layer1", "layer2", "layer3", "layer4"]:
            x = getattr(self, name)(x)
            yield name, x

    def units(self):
        """Name, convolution and normalisation of every unit."""
        yield "stem", self.stem[0], self.stem[1]
        for stage in ["layer1", "layer2", "layer3", "layer4"]:
            for index, block in enumerate(getattr(self, stage)):
                for part in ["conv1", "conv2", "conv3", "downsample"]:
                    unit = getattr(block, part, None)
                    if unit is not None:
                        yield f"{stage}/{index}/{part}", unit[0], unit[1]


class Network(nn.Module):
    def __init__(self, name, pool, outputs):
        super().__init__()
        self.encoder = Encoder(name)
        channels = self.encoder.channels
        self.pool = SybilPool(channels) if pool == "sybil" else MeanPool()
        self.classifier = nn.Linear(512 if pool == "sybil" else channels, outputs)

    def parts(self, x):
        """Every part's name and output, the network's output last."""
        for name, x in self.encoder.parts(x):
            yield name, x
        for name, pooled in self.pool.parts(x):
            yield name, pooled
        yield "outputs", self.classifier(pooled)

    def forward(self, x):
        *_, (_, outputs) = self.parts(x)
        return outputs

    def arrays(self):
        """Every array by the name that `lungs` has for it."""
        for name, convolution, norm in self.encoder.units():
            yield f"{name}/conv_3d/w", convolution.weight
            yield f"{name}/batch_norm/gamma", norm.weight
            yield f"{name}/batch_norm/beta", norm.bias
            yield f"{name}/batch_norm/moving_mean", norm.running_mean
            yield f"{name}/batch_norm/moving_variance", norm.running_var
        if isinstance(self.pool, SybilPool):
            pool = self.pool
            for name, layer in [
                ("Pool/Position_attention", pool.positions.score),
                ("Pool/Slice_attention", pool.slices.score),
                ("Pool/Convolved_attention", pool.convolved.score),
                ("Pool/Hidden", pool.hidden),
            ]:
                yield f"{name}/w", layer.weight
                yield f"{name}/b", layer.bias
            yield "Pool/Slice_convolution/w", pool.convolution.weight
        yield "Logits/Conv3d_0c_1x1/conv_3d/w", self.classifier.weight
        yield "Logits/Conv3d_0c_1x1/conv_3d/b", self.classifier.bias


def network(name, pool, outputs):
    """A network with patterned weights and running statistics, in double precision."""
    result = Network(name, pool, outputs).double().eval()
    with torch.no_grad():
        for name, array in result.arrays():
            array.copy_(torch.tensor(values(name, tuple(array.shape))))
    return result


def spread(count, most):
    """Up to `most` positions in an array of `count` numbers."""
    return sorted({(2 * index + 1) * count // (2 * most) for index in range(most)})


def summary(array, most=24):
    array = array.detach().flatten()
    positions = spread(len(array), most)
    return {
        "largest": array.abs().max().item(),
        "norm": array.norm().item(),
        "at": positions,
        "value": [array[position].item() for position in positions],
    }


def evaluation(name, pool, outputs, shape):
    with torch.no_grad():
        parts = network(name, pool, outputs).parts(volume("input", shape))
        parts = {part: {"shape": list(x.shape), **summary(x)} for part, x in parts}
    return {"name": name, "pool": pool, "outputs": outputs, "input": shape, "parts": parts}


def step(name, pool, outputs, shape):
    """The gradients of a linear function of the outputs, in training mode without dropout."""
    model = network(name, pool, outputs).train()
    result = model(volume("input", shape))
    slopes = torch.tensor(pattern("slopes", result.numel())).reshape(result.shape)
    loss = (result * slopes).sum()
    loss.backward()
    trainable = [(name, array.grad) for name, array in model.arrays() if "/moving_" not in name]
    gradients = {name: summary(gradient, 4) for name, gradient in trainable}
    answer = {"name": name, "pool": pool, "outputs": outputs, "input": shape}
    return {**answer, "result": summary(result), "loss": loss.item(), "gradients": gradients}


def main(folder):
    results = {
        "r3d18_sybil": evaluation("r3d-18", "sybil", 7, [1, 3, 16, 64, 64]),
        "r3d18_average": evaluation("r3d-18", "average", 2, [2, 3, 9, 50, 41]),
        "i3resnet152_average": evaluation("i3resnet-152", "average", 2, [1, 3, 17, 70, 66]),
        "r3d18_step": step("r3d-18", "sybil", 7, [2, 3, 16, 64, 64]),
    }
    for name, result in results.items():
        (Path(folder) / f"{name}.json").write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
