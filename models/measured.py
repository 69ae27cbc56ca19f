"""What was measured of the models that ship, and how the estimate reads each profile. Data only.

Written by `python -m benchmarks.mismatch --record`; see docs/adding-a-model.md. Not edited by hand.
"""

from __future__ import annotations

from models.envelope import Gained, Limits, Measured, Reading

# Medians of noise, blur, blockiness, combing and QP, by profile
CONDITIONS: dict[str, Reading] = {
    "clean-bicubic": Reading(1.243, 0.399, 0.063, 0.0, None),
    "classical": Reading(10.083, 0.604, 0.074, 0.0, None),
    "classical-bd": Reading(0.968, 0.535, 0.226, 0.0, None),
    "classical-dn": Reading(20.274, 0.401, 0.0, 0.0, None),
    "glean-blind": Reading(4.884, 1.175, 0.0, 0.0, None),
    "second-order": Reading(6.32, 0.588, 0.45, 0.0, None),
    "surveillance": Reading(0.981, 0.485, 2.278, 0.0, 31.19),
    "surveillance-crf28": Reading(2.862, 0.45, 0.938, 0.0, 31.7),
    "surveillance-day": Reading(1.881, 0.52, 1.352, 0.0, 36.248),
    "surveillance-night-ir": Reading(3.18, 0.564, 0.291, 0.0, 32.326),
    "surveillance-interlaced": Reading(1.996, 0.612, 0.992, 0.076, 30.49),
    "low-bitrate-h264": Reading(0.49, 0.476, 2.989, 0.001, 41.685),
    "low-bitrate-h265": Reading(1.496, 0.583, 0.919, 0.0, None),
    "reencoded": Reading(0.683, 0.608, 0.914, 0.0, 30.328),
    "oversharpened": Reading(8.571, 0.0, 0.035, 0.0, None),
    "noise-only": Reading(7.728, 0.357, 0.0, 0.0, None),
    "blur-only": Reading(0.3, 0.864, 0.012, 0.0, None),
    "jpeg-only": Reading(0.786, 0.501, 3.812, 0.0, None),
}

