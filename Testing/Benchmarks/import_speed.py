"""How fast files are imported by link, against a pydicom loop in the same run.

    python Testing/Benchmarks/import_speed.py [--files 10000] [--least-visible 8] [--least-cached 2]

Generates CT images of 64 x 64 pixels with about 35 elements, 200 in a series. The other side is a loop in one
process that reads each header with pydicom and takes the 33 values that CTK caches. Ours is the import into a
new database: once until all rows are committed and visible, once until the tag cache is complete too.
Prints rates, ratios and the largest resident memory; exit status 1 if a ratio is below what is asked for.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from VisualDICOMBrowserLib.database.indexer import Indexer
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.model import NullControl
from VisualDICOMBrowserLib.settings import Settings

IN_SERIES = 200
SIDE = 64
PRECACHED = """
    00080018 00080020 00080021 00080030 00080031 00080050 00080060 00080061 00080080 00080090 00081030 0008103E
    00081050 00100010 00100020 00100030 00100032 00100040 00101010 00104000 00180010 00180015 00180020 00180086
    0020000D 0020000E 00200010 00200011 00200012 00200052 00200100 00280010 00280011
"""
# Stand for the numbers of study, series and instance, and are as long as they are.
STUDY, SERIES, INSTANCE = "77777", "88888", "9999999"
ROOT = "1.2.826.0.1.3680043.8.498"


def template(path: Path) -> bytes:
    """One image with placeholders for what differs from file to file."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = Dataset()
    header.file_meta = meta
    header.SpecificCharacterSet, header.ImageType = "ISO_IR 100", ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, f"{ROOT}.{STUDY}.{SERIES}.{INSTANCE}"
    header.StudyDate = header.SeriesDate = "20240119"
    header.StudyTime, header.SeriesTime = "101112", "101213"
    header.AccessionNumber, header.Modality, header.Manufacturer = f"A{STUDY}", "CT", "Benchmark"
    header.InstitutionName, header.ReferringPhysicianName = "Institution", "Doctor^Ref"
    header.StudyDescription, header.SeriesDescription = f"Study {STUDY}", f"Series {SERIES}"
    header.PatientName, header.PatientID = f"Patient^P{STUDY}", f"P{STUDY}"
    header.PatientBirthDate, header.PatientSex, header.PatientAge = "19700101", "F", "054Y"
    header.BodyPartExamined, header.SliceThickness, header.KVP = "CHEST", "1.0", "120"
    header.StudyInstanceUID, header.SeriesInstanceUID = f"{ROOT}.{STUDY}", f"{ROOT}.{STUDY}.{SERIES}"
    header.StudyID, header.SeriesNumber, header.AcquisitionNumber = STUDY, SERIES, "1"
    header.InstanceNumber, header.FrameOfReferenceUID = INSTANCE, f"{ROOT}.{STUDY}.1"
    header.ImagePositionPatient, header.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.Rows = header.Columns = SIDE
    header.PixelSpacing = [0.5, 0.5]
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
    header.PixelData = bytes(SIDE * SIDE * 2)
    header.save_as(path, enforce_file_format=True)
    data = path.read_bytes()
    path.unlink()
    return data


def write_files(folder: Path, count: int) -> None:
    """`count` images, two series in a study, one study for each patient."""
    data = template(folder / "template")
    for number in range(count):
        series = number // IN_SERIES
        place = folder / f"series-{series:05d}"
        if number % IN_SERIES == 0:
            place.mkdir()
        changed = data.replace(STUDY.encode(), b"%05d" % (10000 + series // 2))
        changed = changed.replace(SERIES.encode(), b"%05d" % (10000 + series))
        changed = changed.replace(INSTANCE.encode(), b"%07d" % (1000000 + number))
        (place / f"{number:07d}.dcm").write_bytes(changed)


def pydicom_seconds(folder: Path) -> float:
    """Seconds of reading every header with pydicom and taking the values that CTK caches."""
    tags = [int(tag, 16) for tag in PRECACHED.split()]
    begin = time.perf_counter()
    for path in folder.rglob("*.dcm"):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        values = [header[tag].value for tag in tags if tag in header]
        assert values
    return time.perf_counter() - begin


def import_seconds(folder: Path, database_folder: Path, count: int) -> tuple[float, float]:
    """Seconds until every instance is visible, and until the tag cache is complete."""
    database = LocalDatabase.open(database_folder)
    store = InstanceStore(database)
    indexer = Indexer(database, store, Settings())
    begin = time.perf_counter()
    report = indexer.import_paths([folder], copy=False, control=NullControl())
    visible = time.perf_counter() - begin
    assert report.imported == database.reader.counts().instances == count, report
    indexer.wait_for_tag_cache()
    cached = time.perf_counter() - begin
    indexer.close()
    store.close()
    database.close()
    return visible, cached


def peak_megabytes() -> str:
    """Largest resident memory of this process and of its largest worker, where the system tells."""
    try:
        import resource
    except ImportError:
        return "not known on this system"
    unit = 1 if sys.platform == "darwin" else 1024
    own, worker = (
        resource.getrusage(who).ru_maxrss * unit / 1e6 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return f"{own:.0f} MB here, {worker:.0f} MB in a worker"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000, help="number of images")
    parser.add_argument("--least-visible", type=float, default=8, help="least ratio until rows are visible")
    parser.add_argument("--least-cached", type=float, default=2, help="least ratio until the tag cache is complete")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        write_files(folder, arguments.files)
        before = peak_megabytes()
        visible, cached = import_seconds(folder, Path(scratch) / "database", arguments.files)
        after = peak_megabytes()
        peer = pydicom_seconds(folder)
    for name, seconds in (("pydicom loop", peer), ("committed and visible", visible), ("tag cache complete", cached)):
        rate = arguments.files / seconds
        print(f"{name:<22} {seconds:8.2f} s {rate:9,.0f} files/s   {peer / seconds:5.1f} x pydicom")
    print(f"memory before the import: {before}; at most: {after}")
    return int(peer / visible < arguments.least_visible or peer / cached < arguments.least_cached)


if __name__ == "__main__":
    sys.exit(main())
