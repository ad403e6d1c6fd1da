"""Surgery, Fig. 3b: supernets with fewer channels than the network."""

from __future__ import annotations

from trueshot.studies.surgery_proxies import proxy_study

CHANNELS = {f"{channels} channels": {"space.arguments.channels": channels} for channels in (4, 8, 16)}

STUDY = proxy_study(
    name="surgery-fig3b",
    title="Surgery, Fig. 3b: supernets with fewer channels than the network",
    question="Does a supernet with fewer channels rank as well?",
    conditions=CHANNELS,
    says="fewer channels have little influence: less than 0.02",
    above=-0.02,
    below=0.02,
)
