"""How fast thumbnails are made, against pydicom and Pillow in the same run.

    python Testing/Benchmarks/thumbnail_speed.py [--count 200] [--least 2]

Generates CT slices of 512 x 512 pixels (16 bits signed), each a series of its own, and puts them into a
database. Ours is `ThumbnailMaker.make` for every series in the threads of the engine's job: look up, read, window,
scale, PNG, state. The
other side reads with pydicom, applies rescale and window with pydicom, scales and writes with Pillow.
Exit status 1 if the ratio is below ``--least``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_rescale, apply_voi_lut
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from VisualDICOMBrowserLib.database.header_scan import scan_file
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.settings import Settings
from VisualDICOMBrowserLib.thumbnails.maker import ThumbnailMaker

SIDE = 512
BOX = 256
TURN = 20


def write_slices(folder: Path, count: int) -> list[Path]:
    """`count` slices of a noisy round body with organs, each with its own series."""
    folder.mkdir()
    random = np.random.default_rng(7)
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    body = np.where(np.hypot(rows, columns * 0.8) < 200, 1064.0, 24.0)
    study = generate_uid()
    paths = []
    for number in range(count):
        organ = np.hypot(rows - 40, columns - 100 + number % 200) < 60
        pixels = (body + 60 * organ + random.normal(0, 15, body.shape)).astype(np.int16)
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, generate_uid()
        header.StudyInstanceUID, header.SeriesInstanceUID = study, generate_uid()
        header.PatientID, header.PatientName, header.Modality = "1", "Benchmark^Thumbnail", "CT"
        header.InstanceNumber, header.PixelSpacing = 1, [0.7, 0.7]
        header.Rows = header.Columns = SIDE
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 1
        header.RescaleSlope, header.RescaleIntercept = 1, -1024
        header.WindowCenter, header.WindowWidth = 40, 400
        header.PixelData = pixels.tobytes()
        paths.append(folder / f"{number:05d}.dcm")
        header.save_as(paths[-1], enforce_file_format=True)
    return paths


def by_pydicom_and_pillow(paths: list[Path], folder: Path) -> float:
    """Seconds for thumbnails of `paths` the usual way."""
    begin = time.perf_counter()
    for path in paths:
        header = dcmread(path)
        values = apply_voi_lut(apply_rescale(header.pixel_array, header), header)
        low, high = -1024 - 32768, -1024 + 32767
        levels = ((values - low) * (255 / (high - low))).astype(np.uint8)
        Image.fromarray(levels).resize((BOX, BOX)).save(folder / f"{path.stem}.png")
    return time.perf_counter() - begin


def by_thumbnail_maker(series: list[str], maker: ThumbnailMaker) -> float:
    """Seconds for thumbnails of `series` by `ThumbnailMaker`, in as many threads as the engine's job uses."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(Settings().integer("thumbnails/workers")) as pool:
        made = list(pool.map(maker.make, series))
    seconds = time.perf_counter() - begin
    if not all(thumbnail.made and thumbnail.kind == "picture" for thumbnail in made):
        message = "not every thumbnail was made"
        raise RuntimeError(message)
    return seconds


def measured(paths: list[Path], folder: Path) -> tuple[float, float]:
    """Seconds of the usual way and of ours for all `paths`; the database is filled before the clock starts."""
    (folder / "theirs").mkdir()
    database = LocalDatabase.open(folder / "ours")
    try:
        scanned = [scan_file(path, database.tags_to_precache) for path in paths]
        database.writer.add_files(scanned)
        database.writer.add_cached_tags(row for file in scanned for row in database.cached_tag_rows(file))
        maker = ThumbnailMaker(database, Settings({"thumbnails/size": BOX}))
        theirs = ours = 0.0
        # In turns, so that whatever else the machine does meets both. The first turn warms up and is not counted.
        for start in range(0, len(paths), TURN):
            turn = slice(start, start + TURN)
            seconds = by_pydicom_and_pillow(paths[turn], folder / "theirs")
            own_seconds = by_thumbnail_maker([file.SeriesInstanceUID for file in scanned[turn]], maker)
            if start:
                theirs, ours = theirs + seconds, ours + own_seconds
    finally:
        database.close()
    return theirs, ours


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="number of series")
    parser.add_argument("--least", type=float, default=2.0, help="ratio that has to be reached")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        theirs, ours = measured(write_slices(folder / "slices", options.count + TURN), folder)
    ratio = theirs / ours
    print(f"{options.count} thumbnails of {SIDE} x {SIDE}")
    print(f"pydicom and Pillow   {theirs:7.3f} s  {options.count / theirs:7.0f}/s")
    print(f"ThumbnailMaker       {ours:7.3f} s  {options.count / ours:7.0f}/s")
    print(f"ratio                {ratio:7.2f}  (at least {options.least:g})")
    return 0 if ratio >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
