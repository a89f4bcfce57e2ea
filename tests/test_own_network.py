"""A network of one's own: where it is found, what it must give, what is refused, and what a checkpoint remembers."""

from __future__ import annotations

import importlib.metadata
import os
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import images, quantised, randomise
from stub_firmware import need
from test_compiler_c import Program, needs_gcc
from torch import Tensor, nn

from hil import board
from hil.bench.session import Bench
from hil.bench.tensors import float_tensors, signal_to_noise_db, tensors_found
from hil.compiler import detect, run
from hil.compiler.reading.trace import trace
from hil.errors import HilError
from hil.firmware.build import NATIVE, build_graph
from hil.reference import catalogue, found, weights
from hil.reference.detect import float_boxes
from hil.reference.networks import Source
from hil.reference.own import Tensors, classifier, detector, tensors
from hil.reference.photo import from_array
from hil.targets.native import NativeTarget

MINE = """
    import torch
    from torch import nn
    from hil.reference.own import classifier

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, WIDTH, 3, 2, 1)
            self.linear = nn.Linear(WIDTH, 3)

        def forward(self, x):
            return self.linear(torch.relu(self.conv(x)).mean((2, 3)))

    def make():
        return classifier(Small(), "small", (3, 20, 24), ("a", "b", "c"))

    def nothing():
        return Small()

    def fails():
        return 1 / 0
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """mine.py in a folder, and no network insisted on."""
    monkeypatch.setenv(found.VARIABLE, "")
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(MINE).replace("WIDTH", "8"))
    return path


def test_a_checkpoint_finds_its_network_beside_itself(mine: Path, tmp_path: Path, monkeypatch) -> None:
    network = catalogue.build(f"{mine}:make")
    weights.save(network, tmp_path / "small.safetensors")
    monkeypatch.chdir("/")
    loaded = weights.load(tmp_path / "small.safetensors")
    assert loaded.spec == network.spec and weights.metadata(tmp_path / "small.safetensors")["made_by"] == "mine.py:make"
    x = torch.randn(1, 3, 20, 24)
    assert torch.equal(loaded(x), network.eval()(x))


def test_a_checkpoint_whose_network_is_gone_says_what_to_pass(mine: Path, tmp_path: Path, monkeypatch) -> None:
    weights.save(catalogue.build(f"{mine}:make"), tmp_path / "small.safetensors")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    mine.rename(elsewhere / "moved.py")
    monkeypatch.chdir(elsewhere)
    with pytest.raises(HilError, match=r"mine\.py: pass --network FILE\.py:FUNCTION"):
        weights.load(tmp_path / "small.safetensors")
    found.insist("moved.py:make")
    assert weights.load(tmp_path / "small.safetensors").spec.name == "small"


def test_weights_of_another_shape_are_listed(mine: Path, tmp_path: Path) -> None:
    weights.save(catalogue.build(f"{mine}:make"), tmp_path / "small.safetensors")
    mine.write_text(textwrap.dedent(MINE).replace("WIDTH", "6"))
    with pytest.raises(HilError, match=r"network\.conv\.weight is \[8, 3, 3, 3\], expected \[6, 3, 3, 3\]"):
        weights.load(tmp_path / "small.safetensors")


def test_a_state_dict_trained_elsewhere_loads_into_the_network_named(mine: Path, tmp_path: Path, monkeypatch) -> None:
    network = catalogue.build(f"{mine}:make")
    torch.save(network.network.state_dict(), tmp_path / "small.pt")
    with pytest.raises(HilError, match="for one of your own pass --network"):
        weights.load(tmp_path / "small.pt")
    monkeypatch.setenv(found.VARIABLE, f"{mine}:make")
    loaded = weights.load(tmp_path / "small.pt")
    assert torch.equal(loaded.network.conv.weight, network.network.conv.weight)


def test_an_installed_package_names_its_networks(mine: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(mine.parent))
    point = importlib.metadata.EntryPoint("small_net", "mine:make", found.GROUP)
    monkeypatch.setattr(found, "_entry_points", lambda: importlib.metadata.EntryPoints([point]))
    network = catalogue.build("small_net")
    assert network.spec.name == "small" and network.made_by == "small_net"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("other.py:make", r"there is no .*other\.py: pass --network"),
        ("mine.py:made", r"has no function 'made': it has Small, make, nothing, fails"),
        ("mine.py:nothing", r"returns a Small, expected what hil\.reference\.own\.classifier"),
        ("mine.py:fails", r"fails at mine\.py line \d+: ZeroDivisionError"),
        ("broken.py:make", r"broken\.py cannot be loaded: SyntaxError|broken\.py cannot be loaded.*SyntaxError"),
        ("nowhere", r"unknown network 'nowhere': known are .*--network FILE\.py:FUNCTION"),
    ],
)
def test_what_makes_no_network_is_refused_in_a_line(mine: Path, monkeypatch, reference: str, message: str) -> None:
    monkeypatch.chdir(mine.parent)
    (mine.parent / "broken.py").write_text("def make(:\n")
    with pytest.raises(HilError, match=message) as caught:
        catalogue.build(reference)
    assert "\n" not in str(caught.value)


def test_another_network_than_the_checkpoints_is_refused(mine: Path, tmp_path: Path, monkeypatch) -> None:
    weights.save(catalogue.build(f"{mine}:make"), tmp_path / "small.safetensors")
    mine.write_text(textwrap.dedent(MINE).replace("WIDTH", "8").replace('"small"', '"large"'))
    with pytest.raises(HilError, match="makes large, and the checkpoint is of small"):
        weights.load(tmp_path / "small.safetensors")


def test_a_file_changed_within_the_second_is_read_again(mine: Path) -> None:
    before = mine.stat()
    assert catalogue.build(f"{mine}:make").spec.name == "small"
    mine.write_text(mine.read_text().replace('"small"', '"large"'))
    os.utime(mine, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert catalogue.build(f"{mine}:make").spec.name == "large"


def test_a_known_network_is_insisted_on_as_well(users_folder: Path, monkeypatch) -> None:
    monkeypatch.setenv(found.VARIABLE, "rnnpool_face_quant")
    with pytest.raises(HilError, match="is of rnnpool_face_m4, and --network says rnnpool_face_quant"):
        weights.load(users_folder / "mine.safetensors")


# -- what a network must give


class Body(nn.Module):
    """A module whose forward is a function."""

    def __init__(self, function, **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x: Tensor) -> object:
        return self.function(self, x)


def test_a_classifier_gives_a_logit_a_class() -> None:
    body = Body(lambda m, x: m.linear(x.mean((2, 3))), linear=nn.Linear(3, 4))
    with pytest.raises(HilError, match=r"three gives a tensor of \(1, 4\) for one image, expected 3 logits"):
        classifier(body, "three", (3, 8, 8), ("a", "b", "c"))


def test_a_name_of_forty_letters_is_said_as_far_as_it_fits(tmp_path: Path) -> None:
    need("cmake", "cc")
    torch.manual_seed(5)
    body = Body(lambda m, x: m.linear(x.mean((2, 3))), linear=nn.Linear(3, 2))
    own = classifier(body, "n" * 40, (3, 8, 8), ("a", "b"))
    firmware = build_graph(quantised(own), own, board.load("stm32f407_disco"), tmp_path / "made", NATIVE)
    with Bench(firmware, NativeTarget(firmware.board)) as bench:
        assert bench.hello is not None and bench.hello.model_name == firmware.said_name == "n" * 32
        assert bench.run(from_array(images(own, 1, seed=3)[0])).bit_exact
    with pytest.raises(HilError, match="letters, digits and _, at most 40"):
        classifier(body, "n" * 41, (3, 8, 8), ("a", "b"))


def test_a_shape_that_does_not_come_out_is_refused() -> None:
    body = Body(lambda m, x: m.linear(m.conv(x).flatten(1)), conv=nn.Conv2d(3, 4, 3), linear=nn.Linear(100, 2))
    with pytest.raises(HilError, match="wrong does not take images of 8x8x3: mat1 and mat2 shapes"):
        classifier(body, "wrong", (3, 8, 8), ("a", "b"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"input_shape": (4, 8, 8)}, "expected \\(1 or 3, height, width\\)"),
        ({"name": "a b"}, "cannot be called 'a b'"),
        ({"input_mean": (1.0,)}, "a number for each of the 3 channels"),
        ({"input_scale": (0.0,) * 3}, "what they are multiplied by"),
    ],
)
def test_what_is_said_of_a_network_is_looked_at(changed: dict, message: str) -> None:
    body = Body(lambda m, x: x.mean((2, 3))[:, :2])
    with pytest.raises(HilError, match=message):
        classifier(body, **{"name": "two", "input_shape": (3, 8, 8), "classes": ("a", "b"), **changed})


def _maps(m: nn.Module, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    y = torch.relu(m.conv(x))
    z = torch.relu(m.conv2(y))
    return [(m.loc(y), m.conf(y)), (m.loc2(z), m.conf2(z))]


def _body_of_boxes() -> nn.Module:
    return Body(
        _maps,
        conv=nn.Conv2d(1, 8, 3, 4, 1), loc=nn.Conv2d(8, 4, 3, 1, 1), conf=nn.Conv2d(8, 3, 3, 1, 1),
        conv2=nn.Conv2d(8, 8, 3, 2, 1), loc2=nn.Conv2d(8, 4, 1), conf2=nn.Conv2d(8, 2, 1),
    )  # fmt: skip


def test_a_detector_gives_a_pair_of_maps_a_source() -> None:
    with pytest.raises(HilError, match="gives 2 values .* expected a list of 1 pairs"):
        detector(_body_of_boxes(), "boxes", (1, 30, 40), [Source(4, 12, background=2)])
    with pytest.raises(HilError, match=r"for Source 1, expected \[\(1, 4, 2, 3\), \(1, 2, 2, 3\)\]: step 16\?"):
        detector(_body_of_boxes(), "boxes", (1, 30, 40), [Source(4, 12, background=2), Source(16, 20)])


@needs_gcc
def test_a_detector_of_ones_own_finds_the_references_boxes(tmp_path: Path) -> None:
    torch.manual_seed(5)
    priors = [Source(4, 12, background=2), Source(8, 20)]
    own = detector(_body_of_boxes(), "boxes", (1, 30, 40), priors, score_threshold=0.4, nms_iou=0.5)
    graph = quantised(own)
    image = images(own, 1, seed=3)[0]
    trace_ = run(graph, image)
    made, boxes = Program(graph, tmp_path).run(image)
    assert len(boxes) > 3
    np.testing.assert_array_equal(boxes, detect(graph, trace_))
    assert abs(len(float_boxes(own, image)) - len(boxes)) <= 0.3 * len(boxes)


def _two_tensors() -> Tensors:
    torch.manual_seed(2)
    body = Body(
        lambda m, x: (m.mask(m.up(torch.relu(m.conv(x)))), m.vector(torch.relu(m.conv(x)).mean((2, 3)))),
        conv=nn.Conv2d(3, 8, 3, 2, 1), up=nn.Upsample(scale_factor=2), mask=nn.Conv2d(8, 2, 3, 1, 1),
        vector=nn.Linear(8, 5),
    )  # fmt: skip
    return tensors(body, "two_tensors", (3, 20, 28), ("mask", "vector"))


def test_plain_tensors_keep_their_signal() -> None:
    own = randomise(_two_tensors())
    graph, image = quantised(own), images(own, 1, seed=3)[0]
    made = run(graph, image)
    results = tensors_found(own, graph, lambda layer: made[layer], image)
    assert [(one.name, one.shape) for one in results] == [("mask", (20, 28, 2)), ("vector", (1, 1, 5))]
    assert all(one.signal_to_noise_db is not None and one.signal_to_noise_db > 25 for one in results)
    assert graph.layer(graph.outputs[0]).output.dtype == "int16"


@needs_gcc
def test_plain_tensors_are_the_references_bit_by_bit(tmp_path: Path) -> None:
    own = randomise(_two_tensors())
    graph, image = quantised(own), images(own, 1, seed=3)[0]
    made, _ = Program(graph, tmp_path).run(image)
    for name, expected in run(graph, image).items():
        if name != "image":
            np.testing.assert_array_equal(made[name], expected, err_msg=name)


def test_signal_to_noise_is_in_decibels() -> None:
    real = np.full((2, 2, 1), 10.0, np.float32)
    assert signal_to_noise_db(real, real + 1.0) == pytest.approx(20)
    assert signal_to_noise_db(real, real.astype(np.float64)) is None
    assert signal_to_noise_db(real * np.float32("nan"), real + 1.0) == -200, "no number is no signal"
    assert float_tensors(_two_tensors(), np.zeros((20, 28, 3), np.uint8))[1].shape == (1, 1, 5)


def test_the_number_of_tensors_is_looked_at() -> None:
    with pytest.raises(HilError, match="gives 2 tensors, expected 1"):
        tensors(_two_tensors().network, "one", (3, 20, 28))


# -- what the compiler refuses


def _classifier(function, **modules: nn.Module) -> nn.Module:
    return classifier(Body(function, **modules), "odd", (3, 12, 12), ("a", "b", "c"))


def test_control_flow_by_the_image_is_refused_with_its_line() -> None:
    def forward(m: nn.Module, x: Tensor) -> Tensor:
        x = m.conv(x)
        if x.mean() > 0:
            x = x * 2
        return x.mean((2, 3))

    with pytest.raises(HilError, match=r"test_own_network\.py line \d+, decides by the values of a map"):
        trace(_classifier(forward, conv=nn.Conv2d(3, 3, 3)))


def test_an_unknown_function_is_refused_with_its_line_and_what_is_known() -> None:
    with pytest.raises(
        HilError, match=r"does not know softmax at network \(softmax, test_own_network\.py line \d+\)"
    ) as e:
        trace(_classifier(lambda m, x: torch.softmax(m.conv(x), 1).mean((2, 3)), conv=nn.Conv2d(3, 3, 3)))
    assert "MaxPool2d" in str(e.value)


def test_too_many_maps_side_by_side_are_refused() -> None:
    def forward(m: nn.Module, x: Tensor) -> Tensor:
        y = torch.relu(m.conv(x))
        return m.last(torch.cat([y] * 10, 1)).mean((2, 3))

    with pytest.raises(HilError, match="cat of 10 maps .at most 9"):
        trace(_classifier(forward, conv=nn.Conv2d(3, 3, 3), last=nn.Conv2d(30, 3, 1)))
