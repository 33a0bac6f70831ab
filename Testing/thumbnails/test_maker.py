"""`ThumbnailMaker` on a real database: which image, where the PNG lies, when it is made again."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from thumbnail_objects import WriteImage, image_dataset, save_dataset

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.errors import DatabaseReadOnlyError, UsageError
from VisualDICOMBrowserLib.settings import Settings
from VisualDICOMBrowserLib.thumbnails.maker import ThumbnailMaker

AddFiles = Callable[..., None]
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def maker(database: LocalDatabase, settings: Settings) -> ThumbnailMaker:
    return ThumbnailMaker(database, settings)


class Series:
    """Files of one series; the grey level of an image is its number times ten."""

    def __init__(self, write_image: WriteImage, add_files: AddFiles) -> None:
        self.uid, self.study = generate_uid(), generate_uid()
        self._write, self._add = write_image, add_files
        self.paths: dict[int, Path] = {}

    def add(self, *numbers: int, pixels: np.ndarray | None = None, **attributes: Any) -> None:
        for number in numbers:
            values = np.full((64, 64), number * 10, np.uint8) if pixels is None else pixels
            # A white corner keeps the window of 8-bit pictures at the identity.
            values[0, 0] = 255
            self.paths[number] = self._write(
                values,
                SeriesInstanceUID=self.uid,
                StudyInstanceUID=self.study,
                InstanceNumber=number,
                **attributes,
            )
            self._add(self.paths[number])

    def sop(self, number: int) -> str:
        return str(dcmread(self.paths[number], specific_tags=["SOPInstanceUID"]).SOPInstanceUID)


@pytest.fixture
def series(write_image: WriteImage, add_files: AddFiles) -> Series:
    return Series(write_image, add_files)


def center_level(path: Path | None) -> int:
    assert path is not None
    with Image.open(path) as picture:
        return np.asarray(picture)[picture.height // 2, picture.width // 2].item()


def test_middle_image_by_instance_number(maker: ThumbnailMaker, series: Series) -> None:
    series.add(9, 2, 11, 4, 7)
    thumbnail = maker.make(series.uid)
    assert (thumbnail.kind, thumbnail.label, thumbnail.reason, thumbnail.made) == ("picture", "", "", True)
    assert center_level(thumbnail.path) == 70


def test_picture_lies_where_ctk_looks(maker: ThumbnailMaker, series: Series, database: LocalDatabase) -> None:
    series.add(1, 2)
    study, uid, sop = (hashlib.md5(text.encode()).hexdigest() for text in (series.study, series.uid, series.sop(2)))
    expected = database.folder / "thumbs" / study[:8] / uid[:8] / f"{sop}.png"
    assert maker.make(series.uid).path == expected
    assert [path.name for path in expected.parent.iterdir()] == [expected.name]


def test_middle_frame_of_one_object(maker: ThumbnailMaker, series: Series) -> None:
    frames = np.stack([np.full((64, 64), 20 * index, np.uint8) for index in range(7)])
    frames[:, 0, 0] = 255
    series.add(1, pixels=frames)
    assert center_level(maker.make(series.uid).path) == 60


def test_size_setting(maker: ThumbnailMaker, series: Series, settings: Settings) -> None:
    series.add(5, pixels=np.full((100, 50), 50, np.uint8))
    settings["thumbnails/size"] = 80
    path = maker.make(series.uid).path
    assert path is not None
    with Image.open(path) as picture:
        assert picture.size == (40, 80)
    settings["thumbnails/size"] = 40
    assert maker.make(series.uid).made


def test_made_once_until_the_series_changes(maker: ThumbnailMaker, series: Series) -> None:
    series.add(1, 2, 3)
    first = maker.make(series.uid)
    again = maker.make(series.uid)
    assert (again.path, again.made) == (first.path, False)
    assert maker.make(series.uid, force=True).made
    series.add(4, 5, 6)
    grown = maker.make(series.uid)
    assert grown.made
    assert center_level(grown.path) == 40
    assert first.path is not None
    assert not first.path.exists()


def test_made_again_when_the_file_is_written_anew(maker: ThumbnailMaker, series: Series) -> None:
    series.add(1)
    assert center_level(maker.make(series.uid).path) == 10
    header = dcmread(series.paths[1])
    pixels = np.full((64, 64), 90, np.uint8)
    pixels[0, 0] = 255
    header.PixelData = pixels.tobytes()
    header.PatientComments = "written anew"
    header.save_as(series.paths[1])
    thumbnail = maker.make(series.uid)
    assert thumbnail.made
    assert center_level(thumbnail.path) == 90


def test_made_again_when_the_picture_is_gone(maker: ThumbnailMaker, series: Series) -> None:
    series.add(1)
    path = maker.make(series.uid).path
    assert path is not None
    path.unlink()
    assert maker.cached(series.uid) is None
    assert maker.make(series.uid).made


def test_cached_survives_the_maker(
    maker: ThumbnailMaker, series: Series, database: LocalDatabase, settings: Settings
) -> None:
    series.add(1)
    assert maker.cached(series.uid) is None
    made = maker.make(series.uid)
    found = ThumbnailMaker(database, settings).cached(series.uid)
    assert found is not None
    assert (found.path, found.kind, found.made) == (made.path, "picture", False)


@pytest.mark.parametrize(
    ("sop_class", "label"),
    [
        ("1.2.840.10008.5.1.4.1.1.88.11", "Structured report"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "Key object selection"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "PDF document"),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", "ECG"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "Presentation state"),
        ("1.2.840.10008.5.1.4.1.1.481.5", "RT plan"),
        ("1.2.840.10008.5.1.4.1.1.66.1", "Registration"),
        ("1.2.840.10008.5.1.4.1.1.66", "Raw data"),
        ("1.2.840.10008.5.1.4.1.1.77.1.5.3", "Stereometric Relationship"),
        ("1.2.826.0.1.1", "XX object"),
    ],
)
def test_objects_without_pixels(
    maker: ThumbnailMaker, write_image: WriteImage, add_files: AddFiles, sop_class: str, label: str
) -> None:
    path = write_image(None, SOPClassUID=sop_class, Modality="XX")
    add_files(path)
    uid = str(dcmread(path).SeriesInstanceUID)
    thumbnail = maker.make(uid)
    assert (thumbnail.kind, thumbnail.label, thumbnail.path) == ("none", label, None)
    assert maker.make(uid).made is False


def test_neighbour_of_an_object_without_pixels(
    maker: ThumbnailMaker, series: Series, write_image: WriteImage, add_files: AddFiles
) -> None:
    series.add(1, 3)
    report = "1.2.840.10008.5.1.4.1.1.88.11"
    add_files(
        write_image(
            None,
            SOPClassUID=report,
            SeriesInstanceUID=series.uid,
            StudyInstanceUID=series.study,
            InstanceNumber=2,
        )
    )
    thumbnail = maker.make(series.uid)
    assert center_level(thumbnail.path) == 30
    assert thumbnail.reason == ""


def test_neighbour_of_a_damaged_image_and_why(maker: ThumbnailMaker, series: Series) -> None:
    series.add(1, 2, 3)
    series.paths[2].write_bytes(series.paths[2].read_bytes()[:-100])
    thumbnail = maker.make(series.uid)
    assert center_level(thumbnail.path) == 30
    assert thumbnail.reason == "The middle image cannot be shown. The file ends within its pixel data."


def test_failed_is_not_tried_again_until_something_changed(
    maker: ThumbnailMaker, series: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    series.add(1)
    whole = series.paths[1].read_bytes()
    series.paths[1].write_bytes(whole[:-100])
    failed = maker.make(series.uid)
    assert (failed.kind, failed.path, failed.made) == ("failed", None, True)
    assert failed.reason == "The file ends within its pixel data."
    assert maker.make(series.uid).made is False
    assert maker.make(series.uid, force=True).made is True
    monkeypatch.setattr("VisualDICOMBrowserLib.thumbnails.maker.installed_decoders", lambda: "one more")
    assert maker.make(series.uid).made is True
    assert maker.make(series.uid).made is False
    series.paths[1].write_bytes(whole)
    assert maker.make(series.uid).kind == "picture"


def test_picture_goes_when_the_series_can_no_longer_be_shown(maker: ThumbnailMaker, series: Series) -> None:
    series.add(1)
    path = maker.make(series.uid).path
    series.paths[1].unlink()
    failed = maker.make(series.uid)
    assert failed.kind == "failed"
    assert failed.reason.startswith("The file cannot be opened")
    assert path is not None
    assert not path.exists()


def test_unknown_series(maker: ThumbnailMaker) -> None:
    with pytest.raises(UsageError, match=r"no series 1\.2\.3"):
        maker.make("1.2.3")
    with pytest.raises(UsageError):
        maker.make("1.2.3")


def test_read_only_database_shows_what_there_is(
    maker: ThumbnailMaker,
    series: Series,
    write_image: WriteImage,
    add_files: AddFiles,
    database: LocalDatabase,
    settings: Settings,
) -> None:
    series.add(1)
    other = Series(write_image, add_files)
    other.add(1)
    made = maker.make(series.uid)
    reopened = LocalDatabase.open(database.folder, read_only=True)
    try:
        reader = ThumbnailMaker(reopened, settings)
        assert reader.make(series.uid).path == made.path
        with pytest.raises(DatabaseReadOnlyError):
            reader.make(other.uid)
    finally:
        reopened.close()


def test_threads_on_one_series_share_one_picture(
    maker: ThumbnailMaker, series: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    series.add(1)
    entered, go_on = threading.Event(), threading.Event()
    drawn = []

    def slow_png(picture: np.ndarray) -> bytes:
        drawn.append(picture)
        entered.set()
        assert go_on.wait(20)
        return b"png"

    monkeypatch.setattr("VisualDICOMBrowserLib.thumbnails.maker.png_bytes", slow_png)
    with ThreadPoolExecutor(4, "thumbnail-test") as pool:
        first = pool.submit(maker.make, series.uid)
        assert entered.wait(20)
        others = [pool.submit(maker.make, series.uid, force=True) for _ in range(3)]
        go_on.set()
        made = [future.result(20).made for future in (first, *others)]
    assert made[0] is True
    assert len(drawn) == made.count(True)


def test_many_series_from_many_threads(maker: ThumbnailMaker, write_image: WriteImage, add_files: AddFiles) -> None:
    several = [Series(write_image, add_files) for _ in range(12)]
    for number, one in enumerate(several, start=1):
        one.add(number)
    with ThreadPoolExecutor(4, "thumbnail-test") as pool:
        thumbnails = list(pool.map(maker.make, [one.uid for one in several] * 2))
    assert [center_level(thumbnail.path) for thumbnail in thumbnails] == [10 * n for n in range(1, 13)] * 2
    assert sum(thumbnail.made for thumbnail in thumbnails) == 12


def segmentation_of(image: Path, path: Path) -> str:
    """Write a segmentation whose block of 32 x 32 pixels refers to `image`; its series UID."""
    base = dcmread(image)
    mask = np.zeros((1, 64, 64), np.uint8)
    mask[0, 16:48, 16:48] = 1
    header = image_dataset(mask, SOPClassUID=SEGMENTATION, Modality="SEG", StudyInstanceUID=base.StudyInstanceUID)
    source, derivation, identification, frame = (Dataset() for _ in range(4))
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = base.SOPClassUID, base.SOPInstanceUID
    derivation.SourceImageSequence = [source]
    identification.ReferencedSegmentNumber = 1
    frame.DerivationImageSequence, frame.SegmentIdentificationSequence = [derivation], [identification]
    header.PerFrameFunctionalGroupsSequence = [frame]
    header.SegmentationType = "BINARY"
    save_dataset(header, path)
    return str(header.SeriesInstanceUID)


def test_overlay_follows_the_image_it_refers_to(
    maker: ThumbnailMaker, write_image: WriteImage, add_files: AddFiles, tmp_path: Path
) -> None:
    pixels = np.full((64, 64), 200, np.uint8)
    image = write_image(pixels)
    segmentation = tmp_path / "segmentation.dcm"
    uid = segmentation_of(image, segmentation)
    add_files(segmentation)

    alone = maker.make(uid)
    assert corner_colour(alone.path) == [0, 0, 0]
    assert maker.make(uid).made is False
    add_files(image)
    over = maker.make(uid)
    assert over.made is True
    assert corner_colour(over.path) == [200, 200, 200]
    assert maker.make(uid).made is False

    header = dcmread(image)
    header.PixelData = (pixels - 80).tobytes()
    header.PatientComments = "written anew"
    header.save_as(image)
    assert corner_colour(maker.make(uid).path) == [120, 120, 120]
    image.unlink()
    assert corner_colour(maker.make(uid).path) == [0, 0, 0]


def corner_colour(path: Path | None) -> list[int]:
    assert path is not None
    with Image.open(path) as picture:
        colour: list[int] = np.asarray(picture)[8, 8].tolist()
    return colour
