"""Every network by name."""

from __future__ import annotations

from hil.errors import HilError
from hil.reference import classifiers, networks
from hil.reference.classifiers import Classifier, ClassifierSpec
from hil.reference.networks import Detector, DetectorSpec

Network = Detector | Classifier
Spec = DetectorSpec | ClassifierSpec

SPECS: dict[str, Spec] = {**networks.SPECS, **classifiers.SPECS}


def build(name: str) -> Network:
    """A freshly initialised network by name. Raises HilError for an unknown name, listing the known ones."""
    if name not in SPECS:
        raise HilError(f"unknown network {name!r}: known are {', '.join(SPECS)}")
    return of_spec(SPECS[name])


def of_spec(spec: Spec) -> Network:
    """A freshly initialised network of a table."""
    return Classifier(spec) if isinstance(spec, ClassifierSpec) else Detector(spec)
