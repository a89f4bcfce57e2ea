"""Every network by name, and those of one's own by where they are."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from hil.errors import HilError
from hil.reference import classifiers, found, imagenet, networks
from hil.reference.classifiers import Classifier, ClassifierSpec
from hil.reference.networks import Detector, DetectorSpec
from hil.reference.own import Tensors, TensorSpec

Network = Detector | Classifier | Tensors
TableSpec = DetectorSpec | ClassifierSpec
Spec = TableSpec | TensorSpec

SPECS: dict[str, TableSpec] = {**networks.SPECS, **classifiers.SPECS, **imagenet.SPECS}


def build(name: str) -> Network:
    """A freshly initialised network by name, or by a reference (hil.reference.found).

    Raises HilError for an unknown name, listing the known ones, and as found.make does.
    """
    if name in SPECS:
        return of_spec(SPECS[name])
    if found.is_reference(name):
        return cast(Network, found.make(name))
    raise HilError(
        f"unknown network {name!r}: known are {', '.join(SPECS)}; one of your own is --network FILE.py:FUNCTION"
    )


def of_checkpoint(name: str, made_by: str | None, folder: Path) -> Network:
    """The network that a checkpoint is for: a known one, or what it was made by, which may lie beside it.

    `--network` comes first for any network that the bench does not have. Raises HilError where it is none of the name.
    """
    given = found.insisted()
    if given in SPECS and given != name:
        raise HilError(f"the checkpoint is of {name}, and --network says {given}: name one of the two")
    if name in SPECS:
        return of_spec(SPECS[name])
    if given is None and made_by is None:
        return build(name)
    network = found.make(given) if given else found.make(cast(str, made_by), (folder, Path()))
    if network.spec.name != name:
        raise HilError(
            f"{given or made_by} makes {network.spec.name}, and the checkpoint is of {name}: name the other file"
        )
    return cast(Network, network)


def of_spec(spec: TableSpec) -> Detector | Classifier:
    """A freshly initialised network of a table."""
    return Classifier(spec) if isinstance(spec, ClassifierSpec) else Detector(spec)
