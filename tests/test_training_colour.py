"""Training of the colour networks, in mixed precision, and with the firmware's rounding."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from labelled import write_discs
from networks import images, randomise

from hil.compiler import compile_network, run
from hil.compiler.reading.calibrate import calibrate
from hil.errors import HilError
from hil.reference import weights
from hil.reference.networks import SPECS, Detector, build
from hil.training.augment import Crop, cut
from hil.training.batches import Batches
from hil.training.device import Device, choose
from hil.training.fake_quantise import keep_statistics, quantise_aware, rounded_outputs
from hil.training.loop import begin, step, train
from hil.training.photos import as_planes, open_photos
from hil.training.recipe import Recipe, load_recipe

COLOUR = [name for name, spec in SPECS.items() if spec.input_shape[0] == 3]
SMALL = Recipe(images=4, batch=2, holdout_every=3, colour=12.0, face_size=(10.0, 200.0))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photos of 320x240 with a red disc each for a face."""
    return write_discs(tmp_path_factory.mktemp("wider"))


def test_colour_photos_are_read_when_they_are_wanted(data: Path, tmp_path: Path) -> None:
    photos = open_photos([data], "train", is_mono=False)
    planes = as_planes(photos.photo(0))
    assert len(photos) == 4 and planes.shape == (3, 240, 320)
    assert planes[0, 80, 70] > 220 > 60 > planes[2, 80, 70], "the disc is red"
    (tmp_path / "wider_face_split").symlink_to(data / "wider_face_split")
    with pytest.raises(HilError, match="4 photos are missing, .*0--Discs/0_0.jpg"):
        open_photos([tmp_path], "train", is_mono=False)


def test_a_grey_photo_is_cut_alike_in_colour_and_in_luma() -> None:
    luma = np.random.default_rng(0).integers(0, 256, (90, 120), np.uint8)
    crop, recipe = Crop(-10.5, 7.0, 1.7, 1.6), replace(Recipe(), colour=0.0)
    mono = cut(luma, crop, (96, 128), 117.0, recipe, np.random.default_rng(1))
    colour = cut(np.repeat(luma[..., None], 3, 2), crop, (96, 128), np.full(3, 117.0, np.float32), recipe,
                 np.random.default_rng(1))  # fmt: skip
    assert colour.shape == (96, 128, 3)
    np.testing.assert_allclose(colour, np.repeat(mono[..., None], 3, 2), atol=1e-4)


@pytest.mark.parametrize("name", COLOUR)
def test_a_step_of_every_colour_network(name: str, data: Path) -> None:
    training = begin(name, replace(SMALL, batch=1, warm_up=0.0), 0)
    batch = Batches(open_photos([data], "train", is_mono=False), np.arange(4), SPECS[name], training.recipe, 0)[0]
    assert batch[0].shape == (1, *SPECS[name].input_shape)
    before = {key: value.clone() for key, value in training.network.named_parameters()}
    assert np.isfinite([*step(training, *batch).values()]).all()
    still = [key for key, value in training.network.named_parameters() if torch.equal(value, before[key])]
    idle = [key for key in still if not key.endswith(("zeta", "nu")) and not key.startswith("loc")]
    assert idle == [], "only a head without a face of its size has nothing to learn, and gates that are off"


@pytest.mark.parametrize("keeps_statistics", [False, True])
def test_statistics_stay_where_the_recipe_keeps_them(keeps_statistics: bool, data: Path) -> None:
    name = "rnnpool_face_quant"
    recipe = replace(SMALL, window=0.5, warm_up=0.0, keeps_statistics=keeps_statistics)
    training = begin(name, recipe, 0)
    batch = Batches(open_photos([data], "train", is_mono=False), np.arange(4), SPECS[name], recipe, 0)[0]
    convolution, norm = training.network.layers["conv0"].conv, training.network.layers["conv0"].bn
    weight, mean = convolution.weight.clone(), norm.running_mean.clone()
    step(training, *batch)
    assert torch.equal(norm.running_mean, mean) == keeps_statistics
    assert not torch.equal(convolution.weight, weight), "the rest learns"


