"""The figures that the RNNPool paper prints (Saha et al., NeurIPS 2020), and why ours differ where they do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from hil.reference import imagenet
from hil.reference.catalogue import SPECS, TableSpec
from hil.reference.costs import Costs, costs
from hil.reference.networks import DetectorSpec, Row, Source
from hil.reference.rows import Mb, Pool

CELLS = "with other cells; of MobileNetV2-RNNPool's operations the paper's Table 18 says"
QUARTER = "operations of RNNPool by Algorithm 1, of which the paper's total holds about a quarter"


@dataclass(frozen=True)
class Printed:
    """What the paper says of a network, as printed; None where it says nothing.

    peak: which activations its peak RAM stands for: a block's input and output ("pair") or one map ("map"), and in how
    many bytes each. precision: AP easy, medium and hard on WIDER FACE, or accuracy; flash: of the model; cycles: of an
    image on an STM32F439.
    """

    parameters: str | None = None
    operations: str | None = None
    ram: str | None = None
    peak: Literal["pair", "map"] = "pair"
    bytes_each: int = 1
    precision: str | None = None
    flash: str | None = None
    cycles: str | None = None


@dataclass(frozen=True)
class Entry:
    """A network, or a variant that only serves to explain the paper's figures.

    is_sparse: operations are counted as the paper counts M4's; difference: why ours are not the paper's, in a line.
    """

    title: str
    spec: TableSpec
    printed: Printed = Printed()
    difference: str = ""
    is_sparse: bool = False

    def costs(self) -> Costs:
        """What the network costs; a second or two."""
        return costs(self.spec)

    def operations(self, found: Costs) -> int:
        """The figure to lay beside the paper's "MAdds"."""
        return found.sparse_operations if self.is_sparse else found.macs

    def peak_bytes(self, found: Costs) -> int:
        """Peak RAM of activations as the paper counts it for this network."""
        elements = found.largest_pair if self.printed.peak == "pair" else found.largest_map
        return elements * self.printed.bytes_each


