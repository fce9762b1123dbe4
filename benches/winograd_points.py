"""Rounding errors for the points 0, ±2/3, ±3/2 and infinity of src/model/convolution/winograd/transforms.rs.

    python benches/winograd_points.py        needs numpy

Compares a random 3×3 layer of 64 channels (normal inputs after ReLU, weights with He's variance) in float32,
for several choices of the points of F(4×4, 3×3), with double precision. Errors are relative to the outputs'
root mean square.
"""

import numpy as np

TILE, KERNEL = 4, 3
SIDE = TILE + KERNEL - 1


def matrices(points):
    """Aᵀ, G and Bᵀ of Toom and Cook's algorithm, for finite points and infinity."""

    def powers(count):
        matrix = np.zeros((SIDE, count))
        for row, point in enumerate(points):
            matrix[row] = float(point) ** np.arange(count)
        matrix[-1, -1] = 1
        return matrix

    # The scales of the last two matrices cancel in their product.
    to_points = np.linalg.inv(powers(SIDE)).T
    scale = 2.0 ** -np.round(np.log2(np.linalg.norm(to_points, axis=1)))
    return powers(TILE).T, powers(KERNEL) / scale[:, None], to_points * scale[:, None]


def directly(volume, kernel):
    _, height, width = volume.shape
    output = np.zeros((len(kernel), height - 2, width - 2), volume.dtype)
    for y in range(KERNEL):
        for x in range(KERNEL):
            output += np.tensordot(kernel[:, :, y, x], volume[:, y : y + height - 2, x : x + width - 2], 1)
    return output


def by_tiles(volume, kernel, points):
    to_outputs, of_kernel, to_points = (matrix.astype(np.float32) for matrix in matrices(points))
    both = lambda matrix, tile: np.einsum("qj,...pj->...pq", matrix, np.einsum("pi,...ij->...pj", matrix, tile))
    kernel = both(of_kernel, kernel)
    output = np.zeros((len(kernel), volume.shape[1] - 2, volume.shape[2] - 2), np.float32)
    for y in range(0, output.shape[1], TILE):
        for x in range(0, output.shape[2], TILE):
            tile = both(to_points, volume[:, y : y + SIDE, x : x + SIDE])
            output[:, y : y + TILE, x : x + TILE] = both(to_outputs, np.einsum("kcpq,cpq->kpq", kernel, tile))
    return output


random = np.random.default_rng(0)
volume = np.maximum(random.standard_normal((64, 18, 18)), 0).astype(np.float32)
kernel = (random.standard_normal((32, 64, 3, 3)) * 0.06).astype(np.float32)
exact = directly(volume.astype(np.float64), kernel.astype(np.float64))
size = np.sqrt((exact**2).mean())


def report(name, output):
    error = (output - exact) / size
    print(f"{name:<24} root mean square {np.sqrt((error**2).mean()):.1e}, maximum {np.abs(error).max():.1e}")


report("directly", directly(volume, kernel))
for points in [(0, 1, -1, 2, -2), (0, 1, -1, 1 / 2, -1 / 2), (0, 2 / 3, -2 / 3, 3 / 2, -3 / 2)]:
    report(", ".join(f"{point:.3g}" for point in points), by_tiles(volume, kernel, points))
