"""The stand-in driver (stand-in/README.md): compiled, given to a program, and its record read."""

import os
import re
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# The buffer of bytes of a kernel; the numbers of all other buffers have four bytes.
BYTE_BUFFERS = {"find_largest": 2, "add_won": 1}
# Tensors of Burn's kernels that have their shapes in a further buffer.
TENSORS = {"slice": 1, "reduce": 2}


def build_stand_in(out):
    """Compiles the stand-in driver; returns the folder for LD_LIBRARY_PATH."""
    folder = out.resolve() / "driver"
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / "libcuda.so.1"
    source = FOLDER / "stand-in" / "libcuda.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-pthread", "-o", library, source], check=True)
    link = folder / "libcuda.so"
    link.unlink(missing_ok=True)
    link.symlink_to(library.name)
    return folder


def stand_in_environment(driver, record, **settings):
    """The environment of a program on the stand-in driver, with an empty record."""
    shutil.rmtree(record, ignore_errors=True)
    environment = {"LD_LIBRARY_PATH": f"{driver}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")}
    environment["LUNGS_STAND_IN_OUT"] = str(record)
    # No toolkit: a driver alone must suffice.
    environment |= {name: "/nowhere" for name in ("CUDA_PATH", "CUDA_HOME", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR")}
    return environment | {f"LUNGS_STAND_IN_{name}": str(value) for name, value in settings.items()}


class Record:
    """The calls of a program: stand-in/README.md."""

    def __init__(self, folder):
        self.folder = folder
        self.calls = [line.split() for line in open(folder / "calls.txt")]

    def of(self, kind):
        return [call for call in self.calls if call[0] == kind]

    def step(self, batch):
        """The calls of one whole step in the middle of the run: from the last but one copy of the logits (two
        numbers an exam) to the last. The first step copies gradients as well, so it is not counted."""
        logits = ["copy", "0", "dtoh", str(8 * batch)]
        ends = [index for index, call in enumerate(self.calls) if call == logits]
        if len(ends) < 3:
            return None
        return self.calls[ends[-2] + 1 : ends[-1] + 1]

    def peak_bytes(self):
        return max((int(call[3]) for call in self.of("allocate")), default=0)

    def kernels(self):
        """The name of each module's kernel."""
        return {call[1]: call[2] for call in self.of("function")}

    def moved_bytes(self, calls):
        """Bytes of the buffers of all launches, each counted once a launch: what a kernel reads again is expected
        in a cache."""
        kernels = self.kernels()
        return sum(buffer_bytes(call, plain_name(kernels.get(call[2], "?"))) for call in calls if call[0] == "launch")

    def modules(self):
        return sorted(self.folder.glob("module-*.ptx"))


def plain_name(kernel):
    """The name of a kernel without the mark of its variant."""
    return re.sub(r"_[0-9a-f]{6,}$", "", kernel)


def buffer_bytes(call, name):
    """Bytes that a launch moves if each number of its buffers is read or written once. Its structure (CubeCL 0.11)
    ends with the length of each buffer and, for a tensor whose shape is in a further buffer, two positions in that
    buffer; all are words of 32 bits."""
    pointers, structure = int(call[-2]), bytes.fromhex(call[-1].strip("-"))
    tensors = TENSORS.get(re.split("_kernel|_assign", name)[0], 0)
    buffers = pointers - (tensors > 0)
    start = len(structure) - (4 * (buffers + 2 * tensors) + 7) // 8 * 8
    words = [structure[start + 4 * index : start + 4 * index + 4] for index in range(buffers)]
    lengths = [int.from_bytes(word, "little") for word in words]
    if name.startswith(("copy_kernel", "slice_")):
        # A part of the larger buffer.
        return 2 * 4 * min(lengths)
    if name.startswith("kernel_binop"):
        # The sum replaces the first term.
        return 3 * 4 * lengths[0]
    sizes = [4] * buffers
    if name == "moments":
        # One number a channel of the first buffer.
        sizes[0] = 0
    if name in BYTE_BUFFERS:
        sizes[BYTE_BUFFERS[name]] = 1
    return sum(size * length for size, length in zip(sizes, lengths))