# By model; its gains by scale and profile: mean, low, high, share of the scenes that gain
MEASURED: dict[str, Measured] = {
    "lanczos": Measured(
        sha256=None,
        limits=None,
        gains={
            2: {
                "clean-bicubic": Gained(0.571, 0.483, 0.675, 1.0),
                "classical": Gained(-0.203, -0.364, -0.043, 0.333),
                "classical-bd": Gained(0.15, 0.138, 0.161, 1.0),
                "classical-dn": Gained(-0.636, -0.692, -0.575, 0.0),
                "glean-blind": Gained(-0.025, -0.049, 0.001, 0.133),
                "second-order": Gained(-0.095, -0.153, -0.044, 0.2),
                "surveillance": Gained(-0.001, -0.099, 0.084, 0.667),
                "surveillance-crf28": Gained(0.03, -0.02, 0.075, 0.733),
                "surveillance-day": Gained(0.024, -0.038, 0.082, 0.667),
                "surveillance-night-ir": Gained(-0.163, -0.286, -0.051, 0.267),
                "surveillance-interlaced": Gained(-0.144, -0.188, -0.099, 0.133),
                "low-bitrate-h264": Gained(0.01, -0.02, 0.041, 0.6),
                "low-bitrate-h265": Gained(0.035, -0.007, 0.071, 0.8),
                "reencoded": Gained(0.083, 0.048, 0.115, 0.867),
                "oversharpened": Gained(-0.333, -0.456, -0.214, 0.067),
                "noise-only": Gained(0.001, -0.098, 0.097, 0.6),
                "blur-only": Gained(0.246, 0.165, 0.345, 1.0),
                "jpeg-only": Gained(0.032, 0.001, 0.067, 0.6),
            },
            4: {
                "clean-bicubic": Gained(0.209, 0.177, 0.245, 1.0),
                "classical": Gained(-0.117, -0.232, -0.007, 0.4),
                "classical-bd": Gained(0.023, 0.013, 0.032, 0.867),
                "classical-dn": Gained(-0.476, -0.541, -0.408, 0.0),
                "glean-blind": Gained(0.008, -0.018, 0.04, 0.333),
                "second-order": Gained(-0.065, -0.109, -0.025, 0.267),
                "surveillance": Gained(-0.03, -0.115, 0.04, 0.533),
                "surveillance-crf28": Gained(0.001, -0.031, 0.03, 0.533),
                "surveillance-day": Gained(0.01, -0.039, 0.052, 0.667),
                "surveillance-night-ir": Gained(-0.115, -0.225, -0.021, 0.333),
                "surveillance-interlaced": Gained(-0.116, -0.151, -0.076, 0.133),
                "low-bitrate-h264": Gained(-0.042, -0.091, -0.004, 0.467),
                "low-bitrate-h265": Gained(-0.053, -0.111, -0.004, 0.467),
                "reencoded": Gained(0.035, 0.02, 0.051, 0.867),
                "oversharpened": Gained(-0.261, -0.348, -0.172, 0.067),
                "noise-only": Gained(-0.02, -0.09, 0.045, 0.467),
                "blur-only": Gained(0.134, 0.099, 0.177, 1.0),
                "jpeg-only": Gained(-0.003, -0.024, 0.019, 0.467),
            },
        },
    ),
    "espcn-x2": Measured(
        sha256="8dd7f78af4f19f183ba19c3f5dcd4e550dcfc1e0b74a58484b946064ed06e5c4",
        limits=Limits(noise=20.6, blur=1.1, blockiness=7.2, quantiser=47.5, interlaced=False, grey=True),
        gains={
            2: {
                "clean-bicubic": Gained(1.367, 1.141, 1.595, 1.0),
                "classical": Gained(0.321, 0.153, 0.543, 0.8),
                "classical-bd": Gained(0.188, 0.132, 0.233, 0.933),
                "classical-dn": Gained(0.034, -0.005, 0.08, 0.533),
                "glean-blind": Gained(-0.001, -0.025, 0.026, 0.533),
                "second-order": Gained(-0.066, -0.151, 0.003, 0.467),
                "surveillance": Gained(0.281, 0.126, 0.436, 0.867),
                "surveillance-crf28": Gained(0.421, 0.331, 0.512, 1.0),
                "surveillance-day": Gained(0.365, 0.24, 0.488, 0.933),
                "surveillance-night-ir": Gained(0.048, -0.126, 0.187, 0.8),
                "surveillance-interlaced": Gained(-0.249, -0.35, -0.151, 0.133),
                "low-bitrate-h264": Gained(0.06, -0.025, 0.143, 0.667),
                "low-bitrate-h265": Gained(0.287, 0.168, 0.395, 0.933),
                "reencoded": Gained(0.289, 0.201, 0.378, 1.0),
                "oversharpened": Gained(-0.326, -0.569, -0.072, 0.333),
                "noise-only": Gained(0.378, 0.188, 0.569, 0.867),
                "blur-only": Gained(0.474, 0.234, 0.77, 1.0),
                "jpeg-only": Gained(0.251, 0.126, 0.4, 0.867),
            },
        },
    ),
    "espcn-x4": Measured(
        sha256="3411c6a6c453173f62dcc934016326de3fe803286d145ff8ba8962faea7a1c44",
        limits=Limits(noise=17.3, blur=1.8, blockiness=7.4, quantiser=47.5, interlaced=False, grey=True),
        gains={
            4: {
                "clean-bicubic": Gained(0.71, 0.575, 0.85, 1.0),
                "classical": Gained(0.085, -0.093, 0.282, 0.467),
                "classical-bd": Gained(-0.123, -0.16, -0.088, 0.067),
                "classical-dn": Gained(-0.372, -0.446, -0.296, 0.0),
                "glean-blind": Gained(0.065, 0.012, 0.136, 0.667),
                "second-order": Gained(-0.04, -0.106, 0.018, 0.467),
                "surveillance": Gained(0.15, 0.041, 0.252, 0.8),
                "surveillance-crf28": Gained(0.31, 0.244, 0.377, 1.0),
                "surveillance-day": Gained(0.247, 0.167, 0.331, 1.0),
                "surveillance-night-ir": Gained(0.043, -0.101, 0.16, 0.733),
                "surveillance-interlaced": Gained(-0.19, -0.277, -0.107, 0.133),
                "low-bitrate-h264": Gained(0.01, -0.056, 0.072, 0.6),
                "low-bitrate-h265": Gained(0.116, 0.021, 0.207, 0.667),
                "reencoded": Gained(0.174, 0.133, 0.213, 1.0),
                "oversharpened": Gained(-0.244, -0.424, -0.059, 0.333),
                "noise-only": Gained(0.273, 0.124, 0.408, 0.867),
                "blur-only": Gained(0.298, 0.143, 0.488, 0.933),
                "jpeg-only": Gained(0.16, 0.07, 0.263, 0.733),
            },
        },
    ),
}