def test_rnnpool_on_unscaled_levels_starts_unsaturated() -> None:
    training = begin("rnnpool_face_c", SMALL, 0)
    levels = training.network.normalise(torch.randint(0, 256, (1, 3, 480, 640), dtype=torch.uint8))
    cell = training.network.layers["rnnpool"].cell1
    with torch.no_grad():
        pre = levels[0].permute(1, 2, 0) @ cell.W
    assert 0.05 < pre.std() < 1
    (factor,) = {group["rate_factor"] for group in training.optimiser.param_groups if "rate_factor" in group}
    assert factor == pytest.approx(1 / 64)


def test_quant_trains_and_goes_on_where_it_stopped(data: Path, tmp_path: Path) -> None:
    options = {"recipe": SMALL, "threads": 1, "report_every": 2}
    checkpoint = train("rnnpool_face_quant", data, tmp_path, **options)
    assert weights.load(checkpoint).spec.name == "rnnpool_face_quant"
    train("rnnpool_face_quant", data, tmp_path, is_resumed=True, images=6, **options)
    history = json.loads((tmp_path / "history.json").read_text())
    assert [entry["images"] for entry in history] == [4, 6] and "ap_32px" in history[0]


def test_mixed_precision_changes_a_loss_little(data: Path) -> None:
    batch = Batches(open_photos([data], "train", is_mono=False), np.arange(4), SPECS["rnnpool_face_quant"], SMALL, 0)[0]
    plain = step(begin("rnnpool_face_quant", SMALL, 0), *batch)
    mixed = begin("rnnpool_face_quant", SMALL, 0, device=Device("cpu", is_mixed=True))
    kinds = set()
    for name in ("rnnpool", "conv1"):
        mixed.network.layers[name].register_forward_hook(lambda _m, _i, out: kinds.add(out.dtype))
    assert step(mixed, *batch) == pytest.approx(plain, rel=0.15)
    assert kinds == {torch.float32, torch.bfloat16}, "RNNPool keeps float32, convolutions do not"


def test_devices_that_are_not_there_are_refused() -> None:
    assert choose("cpu", "auto") == Device("cpu", False)
    if not torch.cuda.is_available():
        with pytest.raises(HilError, match="no GPU"):
            choose("cuda")
    with pytest.raises(HilError, match="--device is one of"):
        choose("tpu")


@pytest.fixture(scope="module")
def calibrated() -> tuple[torch.nn.Module, dict[str, float], np.ndarray]:
    torch.manual_seed(0)
    network = randomise(build("rnnpool_face_m4"))
    shown = images(network, 3, seed=1)
    return network, calibrate(network, shown), shown[0]


def head_offsets(network: Detector, x: torch.Tensor, pooled: torch.Tensor) -> list[torch.Tensor]:
    """The box offsets of a network whose RNNPool gives what the integer one does: its tables are not imitated."""
    hook = network.layers["rnnpool"].register_forward_hook(lambda *_: pooled)
    with torch.no_grad():
        found = [loc for loc, _ in network.maps(x)]
    hook.remove()
    return found


