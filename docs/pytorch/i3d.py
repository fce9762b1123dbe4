"""I3D in PyTorch, by the names of the common public implementation: what `lungs weights export --to
pytorch-safetensors` writes loads into it, and `lungs weights import` reads what it saves.

    from safetensors.torch import load_file
    network = InceptionI3d(classes=2, in_channels=1)
    network.load_state_dict(load_file("demo-pytorch.safetensors"))
    logits = network.eval()(volume)     # [batch, channel, depth, height, width], -1 to 1
"""

import torch
from torch import nn
from torch.nn import functional as F

BLOCKS = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}


def pad_same(x, kernel, stride):
    """Zeros around a volume as TensorFlow's "SAME" puts them, the odd one behind: the volume, and how
    many are left for the operation itself to put on both sides, which is faster."""
    sides = zip(x.shape[2:], kernel, stride)
    totals = [max((-(-side // s) - 1) * s + k - side, 0) for side, k, s in sides]
    if all(total % 2 == 0 for total in totals):
        return x, [total // 2 for total in totals]
    pads = [pad for total in reversed(totals) for pad in (total // 2, total - total // 2)]
    return F.pad(x, pads), [0, 0, 0]


def max_pool(x, kernel, stride):
    # Behind a ReLU nothing is below zero, so that it does not matter which padding is around it.
    x, padding = pad_same(x, kernel, stride)
    return F.max_pool3d(x, kernel, stride, padding)


class Unit3D(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(self, inputs, outputs, size=1, stride=1):
        super().__init__()
        self.size, self.stride = (size,) * 3, (stride,) * 3
        self.conv3d = nn.Conv3d(inputs, outputs, size, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=1e-3, momentum=1e-3)

    def forward(self, x):
        x, padding = pad_same(x, self.size, self.stride)
        return F.relu(self.bn(F.conv3d(x, self.conv3d.weight, None, self.stride, padding)))


class Mixed(nn.Module):
    def __init__(self, inputs, widths):
        super().__init__()
        direct, reduce_1, spread_1, reduce_2, spread_2, pooled = widths
        self.b0 = Unit3D(inputs, direct)
        self.b1a, self.b1b = Unit3D(inputs, reduce_1), Unit3D(reduce_1, spread_1, 3)
        self.b2a, self.b2b = Unit3D(inputs, reduce_2), Unit3D(reduce_2, spread_2, 3)
        self.b3b = Unit3D(inputs, pooled)

    def forward(self, x):
        pooled = max_pool(x, (3, 3, 3), (1, 1, 1))
        branches = [self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)]
        return torch.cat(branches, dim=1)


class InceptionI3d(nn.Module):
    """Logits `[batch, class]`, the mean over all positions of the classifier."""

    def __init__(self, classes=2, in_channels=1, width=1.0, keep_prob=0.7):
        super().__init__()
        w = lambda full: max(1, int(full * width + 0.5))
        self.Conv3d_1a_7x7 = Unit3D(in_channels, w(64), 7, 2)
        self.Conv3d_2b_1x1 = Unit3D(w(64), w(64))
        self.Conv3d_2c_3x3 = Unit3D(w(64), w(192), 3)
        inputs = w(192)
        for name, widths in BLOCKS.items():
            widths = [w(full) for full in widths]
            self.add_module(f"Mixed_{name}", Mixed(inputs, widths))
            inputs = widths[0] + widths[2] + widths[4] + widths[5]
        self.dropout = nn.Dropout(1 - keep_prob)
        self.logits = nn.Module()
        self.logits.conv3d = nn.Conv3d(inputs, classes, 1)

    def stages(self, x):
        """Every stage's name and output, the features last."""
        x = self.Conv3d_1a_7x7(x)
        yield "Conv3d_1a_7x7", x
        x = self.Conv3d_2b_1x1(max_pool(x, (1, 3, 3), (1, 2, 2)))
        yield "Conv3d_2b_1x1", x
        x = self.Conv3d_2c_3x3(x)
        yield "Conv3d_2c_3x3", x
        x = max_pool(x, (1, 3, 3), (1, 2, 2))
        for name in BLOCKS:
            if name == "4b":
                x = max_pool(x, (3, 3, 3), (2, 2, 2))
            if name == "5b":
                x = max_pool(x, (2, 2, 2), (2, 2, 2))
            x = getattr(self, f"Mixed_{name}")(x)
            yield f"Mixed_{name}", x

    def forward(self, x):
        *_, (_, features) = self.stages(x)
        # A window longer than its axis shrinks to the axis.
        window = [min(size, side) for size, side in zip((2, 7, 7), features.shape[2:])]
        features = self.dropout(F.avg_pool3d(features, window, 1))
        return self.logits.conv3d(features).mean(dim=(2, 3, 4))
