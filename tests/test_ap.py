"""The official average precision, against a slow and plain implementation of its rules."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.errors import HilError
from hil.evaluation.official import evaluate, load_ground_truth
from hil.reference.ap import average_precision


def plain_iou(a: np.ndarray, b: np.ndarray) -> float:
    """IoU of two boxes that each count one pixel more than their difference."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def plain_ap(predictions: list[np.ndarray], faces: list[np.ndarray], counted: list[np.ndarray]) -> float:
    """The tool kit's rules read aloud: for each threshold, count proposals and found faces from scratch."""
    scores = [row[4] for photo in predictions for row in photo]
    total = sum(c.sum() for c in counted)
    low, high = min(scores), max(scores)
    points = []
    for k in range(1, 1001):
        threshold = 1 - k / 1000
        proposals = found = 0
        for photo, boxes, mask in zip(predictions, faces, counted, strict=True):
            if len(photo) == 0 or len(boxes) == 0:
                continue
            taken = set()
            for row in sorted(photo.tolist(), key=lambda row: -row[4]):
                if (row[4] - low) / (high - low) < threshold:
                    break
                overlaps = [plain_iou(row, box) for box in boxes]
                best = int(np.argmax(overlaps))
                if overlaps[best] >= 0.5 and not mask[best]:
                    continue
                proposals += 1
                if overlaps[best] >= 0.5:
                    taken.add(best)
            found += len(taken)
        points.append((found / total, found / proposals if proposals else 0.0))
    recalls = [0.0] + [recall for recall, _ in points]
    area = 0.0
    for i in range(1, len(recalls)):
        area += (recalls[i] - recalls[i - 1]) * max(precision for _, precision in points[i - 1 :])
    return area


def random_set(seed: int) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Photos with faces, and predictions that are near faces, doubled, far off or absent. Scores are all different."""
    rng = np.random.default_rng(seed)
    predictions, faces, counted = [], [], []
    for _ in range(rng.integers(2, 6)):
        corner = rng.uniform(0, 90, (rng.integers(0, 5), 2))
        boxes = np.concatenate([corner, corner + rng.uniform(5, 30, corner.shape)], 1).round()
        near = np.repeat(boxes, 2, axis=0) + rng.normal(0, 3, (2 * len(boxes), 4))
        far = rng.uniform(100, 130, (rng.integers(0, 3), 4))
        photo = np.concatenate([near, far])
        photo = photo[rng.random(len(photo)) < 0.7]
        predictions.append(np.concatenate([photo, rng.random((len(photo), 1))], 1))
        faces.append(boxes)
        counted.append(rng.random(len(boxes)) < 0.7)
    predictions.append(np.array([[0, 0, 9, 9, 0.999], [50, 50, 59, 59, 0.001]]))
    faces.append(np.array([[0.0, 0, 9, 9]]))
    counted.append(np.array([True]))
    return predictions, faces, counted


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_ap_is_that_of_the_plain_implementation(seed: int) -> None:
    photos = random_set(seed)
    assert average_precision(*photos) == pytest.approx(plain_ap(*photos), abs=1e-9)


def test_a_wrong_box_lowers_it() -> None:
    faces, counted = [np.array([[10.0, 10, 29, 29], [50, 50, 69, 69]])], [np.array([True, True])]
    good = np.array([[10, 10, 29, 29, 0.9], [50, 50, 69, 69, 0.4]])
    wrong = np.array([[100, 100, 120, 120, 0.8]])
    assert average_precision([good], faces, counted) == 1.0
    assert average_precision([np.concatenate([good, wrong])], faces, counted) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert average_precision([good + [30, 0, 30, 0, 0]], faces, counted) == 0.0


def test_a_face_outside_the_difficulty_neither_helps_nor_harms() -> None:
    faces = [np.array([[10.0, 10, 29, 29], [50, 50, 69, 69]])]
    both = [np.array([[10, 10, 29, 29, 0.4], [50, 50, 69, 69, 0.9]])]
    assert average_precision(both, faces, [np.array([True, False])]) == 1.0


def test_nothing_found_is_zero() -> None:
    faces, counted = [np.array([[10.0, 10, 29, 29]])], [np.array([True])]
    assert average_precision([np.zeros((0, 5))], faces, counted) == 0.0
    assert average_precision([], [], []) == 0.0


def cells(values: list) -> np.ndarray:
    """A column of MATLAB cells."""
    column = np.empty((len(values), 1), object)
    for i, value in enumerate(values):
        column[i, 0] = value
    return column


def write_ground_truth(folder: Path) -> None:
    """Two events, three photos, in the official files' nesting."""
    folder.mkdir(parents=True)
    boxes = [[np.array([[10, 20, 30, 40], [100, 20, 12, 14]]), np.array([[5, 5, 9, 9]])], [np.array([[1, 2, 50, 60]])]]
    files = [["0_a_1", "0_a_2"], ["1_b_1"]]
    scipy.io.savemat(
        folder / "wider_face_val.mat",
        {
            "event_list": cells(["0--A", "1--B"]),
            "file_list": cells([cells(names) for names in files]),
            "face_bbx_list": cells([cells(event) for event in boxes]),
        },
    )
    keep = {"easy": [[[1], []], [[1]]], "medium": [[[1, 2], []], [[1]]], "hard": [[[1, 2], [1]], [[1]]]}
    for name, events in keep.items():
        nested = cells([cells([np.array(kept, float).reshape(-1, 1) for kept in event]) for event in events])
        scipy.io.savemat(folder / f"wider_{name}_val.mat", {"gt_list": nested})