def test_the_rounding_network_computes_what_the_firmware_does(calibrated) -> None:  # type: ignore[no-untyped-def]
    network, ranges, image = calibrated
    graph = compile_network(network, ranges)
    trace = run(graph, image)
    rounding = build("rnnpool_face_m4")
    rounding.load_state_dict(network.state_dict())
    quantise_aware(rounding.eval(), ranges)
    names = {name for name, _, _ in rounded_outputs(rounding)}
    assert names == {layer.output.name for layer in graph.layers if layer.output.dtype != "int16"}
    pooled = torch.from_numpy(trace["rnnpool"] * np.float32(2**-7)).permute(2, 0, 1)[None]
    x = network.normalise(torch.from_numpy(image).permute(2, 0, 1)[None])
    exact, plain = (head_offsets(model, x, pooled) for model in (rounding, network.eval()))
    compared = 0
    for i, (near, far) in enumerate(zip(exact, plain, strict=True)):
        made = trace[f"head{i}"][..., :4].transpose(2, 0, 1) * 2.0**-10
        is_made = made.any(0)  # where no score passes, the firmware makes no offsets
        if is_made.sum() < 20:
            continue
        error, loss = (float(np.square(found[0].numpy() - made)[:, is_made].mean()) for found in (near, far))
        assert error < loss / 4, f"head {i}: it rounds as the firmware does, the float network does not"
        compared += 1
    assert compared >= 2


def test_gradients_pass_the_rounding_and_statistics_stay(calibrated) -> None:  # type: ignore[no-untyped-def]
    network, ranges, image = calibrated
    rounding = build("rnnpool_face_m4")
    rounding.load_state_dict(network.state_dict())
    quantise_aware(rounding.train(), ranges)
    keep_statistics(rounding)
    before = rounding.layers["conv0"].bn.running_mean.clone()
    offsets, scores = rounding(network.normalise(torch.from_numpy(image).permute(2, 0, 1)[None]))
    (offsets.square().mean() + scores.square().mean()).backward()
    assert torch.equal(rounding.layers["conv0"].bn.running_mean, before)
    assert rounding.layers["conv0"].conv.weight.grad.abs().sum() > 0


def test_a_tensor_without_a_range_is_named(calibrated) -> None:  # type: ignore[no-untyped-def]
    network, ranges, _ = calibrated
    with pytest.raises(HilError, match="'mob1_add'"):
        quantise_aware(build("rnnpool_face_m4"), {k: v for k, v in ranges.items() if k != "mob1_add"})


def test_fine_tuning_with_rounding_keeps_the_ranges(calibrated, data: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    network, ranges, _ = calibrated
    start = tmp_path / "start.safetensors"
    options = {"recipe": SMALL, "threads": 1, "report_every": 2, "is_quantised": True, "start": start}
    weights.save(network, start)
    with pytest.raises(HilError, match="hil quantise"):
        train("rnnpool_face_m4", data, tmp_path / "out", **options)
    weights.save(network, start, {"ranges": json.dumps(ranges)})
    tuned = train("rnnpool_face_m4", data, tmp_path / "out", **options)
    assert json.loads(weights.metadata(tuned)["ranges"]) == ranges
    assert set(weights.load(tuned).state_dict()) == set(network.state_dict())


@pytest.mark.parametrize("name", SPECS)
def test_every_network_has_a_recipe(name: str) -> None:
    assert load_recipe(name).images >= 100_000


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("rate = 1", "has no rate"), ("batch = 1.5", "batch is 1.5"), ("zoom = [1.0]", "zoom"), ("batch =", "not TOML"),
     ("gain = [true, 1]", "gain")],
)  # fmt: skip
def test_bad_recipes_are_named(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(HilError, match=complaint):
        load_recipe("rnnpool_face_m4", tmp_path / "mine.toml")


def test_a_state_from_before_a_constant_was_there_resumes(tmp_path: Path) -> None:
    training = begin("rnnpool_face_m4", Recipe(), 0)
    training.save(tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    recipe, *rest = json.loads(state["plain"])
    del recipe["colour"]
    torch.save({**state, "plain": json.dumps([recipe, *rest])}, tmp_path / "state.pt")
    begin("rnnpool_face_m4", load_recipe("rnnpool_face_m4"), 0).restore(tmp_path / "state.pt")
    other = begin("rnnpool_face_m4", replace(Recipe(), colour=5.0), 0)
    with pytest.raises(HilError, match="another recipe"):
        other.restore(tmp_path / "state.pt")
    assert asdict(load_recipe("rnnpool_face_m4")) == asdict(Recipe())
