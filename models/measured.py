"""What was measured of the models that ship, and how the estimate reads each profile. Data only.

Written by `python -m benchmarks.mismatch --record`; see docs/adding-a-model.md. Not edited by hand.
"""

from __future__ import annotations

from models.envelope import Gained, Limits, Measured, Reading

# Medians of noise, blur, blockiness, combing and QP, by profile
CONDITIONS: dict[str, Reading] = {
    "clean-bicubic": Reading(1.761, 0.429, 0.168, 0.0, None),
    "classical": Reading(7.311, 0.579, 0.068, 0.0, None),
    "classical-bd": Reading(1.671, 0.548, 0.273, 0.0, None),
    "classical-dn": Reading(20.274, 0.439, 0.088, 0.0, None),
    "glean-blind": Reading(4.884, 1.232, 0.0, 0.0, None),
    "second-order": Reading(6.32, 0.654, 0.628, 0.0, None),
    "surveillance": Reading(0.981, 0.505, 2.278, 0.0, 34.834),
    "surveillance-crf28": Reading(4.0, 0.463, 0.969, 0.0, 31.7),
    "surveillance-day": Reading(1.068, 0.529, 1.858, 0.001, 36.687),
    "surveillance-night-ir": Reading(4.722, 0.65, 0.237, 0.0, None),
    "surveillance-interlaced": Reading(4.035, 0.643, 1.292, 0.069, 32.112),
    "low-bitrate-h264": Reading(0.583, 0.476, 3.065, 0.001, 41.997),
    "low-bitrate-h265": Reading(1.721, 0.584, 1.054, 0.0, None),
    "reencoded": Reading(0.746, 0.612, 0.598, 0.0, None),
    "oversharpened": Reading(13.357, 0.0, 0.035, 0.0, None),
    "noise-only": Reading(8.383, 0.44, 0.0, 0.0, None),
    "blur-only": Reading(0.309, 0.852, 0.007, 0.0, None),
    "jpeg-only": Reading(1.283, 0.502, 3.812, 0.0, None),
}

# By model; its gains by scale and profile: mean, low, high, share of the scenes that gain
MEASURED: dict[str, Measured] = {
    "lanczos": Measured(
        sha256=None,
        limits=None,
        gains={
            4: {
                "clean-bicubic": Gained(0.216, 0.168, 0.269, 1.0),
                "classical": Gained(-0.01, -0.117, 0.094, 0.5),
                "classical-bd": Gained(0.026, 0.011, 0.041, 0.875),
                "classical-dn": Gained(-0.427, -0.501, -0.342, 0.0),
                "glean-blind": Gained(0.007, -0.027, 0.044, 0.5),
                "second-order": Gained(-0.057, -0.123, -0.006, 0.375),
                "surveillance": Gained(0.029, -0.019, 0.076, 0.625),
                "surveillance-crf28": Gained(0.02, -0.012, 0.054, 0.5),
                "surveillance-day": Gained(0.018, -0.051, 0.066, 0.75),
                "surveillance-night-ir": Gained(-0.054, -0.15, 0.035, 0.5),
                "surveillance-interlaced": Gained(-0.126, -0.158, -0.102, 0.0),
                "low-bitrate-h264": Gained(-0.033, -0.113, 0.019, 0.75),
                "low-bitrate-h265": Gained(-0.035, -0.126, 0.029, 0.75),
                "reencoded": Gained(0.048, 0.027, 0.072, 1.0),
                "oversharpened": Gained(-0.238, -0.364, -0.115, 0.125),
                "noise-only": Gained(0.012, -0.062, 0.091, 0.5),
                "blur-only": Gained(0.143, 0.093, 0.209, 1.0),
                "jpeg-only": Gained(0.008, -0.024, 0.041, 0.5),
            },
        },
    ),
    "espcn-x4": Measured(
        sha256="3411c6a6c453173f62dcc934016326de3fe803286d145ff8ba8962faea7a1c44",
        limits=Limits(noise=14.9, blur=1.0, blockiness=6.0, quantiser=38.7, interlaced=False, grey=True),
        gains={
            4: {
                "clean-bicubic": Gained(0.749, 0.609, 0.894, 1.0),
                "classical": Gained(0.265, 0.028, 0.542, 0.625),
                "classical-bd": Gained(-0.114, -0.17, -0.06, 0.125),
                "classical-dn": Gained(-0.311, -0.402, -0.215, 0.0),
                "glean-blind": Gained(0.05, -0.009, 0.117, 0.625),
                "second-order": Gained(-0.045, -0.156, 0.046, 0.5),
                "surveillance": Gained(0.249, 0.159, 0.347, 1.0),
                "surveillance-crf28": Gained(0.351, 0.259, 0.433, 1.0),
                "surveillance-day": Gained(0.231, 0.164, 0.302, 1.0),
                "surveillance-night-ir": Gained(0.138, 0.055, 0.235, 0.875),
                "surveillance-interlaced": Gained(-0.202, -0.291, -0.133, 0.0),
                "low-bitrate-h264": Gained(0.023, -0.087, 0.119, 0.75),
                "low-bitrate-h265": Gained(0.154, -0.0, 0.285, 0.75),
                "reencoded": Gained(0.23, 0.187, 0.268, 1.0),
                "oversharpened": Gained(-0.187, -0.452, 0.082, 0.375),
                "noise-only": Gained(0.34, 0.18, 0.493, 0.875),
                "blur-only": Gained(0.346, 0.154, 0.594, 0.875),
                "jpeg-only": Gained(0.214, 0.089, 0.344, 0.875),
            },
        },
    ),
}
