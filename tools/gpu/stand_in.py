"""The stand-in driver (stand-in/README.md): compiled, given to a program, and its record read."""

import os
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


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

    def modules(self):
        return sorted(self.folder.glob("module-*.ptx"))
