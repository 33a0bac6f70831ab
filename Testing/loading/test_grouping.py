"""Dividing a series into volumes, for any mixture of slices."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from VisualDICOMBrowserLib.series.geometry import count_repeats, stack_geometry
from VisualDICOMBrowserLib.series.grouping import divide
from VisualDICOMBrowserLib.series.slices import Slice

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


@st.composite
def series(draw):
    count = draw(st.integers(1, 24))
    return [
        Slice(
            file=f"{index}.dcm",
            SOPInstanceUID=f"1.2.{index}",
            InstanceNumber=draw(st.integers(0, 5)),
            rows=4,
            columns=draw(st.sampled_from([4, 4, 4, 5])),
            position=draw(st.sampled_from([None, *[(0.0, 0.0, float(z)) for z in range(6)]])),
            orientation=draw(st.sampled_from([AXIAL, AXIAL, CORONAL, None])),
            localizer=draw(st.sampled_from([False, False, False, True])),
            traits={"echo time": draw(st.sampled_from(["", "10", "20"])), "time": str(index)},
        )
        for index in range(count)
    ]


@given(series())
def test_every_slice_ends_in_exactly_one_volume(slices):
    volumes = [volume for volume in divide(slices) if volume.role != "part"]
    found = Counter(item.file for volume in volumes for item in volume.slices)
    assert found == Counter(item.file for item in slices)


@given(series())
def test_volumes_have_no_plane_twice_and_a_geometry(slices):
    for volume in divide(slices):
        assert count_repeats(volume.slices)[0] == 0
        geometry = stack_geometry(volume.slices)
        assert geometry.ijk_to_ras.shape == (4, 4)
        assert len(geometry.displacement) == len(volume.slices)


@given(series())
def test_something_is_proposed_and_names_differ(slices):
    volumes = divide(slices)
    assert any(volume.selected for volume in volumes)
    labels = [volume.label for volume in volumes if volume.role == "main"]
    assert len(set(labels)) == len(labels)
