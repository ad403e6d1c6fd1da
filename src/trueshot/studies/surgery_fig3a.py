"""Surgery, Fig. 3a: supernets with fewer layers than the network."""

from __future__ import annotations

from trueshot.studies.surgery_proxies import proxy_study

LAYERS = {f"{2 + 3 * cells} layers": {"space.arguments.cells": cells} for cells in (1, 2, 3)}

STUDY = proxy_study(
    name="surgery-fig3a",
    title="Surgery, Fig. 3a: supernets with fewer layers than the network",
    question="Does a supernet with fewer layers rank worse?",
    conditions=LAYERS,
    says="fewer layers rank worse",
    below=0.0,
)
