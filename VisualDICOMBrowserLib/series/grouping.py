"""Which slices of a series belong to one volume.

A series may hold several volumes (orientations, echoes, time points, ...), a localizer, or the same
plane twice. `divide` parts its slices into volumes that do not overlap and says by what they differ.
Works on `Slice` records alone; any thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from VisualDICOMBrowserLib.series.geometry import count_repeats, normal_of, sort_slices, stack_geometry
from VisualDICOMBrowserLib.series.remarks import Remark
from VisualDICOMBrowserLib.series.slices import Slice

__all__ = ["Volume", "divide"]

_ORIENTATION_TOLERANCE = 1e-3
# Up to this share of repeated planes, they are left out rather than made into a second volume.
_FEW_REPEATS = 0.1
# A group of other orientation and at most this size, beside one at least four times as large, is a scout.
_SCOUT_SLICES = 3
# So many volumes of a series are proposed; of more (time series) only the first.
_MOST_SELECTED = 8
# Images of these kinds are views of their own, not planes of a volume.
_PROJECTION_MODALITIES = {"CR", "DX", "MG", "IO", "PX", "XA", "RF"}


@dataclass(frozen=True)
class Volume:
    """Slices that make one volume, sorted.

    ``label`` says by what it differs from the others of its series ("echo number 2"), empty if it is the
    only one. ``notes`` are sentences for a person. ``role`` is ``"main"``, ``"scout"`` (localizer),
    ``"repeat"`` (planes that another volume already has) or ``"part"`` (slices of a main volume, offered
    as another way to load them).
    """

    slices: tuple[Slice, ...]
    label: str = ""
    notes: tuple[str, ...] = ()
    role: str = "main"
    selected: bool = True


def divide(slices: Sequence[Slice], modality: str = "") -> list[Volume]:
    """Volumes of one series; the selected ones share no slice."""
    groups = _hard_groups(slices, modality)
    scouts = _scouts(groups)
    volumes: list[Volume] = []
    labels = _group_labels([group for number, group in enumerate(groups) if number not in scouts])
    for number, group in enumerate(groups):
        if number in scouts:
            label = "localizer" if len(scouts) == 1 else f"localizer {_orientation_word(group[0])}"
            volumes += [_as_scout(part) for part in _without_repeats(group, label)]
        else:
            volumes += _without_repeats(group, next(labels))
    main = [volume for volume in volumes if volume.role == "main"]
    others = [volume for volume in volumes if volume.role != "main"]
    return [*_selected(main), *others, *(part for volume in main for part in _even_parts(volume))]


def _as_scout(volume: Volume) -> Volume:
    note = Remark("This looks like a localizer of the other images of the series.", "Localizer inside")
    return replace(volume, notes=(note, *volume.notes), role="scout", selected=False)


def _hard_groups(slices: Sequence[Slice], modality: str) -> list[list[Slice]]:
    """Slices by size, pixel kind, orientation, frame of reference and stack; largest group first."""
    groups: dict[tuple[object, ...], list[list[Slice]]] = {}
    for item in slices:
        alone = item.mosaic or (item.frame is None and modality in _PROJECTION_MODALITIES)
        key = (
            item.rows,
            item.columns,
            item.pixels.colour,
            tuple(round(value, 4) for value in item.pixel_spacing),
            item.localizer,
            item.has_geometry,
            item.hard_traits,
            item.file if alone else "",
        )
        alike = groups.setdefault(key, [])
        for group in alike:
            if _same_orientation(group[0], item):
                group.append(item)
                break
        else:
            alike.append([item])
    found = [group for alike in groups.values() for group in alike]
    return sorted(found, key=lambda group: (-len(group), min(item.InstanceNumber for item in group)))


def _same_orientation(one: Slice, other: Slice) -> bool:
    if one.orientation is None or other.orientation is None:
        return one.orientation is other.orientation
    pairs = zip(one.orientation, other.orientation, strict=True)
    return all(abs(a - b) <= _ORIENTATION_TOLERANCE for a, b in pairs)


def _scouts(groups: Sequence[Sequence[Slice]]) -> set[int]:
    """Numbers of the groups that are localizers of others."""
    if all(group[0].localizer for group in groups):
        return set()
    largest = len(groups[0])
    return {
        number
        for number, group in enumerate(groups)
        if group[0].localizer or (len(group) <= _SCOUT_SLICES and largest >= 4 * len(group) and number > 0)
    }


def _group_labels(groups: Sequence[Sequence[Slice]]) -> Iterator[str]:
    """A word for each group: its orientation, or a trait that tells them apart, or a number."""
    words = [_orientation_word(group[0]) for group in groups]
    if len(groups) < 2:
        yield from [""] * len(groups)
    elif len(set(words)) == 1 and (telling := _telling_traits(groups)):
        yield from telling
    else:
        for index, word in enumerate(words):
            yield word if words.count(word) == 1 else f"{word} {words[: index + 1].count(word)}"


def _telling_traits(groups: Sequence[Sequence[Slice]]) -> list[str]:
    """Labels by the first trait that has one value in each group, and another in every group."""
    for name in _trait_names(groups[0]):
        values = [{item.traits.get(name, "") for item in group} for group in groups]
        if all(len(value) == 1 for value in values) and len(set.union(*values)) == len(groups):
            return [_label(name, value.pop()) for value in values]
    return []


def _orientation_word(item: Slice) -> str:
    if item.mosaic:
        return "mosaic"
    if item.orientation is None:
        return "image"
    axis = int(np.argmax(np.abs(normal_of(item.orientation))))
    return ("sagittal", "coronal", "axial")[axis]


def _without_repeats(group: Sequence[Slice], label: str) -> list[Volume]:
    """Volumes of a group in which planes may lie at the same place."""
    repeats, multiplicity = count_repeats(group)
    if repeats == 0:
        return [Volume(tuple(sort_slices(group)), label)]
    if repeats == len(group) - 1 and len(group) > _MOST_SELECTED:
        return [_stack_of_times(group, label)]
    if repeats <= _FEW_REPEATS * (len(group) - repeats):
        return _leave_out_repeats(group, label)
    parts = _best_partition(group, multiplicity) or _by_occurrence(group)
    found: list[Volume] = []
    for part_label, part in parts:
        found += _without_repeats(part, f"{label}, {part_label}" if label else part_label)
    return found


def _stack_of_times(group: Sequence[Slice], label: str) -> Volume:
    """Many images of one plane, put one behind the other although they lie at the same place."""
    ordered = sort_slices(group)
    first = ordered[0]
    assert first.orientation is not None
    assert first.position is not None
    step = normal_of(first.orientation) * first.thickness
    stacked = [
        replace(item, position=tuple(first.position + index * step), orientation=first.orientation)
        for index, item in enumerate(ordered)
    ]
    note = (
        f"All {len(group)} images show the same plane; they are stacked in their order, "
        f"{first.thickness:g} mm apart, so the third axis is not one of the patient."
    )
    return Volume(tuple(stacked), label, (Remark(note, "One plane, stacked"),))


def _leave_out_repeats(group: Sequence[Slice], label: str) -> list[Volume]:
    """The group without its few repeated planes, and those planes as something not selected."""
    (_, kept), *others = _by_occurrence(group)
    left = sort_slices([item for _, part in others for item in part])
    images = "1 image lies" if len(left) == 1 else f"{len(left)} images lie"
    note = f"{images} where another one of the series lies, and {'is' if len(left) == 1 else 'are'} left out."
    spare_label = f"{label}, repeated images" if label else "repeated images"
    return [
        Volume(tuple(kept), label, (Remark(note, "Repeated slices"),)),
        *(Volume((item,), spare_label, (), "repeat", False) for item in left),
    ]


def _by_occurrence(group: Sequence[Slice]) -> list[tuple[str, list[Slice]]]:
    """First images of every place, second images, and so on."""
    parts: list[list[Slice]] = []
    ordered = sort_slices(group)
    place = 0
    for index, item in enumerate(ordered):
        place = place + 1 if index and count_repeats([ordered[index - 1], item])[0] else 0
        if place == len(parts):
            parts.append([])
        parts[place].append(item)
    return [(f"repetition {number}", part) for number, part in enumerate(parts, start=1)]


def _best_partition(group: Sequence[Slice], most: int) -> list[tuple[str, list[Slice]]] | None:
    """Partition by the trait that leaves the fewest repeats in at most `most` parts; None if none helps."""
    best: list[tuple[str, list[Slice]]] | None = None
    best_score = (count_repeats(group)[0], 0)
    for name in _trait_names(group):
        parts = _partition(group, name)
        if not 2 <= len(parts) <= most:
            continue
        score = (sum(count_repeats(part)[0] for _, part in parts), len(parts))
        if score[0] < best_score[0] or (best is not None and score < best_score):
            best, best_score = parts, score
    return best


def _trait_names(group: Sequence[Slice]) -> list[str]:
    return list(dict.fromkeys(name for item in group for name in item.traits))


def _partition(group: Sequence[Slice], name: str) -> list[tuple[str, list[Slice]]]:
    """Slices by their value of a trait, values in natural order."""
    parts: dict[str, list[Slice]] = {}
    for item in group:
        parts.setdefault(item.traits.get(name, ""), []).append(item)
    return [(_label(name, value), parts[value]) for value in sorted(parts, key=_natural)]


def _label(name: str, value: str) -> str:
    return f"{name} {value.replace(chr(92), '/')}" if value else f"no {name}"


def _natural(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return float("inf") if value else float("-inf"), value


def _selected(volumes: Sequence[Volume]) -> list[Volume]:
    """Main volumes with what is said of them because there are several, and which are proposed."""
    count = len(volumes)
    if count < 2:
        return list(volumes)
    found = []
    for number, volume in enumerate(volumes):
        note = f"The series holds {count} volumes; this is {volume.label} ({number + 1} of {count})."
        notes = [note, *volume.notes]
        if count > _MOST_SELECTED and number == 0:
            notes.append("Only the first is proposed, because there are so many.")
        selected = count <= _MOST_SELECTED or number == 0
        found.append(replace(volume, notes=tuple(notes), selected=selected))
    return found


def _even_parts(volume: Volume) -> list[Volume]:
    """If the volume is spaced unevenly: parts by one trait that are each spaced evenly."""
    if len(volume.slices) < 4 or stack_geometry(volume.slices).is_even:
        return []
    for name in _trait_names(volume.slices):
        parts = _partition(volume.slices, name)
        if not 2 <= len(parts) <= 4 or min(len(part) for _, part in parts) < 2:
            continue
        stacks = [(label, tuple(sort_slices(part))) for label, part in parts]
        if all(stack_geometry(stack).is_even for _, stack in stacks):
            note = "These are evenly spaced slices of the whole volume."
            return [Volume(stack, label, (note,), "part", False) for label, stack in stacks]
    return []
