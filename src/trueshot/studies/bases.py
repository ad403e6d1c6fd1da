"""Settings that studies share, so that the bank can share what they train: images, spaces and supernets by scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]

DIGITS: Settings = {
    "source": "digits",
    "data": {"max_images": 400, "max_test_images": 100},
    "supernet.augmentation": {"crop_padding": 1, "padding": "black", "brightness": 0.2, "contrast": 0.2},
}
"""The images of every smoke run."""

CIFAR16: Settings = {
    "source": "cifar10",
    "data": {"image_size": 16},
    "supernet.augmentation": {"crop_padding": 2, "flip": 0.5},
}
"""All of CIFAR-10 at half resolution, a fifth of the training images for validation."""

IMAGENET: Settings = {
    "source": "imagenet",
    "data": {"image_size": 224, "validation_fraction": 50_000 / 1_281_167},
    "supernet.augmentation": {
        "resized_crop": (0.08, 1.0),
        "flip": 0.5,
        "brightness": 0.4,
        "contrast": 0.4,
        "saturation": 0.4,
    },
}
"""ImageNet, of whose training images as many are set aside as there are test images."""

TRUTH: Settings = {
    "file": "nasbench201.parquet",
    "columns": {"truth": "cifar10_test_200", "12 epochs of training": "cifar10_valid_12"},
}
"""Means over the benchmark's seeds: test accuracy after 200 epochs, and validation accuracy after 12."""

NB201_SMOKE: Settings = {
    **DIGITS,
    "space": {"name": "nasbench201", "arguments": {"channels": 4, "cells": 1, "affine": False}},
    "supernet.recipe": {"epochs": 2, "batch_size": 64, "lr": 0.05, "weight_decay": 5e-4, "clip": 5.0},
    "supernet.sampler": "uniform",
    "evaluation": {"recalibration": {"mode": "batch", "batch_size": 80}, "metric": "loss"},
    "truth": TRUTH,
    "resamples": 100,
}

NB201_CPU: Settings = {
    **CIFAR16,
    "space": {"name": "nasbench201", "arguments": {"channels": 8, "cells": 1, "affine": False}},
    "supernet.recipe": {
        "epochs": 24,
        "batch_size": 256,
        "lr": 0.1,
        "final_lr": 0.001,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "clip": 5.0,
    },
    "supernet.sampler": "uniform",
    "evaluation": {
        "recalibration": {"mode": "batch", "batch_size": 500},
        "metric": "loss",
        "images": 500,
        "batch_size": 500,
    },
    "truth": TRUTH,
}
"""The supernet of the preset ``rank-cpu``, but for its sampling: one architecture a step, as in the papers."""

TOPOLOGY_CPU: Settings = {
    **CIFAR16,
    "data": {"image_size": 16, "max_images": 20_000, "max_test_images": 4_000},
    "space": {
        "name": "topology",
        "arguments": {
            "nodes": (2, 3, 2),
            "widths": (12, 24, 40),
            "kernels": (3,),
            "stem_stride": 1,
            "head_width": 96,
        },
    },
    "supernet.recipe": {
        "epochs": 12,
        "batch_size": 64,
        "lr": 0.5,
        "final_lr": 0.005,
        "momentum": 0.0,
        "clip": 5.0,
    },
    "evaluation": {"recalibration": {"mode": "reset", "batches": 1, "batch_size": 512}, "images": 1000},
}