def test_the_official_files_are_read(tmp_path: Path) -> None:
    write_ground_truth(tmp_path / "ground_truth")
    truth = load_ground_truth(tmp_path)
    assert truth.names == ["0--A/0_a_1.jpg", "0--A/0_a_2.jpg", "1--B/1_b_1.jpg"]
    assert truth.faces[0].tolist() == [[10, 20, 40, 60], [100, 20, 112, 34]]
    assert [mask.tolist() for mask in truth.counted["easy"]] == [[True, False], [False], [True]]
    assert [mask.tolist() for mask in truth.counted["hard"]] == [[True, True], [True], [True]]


def as_predictions(faces: list[np.ndarray]) -> list[np.ndarray]:
    return [np.concatenate([boxes, np.linspace(0.9, 0.5, len(boxes))[:, None]], 1) for boxes in faces]


def test_the_truth_as_prediction_scores_one(tmp_path: Path) -> None:
    write_ground_truth(tmp_path / "ground_truth")
    truth = load_ground_truth(tmp_path)
    predictions = dict(zip(truth.names, as_predictions(truth.faces), strict=True))
    assert evaluate(predictions, tmp_path) == {"easy": 1.0, "medium": 1.0, "hard": 1.0}
    predictions["0--A/0_a_1.jpg"] = predictions["0--A/0_a_1.jpg"] + [60, 0, 60, 0, 0]
    assert evaluate(predictions, tmp_path)["easy"] < 0.6


def test_missing_predictions_and_files_are_named(tmp_path: Path) -> None:
    write_ground_truth(tmp_path / "ground_truth")
    with pytest.raises(HilError, match="3 of 3 photos have no predictions, 0--A/0_a_1.jpg"):
        evaluate({}, tmp_path)
    (tmp_path / "ground_truth" / "wider_easy_val.mat").write_bytes(b"not MATLAB")
    with pytest.raises(HilError, match="wider_easy_val.mat"):
        load_ground_truth(tmp_path)
    (tmp_path / "ground_truth" / "wider_face_val.mat").unlink()
    with pytest.raises(HilError, match="no ground truth at .*wider_face_val.mat"):
        load_ground_truth(tmp_path)


def test_the_real_truth_as_prediction_scores_one(shared_data: Path) -> None:
    truth = load_ground_truth(shared_data / "faces")
    assert len(truth.names) == 1626
    predictions = dict(zip(truth.names, as_predictions(truth.faces), strict=True))
    found = evaluate(predictions, shared_data / "faces")
    assert found == {name: pytest.approx(1.0, abs=2e-4) for name in ("easy", "medium", "hard")}
