"""The emulated processors, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EmulatedProcessor:
    """One processor of ``qemu-aarch64 -cpu``."""

    name: str
    """As qemu calls it."""
    implementer: int
    variant: int
    part: int
    revision: int
    """The fields of MIDR_EL1, by which runtimes recognise a core."""
    features: str
    """The flags that Linux shows of the board's core."""
    source: str

    @property
    def cpuinfo(self) -> str:
        """``/proc/cpuinfo`` with one core: qemu 7 would show the one of this host, in which ONNX
        Runtime looks for an ARM core and crashes for want of one."""
        return (
            "processor\t: 0\n"
            "BogoMIPS\t: 108.00\n"
            f"Features\t: {self.features}\n"
            f"CPU implementer\t: 0x{self.implementer:02x}\n"
            "CPU architecture: 8\n"
            f"CPU variant\t: 0x{self.variant:x}\n"
            f"CPU part\t: 0x{self.part:03x}\n"
            f"CPU revision\t: {self.revision}\n\n"
        )


PROCESSORS = {
    each.name: each
    for each in (
        EmulatedProcessor(
            "cortex-a72",
            0x41,
            0x0,
            0xD08,
            3,
            "fp asimd evtstrm crc32 cpuid",
            "Arm Cortex-A72 MPCore Processor Technical Reference Manual, MIDR_EL1; the Raspberry "
            "Pi 4 has no cryptographic extension and, as any Armv8.0-A core, no half-precision "
            "arithmetic",
        ),
        EmulatedProcessor(
            "cortex-a76",
            0x41,
            0x4,
            0xD0B,
            1,
            "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc "
            "dcpop asimddp",
            "Arm Cortex-A76 Core Technical Reference Manual, MIDR_EL1: Armv8.2-A with "
            "half-precision arithmetic (fphp, asimdhp) and dot products (asimddp)",
        ),
    )
}
"""By their names."""
