"""Which decoders of compressed pixels are installed, and what to install where one is missing.

Taken from pydicom's own plugin report; no pixels here. Any thread.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec

from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.uid import UID, AllTransferSyntaxes

from VisualDICOMBrowserLib.errors import ImageFault, MissingDecoderError

__all__ = ["decoder_for", "failure_reason", "installed_decoders", "method_name"]

_FAMILIES = (
    ("HTJ2K", "HTJ2K (high-throughput JPEG 2000)"),
    ("High-Throughput JPEG 2000", "HTJ2K (high-throughput JPEG 2000)"),
    ("JPEG 2000", "JPEG 2000"),
    ("JPEG-LS", "JPEG-LS"),
    ("JPEG Lossless", "JPEG lossless"),
    ("JPEG", "JPEG"),
    ("RLE", "RLE"),
    ("MPEG", "MPEG video"),
    ("HEVC", "HEVC video"),
)
# Packages in the order in which they are recommended, and the module each one installs.
_MODULES = {
    "pyjpegls": "jpeg_ls",
    "pylibjpeg": "pylibjpeg",
    "pylibjpeg-libjpeg": "libjpeg",
    "pylibjpeg-openjpeg": "openjpeg",
    "pylibjpeg-rle": "rle",
    "pillow": "PIL",
    "gdcm": "gdcm",
}
_PREFERENCE = ("pyjpegls", "pylibjpeg", "pillow", "gdcm")


def method_name(transfer_syntax: UID) -> str:
    """Name of the compression for a person, such as ``"JPEG-LS"``."""
    name = transfer_syntax.name
    return next((plain for part, plain in _FAMILIES if part in name), name)


def decoder_for(transfer_syntax: UID) -> Decoder:
    """pydicom's decoder of `transfer_syntax`.

    Raises
    ------
    MissingDecoderError
        A package has to be installed first; the message names it.
    ImageFault
        No package that pydicom knows decodes this transfer syntax.
    """
    try:
        decoder = get_decoder(transfer_syntax)
    except NotImplementedError:
        message = f"Pictures of {method_name(transfer_syntax)} ({transfer_syntax}) are not supported."
        raise ImageFault(message) from None
    if not decoder.is_available:
        packages = _packages_to_install(decoder)
        noun = "package" if len(packages) == 1 else "packages"
        message = f"{method_name(transfer_syntax)} needs the {noun} {' and '.join(packages)}."
        raise MissingDecoderError(message, next_step="Install it and restart the browser.")
    return decoder


def failure_reason(decoder: Decoder) -> str:
    """Sentence for data that all installed plugins of `decoder` refused, with what else may help."""
    reason = f"The {method_name(decoder.UID)} data of the image are damaged or of an unusual kind."
    # gdcm's wheels stand outside the optional packages of this product.
    if [label for label in _missing_plugins(decoder) if label != "gdcm"]:
        reason += f" Another decoder may read them: {' and '.join(_packages_to_install(decoder))}."
    return reason


@cache
def installed_decoders() -> str:
    """Plugins that this process can use, as one text to compare with what another one could."""
    found = []
    for uid in AllTransferSyntaxes:
        try:
            plugins = get_decoder(uid).available_plugins
        except NotImplementedError:
            continue
        if plugins:
            found.append(f"{uid}={'+'.join(plugins)}")
    return " ".join(found)


def _missing_plugins(decoder: Decoder) -> dict[str, list[str]]:
    """Packages by plugin label, from lines like ``"pylibjpeg - requires pylibjpeg>=2.0 and ..."``."""
    missing = {}
    for line in decoder.missing_dependencies:
        label, _, needs = line.partition(" - requires ")
        names = [re.split(r"[<>=!~ ]", part, maxsplit=1)[0] for part in re.split(r", | and ", needs)]
        missing[label] = [name for name in names if name and name != "numpy"]
    return missing


def _packages_to_install(decoder: Decoder) -> list[str]:
    missing = _missing_plugins(decoder)
    label = min(missing, key=lambda name: _PREFERENCE.index(name) if name in _PREFERENCE else len(_PREFERENCE))
    absent = [name for name in missing[label] if not _is_installed(name)]
    return absent or missing[label]


def _is_installed(package: str) -> bool:
    try:
        return find_spec(_MODULES.get(package, package)) is not None
    except ImportError:
        return False
