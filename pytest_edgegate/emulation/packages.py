"""What the emulated Python is made of: packages of Debian 12 for arm64, and wheels for aarch64."""

from __future__ import annotations

DEBIAN = "12"
"""The version whose names of packages these are."""
PYTHON = "3.11"
"""The Python of Debian 12."""
ARM_PACKAGES = (
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "libgomp1",
    "libcrypt1",
    "zlib1g",
    "libexpat1",
    "libssl3",
    "libffi8",
    "libbz2-1.0",
    "liblzma5",
    "libuuid1",
    f"libpython{PYTHON}-minimal",
    f"libpython{PYTHON}-stdlib",
    f"python{PYTHON}-minimal",
)
"""The Python and the libraries that it and the wheels load."""
QEMU_PACKAGE = "qemu-user-static"
QEMU_FILE = "usr/bin/qemu-aarch64-static"
"""One file that needs no library of this system."""
QEMU = "qemu-aarch64"
"""As it is called where it is installed."""
_NEWEST_LIBC = 36
"""glibc 2.36 of Debian 12: wheels for a newer one do not load."""
PLATFORMS = (
    *(f"manylinux_2_{minor}_aarch64" for minor in range(_NEWEST_LIBC, 16, -1)),
    "manylinux2014_aarch64",
)

OF_WORKERS = ("filelock>=3.12",)
"""What our own worker imports there beside numpy; no figure depends on it."""

APT_CONFIGURATION = """\
APT::Architecture "{native}";
APT::Architectures {{ "{native}"; "arm64"; }};
APT::Sandbox::User "";
APT::Get::List-Cleanup "false";
APT::Get::AllowUnauthenticated "false";
Acquire::Languages "none";
Acquire::Retries "2";
Dir::State "{apt}/state";
Dir::State::lists "{apt}/state/lists";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}/cache";
Dir::Log "{apt}/log";
"""
"""apt with a state of its own: the sources and the keys are the system's, nothing is installed."""
APT_FOLDERS = ("state/lists/partial", "cache/archives/partial", "log", "debs")