def entries() -> tuple[Entry, ...]:
    """All networks in the paper's order, each followed by the variants that explain it."""
    m4, quant, a, b, c = (SPECS[f"rnnpool_face_{name}"] for name in ("m4", "quant", "a", "b", "c"))
    front, both, end = (SPECS[f"vww_mobilenet_{name}rnnpool"] for name in ("", "2", "last_"))
    assert all(isinstance(spec, DetectorSpec) for spec in (quant, a, c))
    ten = {name.removeprefix("imagenet10_"): spec for name, spec in imagenet.SPECS.items()}
    return (
        Entry("rnnpool_face_m4", m4, Printed(ram="188 KB", flash="160 KB", cycles="1,756 M"),
              "the paper's RAM is its C code's whole arena, not a block's maps"),
        Entry("  sparse, as published", m4, Printed(operations="70M", ram="188 KB"),
              "half of W1 and 30 % of U1, W2, U2 kept, and 3 operations more a hidden unit and step", is_sparse=True),
        Entry("rnnpool_face_m4_sparse", SPECS["rnnpool_face_m4_sparse"], Printed(),
              "M4's table with zeros in 2x2 blocks and tied biases, here counted as if it were dense"),
        Entry("rnnpool_face_quant", quant, Printed("0.07M", "0.12G", "225 KB", precision="0.80 / 0.78 / 0.53"),
              "the published code has 8 hidden units; the paper's count fits the 4 of its text (next row)"),
        Entry("  4 hidden units", _changed(quant, Pool, hidden1=4, hidden2=4), Printed(operations="0.12G")),
        Entry("rnnpool_face_a", a, Printed("0.06M", "0.10G", "1.17 MB", "map", 4, precision="0.77 / 0.75 / 0.53"),
              "the paper's parameters fit expansions of 1 throughout (next row); its operations are not explained"),
        Entry("  expansions of 1", _changed(a, Mb, t=1), Printed("0.06M", "0.10G")),
        Entry("rnnpool_face_b", b, Printed("1.12M", "1.18G", "1.76 MB", "map", 4, precision="0.87 / 0.84 / 0.67"),
              "its table's rows give more parameters and operations than the paper's totals; not explained"),
        Entry("rnnpool_face_c", c,
              Printed("1.52M", "1.80G", "6.44 MB", "pair", 4, precision="0.92 / 0.89 / 0.70"),
              "the published code is built (the paper's table: next row); its operations are not explained"),
        Entry("  as its table has it", _c_of_the_table(c), Printed("1.52M", "1.80G", "6.44 MB", "pair", 4),
              "expansion 6 in both first blocks and 3x3 heads: neither is what the published code does"),
        Entry("rnnpool_face_qvga_mono", SPECS["rnnpool_face_qvga_mono"], Printed(),
              "in the published code only; its C code's arena is 188,160 B"),
        Entry("vww_mobilenet_rnnpool", front, Printed(ram="33.7 KB", precision="89.6 %"),
              "the paper does not say which maps it counts; the largest block's input and output are less"),
        Entry("vww_mobilenet_2rnnpool", both, Printed(), "in the published code only"),
        Entry("vww_mobilenet_last_rnnpool", end, Printed(),
              "a third party's; nothing lies behind its RNNPool, so the paper's way of counting says nothing"),
        Entry("vww_mobilenet_rnnpool_gru", SPECS["vww_mobilenet_rnnpool_gru"], Printed(),
              f"the first VWW network {CELLS} GRU +9 %"),
        Entry("vww_mobilenet_rnnpool_lstm", SPECS["vww_mobilenet_rnnpool_lstm"], Printed(),
              f"the first VWW network {CELLS} LSTM +18 %"),
        Entry("imagenet10_mobilenetv2", ten["mobilenetv2"],
              Printed("2.20M", "0.30G", "2.29 MB", "pair", 4, precision="94.20 %")),
        Entry("imagenet10_mobilenetv2_rnnpool", ten["mobilenetv2_rnnpool"],
              Printed("2.00M", "0.23G", "0.24 MB", "pair", 4, precision="94.40 %"),
              f"the paper's Table 10 is built; its parameters are not explained; {QUARTER}"),
        Entry("imagenet10_densenet121", ten["densenet121"],
              Printed("6.96M", "2.83G", "3.06 MB", "map", 4, precision="95.40 %")),
        Entry("imagenet10_densenet121_rnnpool", ten["densenet121_rnnpool"],
              Printed("5.60M", "1.04G", "0.77 MB", "map", 4, precision="94.80 %"),
              f"192 channels behind RNNPool fit its 48 hidden units and parameters, not its text's 128; {QUARTER}"),
        Entry("imagenet10_efficientnet_b0_rnnpool", ten["efficientnet_b0_rnnpool"],
              Printed("3.90M", "0.33G", "0.25 MB", "pair", 4, precision="96.40 %"),
              "neither its parameters nor its operations are explained"),
        Entry("imagenet10_resnet18_rnnpool", ten["resnet18_rnnpool"],
              Printed("10.60M", "0.95G", "0.38 MB", "map", 4, precision="94.40 %"),
              "RNNPool in the place of conv2_x and conv3_x, as its peak RAM has it; the rest is not explained"),
        Entry("imagenet10_googlenet_rnnpool", ten["googlenet_rnnpool"],
              Printed("9.35M", "0.81G", "0.78 MB", "map", 4, precision="95.60 %"),
              "without the auxiliary classifiers that the paper's parameters seem to count; its RAM is an Inception "
              "block's input and three smallest outputs, ours one map's"),
    )  # fmt: skip


def _changed(spec: TableSpec, kind: type, **fields: int) -> TableSpec:
    """A table whose rows of a kind have other fields."""
    rows: tuple[Row, ...] = tuple(
        replace(cast(Any, row), **fields) if isinstance(row, kind) else row for row in spec.rows
    )
    return replace(spec, rows=rows)  # type: ignore[arg-type]


def _c_of_the_table(code: TableSpec) -> TableSpec:
    """C as the paper's table has it: its first two blocks alike, every head 3x3."""
    first = code.rows.index(Mb(24, 1))
    rows = (*code.rows[:first], Mb(24, 6, repeat=2), *code.rows[first + 2 :])
    return _changed(replace(code, rows=rows), Source, kernel=3)  # type: ignore[arg-type]
