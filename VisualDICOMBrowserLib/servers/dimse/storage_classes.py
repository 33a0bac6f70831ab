"""Which storage classes and transfer syntaxes a retrieve proposes, and in which order.

Tables and one choice; standard library only, any thread. An association has room for 128 presentation
contexts (DICOM PS3.8 9.3.2.2). Every compressed transfer syntax gets a context of its own, because a peer picks one
per context and could else not send what it stored compressed in another way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["COMPRESSED", "UNCOMPRESSED", "classes_for", "proposed_contexts"]

_STORAGE = "1.2.840.10008.5.1.4.1.1."

UNCOMPRESSED = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
"""Explicit and implicit little endian."""

COMPRESSED = (
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.201",  # HTJ2K lossless
    "1.2.840.10008.1.2.4.202",  # HTJ2K lossless RPCL
    "1.2.840.10008.1.2.4.203",  # HTJ2K
    "1.2.840.10008.1.2.4.102",  # MPEG-4 high profile
    "1.2.840.10008.1.2.4.103",  # MPEG-4 BD-compatible
    "1.2.840.10008.1.2.4.100",  # MPEG-2 main profile
    "1.2.840.10008.1.2.4.101",  # MPEG-2 high level
    "1.2.840.10008.1.2.4.104",  # MPEG-4 2D video
    "1.2.840.10008.1.2.4.105",  # MPEG-4 3D video
    "1.2.840.10008.1.2.4.106",  # MPEG-4 stereo
    "1.2.840.10008.1.2.4.107",  # HEVC main
    "1.2.840.10008.1.2.4.108",  # HEVC main 10
    "1.2.840.10008.1.2.1.99",  # deflated
)
"""Compressed transfer syntaxes, the most frequent first."""

# By modality, the most common class first (DICOM PS3.4 B.5, PS3.3 C.7.3.1.1.1).
_OF_MODALITY = {
    "CT": "2 2.1 2.2",
    "MR": "4 4.1 4.2 4.3 4.4",
    "PT": "128 130",
    "NM": "20",
    "US": "6.1 3.1",
    "CR": "1",
    "DX": "1.1 1.1.1",
    "MG": "1.2 1.2.1 13.1.3",
    "XA": "12.1 12.1.1 13.1.1",
    "RF": "12.2 12.2.1",
    "OT": "7 7.1 7.2 7.3 7.4",
    "SC": "7 7.1 7.2 7.3 7.4",
    "SEG": "66.4 66.7 66.5",
    "RTSTRUCT": "481.3",
    "RTDOSE": "481.2",
    "RTPLAN": "481.5 481.8",
    "RTIMAGE": "481.1",
    "SR": "88.33 88.22 88.11 88.34",
    "KO": "88.59",
    "PR": "11.1 11.2",
    "DOC": "104.1",
    "REG": "66.1 66.3",
    "IO": "1.3",
    "PX": "1",
    "ES": "77.1.1 77.1.1.1",
    "GM": "77.1.2",
    "SM": "77.1.6 77.1.2",
    "XC": "77.1.4 77.1.4.1",
    "OP": "77.1.5.1 77.1.5.2",
    "OPT": "77.1.5.4",
    "ECG": "9.1.1 9.1.2 9.1.3",
    "HD": "9.2.1",
    "RWV": "67",
    "M3D": "104.3 104.4 104.5",
}

_COMMON = (
    "2 4 7 1 1.1 6.1 128 2.1 4.1 3.1 12.1 1.2 20 12.2 77.1.4 1.1.1 1.2.1 13.1.3 7.2 7.4 66.4 481.2 481.3 481.5 "
    "88.33 88.22 88.11 88.34 88.59 11.1 11.2 104.1 130 12.1.1 13.1.1 77.1.1 77.1.2 77.1.6 77.1.5.1 77.1.5.4 "
    "7.1 7.3 481.1 481.8 66.1 66.3 66.5 66 67 4.2 4.3 2.2 1.3 9.1.1 9.1.2 9.2.1 6.2 3 6 5 88.67 30 104.3"
)


def classes_for(modalities: Iterable[str] = ()) -> list[str]:
    """Common storage classes, those of the given modalities first."""
    first = " ".join(_OF_MODALITY.get(modality, "") for modality in modalities).split()
    return [_STORAGE + suffix for suffix in dict.fromkeys([*first, *_COMMON.split()])]


def proposed_contexts(sop_classes: Sequence[str], most: int) -> list[tuple[str, tuple[str, ...]]]:
    """Presentation contexts as (SOP class, transfer syntaxes), at most `most`.

    Each class gets a context without compression; what room remains goes to single further syntaxes, shared so
    that the first classes get more of them. Where implicit little endian has a context of its own, the
    first one is for explicit only, so that the peer need not convert what it stored.
    """
    explicit, implicit = UNCOMPRESSED
    classes = list(dict.fromkeys(sop_classes))[:most]
    single = (implicit, *COMPRESSED)
    pairs = [(i + 4 * j, i, j) for i in range(len(classes)) for j in range(len(single))]
    chosen = [(classes[i], (single[j],)) for _, i, j in sorted(pairs)[: most - len(classes)]]
    apart = {sop_class for sop_class, syntaxes in chosen if syntaxes == (implicit,)}
    plain: list[tuple[str, tuple[str, ...]]] = [
        (sop_class, (explicit,) if sop_class in apart else UNCOMPRESSED) for sop_class in classes
    ]
    return [*plain, *chosen]
