"""Request and response bodies of the API. Shapes only; `views.py` fills them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pipeline.job import Codec, Detail, JobState, Problem, Quality, Reuse
from pipeline.model_choice import ModelChoice

MAX_NAME = 1024


def _absent(value: Any) -> Any:
    """An empty field of a web form means that nothing was chosen."""
    return None if value == "" else value


class SubmitOptions(BaseModel):
    """How a clip is to be enhanced. In the form of an upload, or in the query string."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str | None, BeforeValidator(_absent)] = Field(
        default=None,
        max_length=64,
        description="A name from GET /v1/models, or auto: chosen by the clip. Default: the service's default model.",
    )
    scale: Annotated[int | None, BeforeValidator(_absent)] = Field(
        default=None, ge=1, le=16, description="Enlargement, one of the model's scales. Default: its largest."
    )
    target_height: Annotated[int | None, BeforeValidator(_absent)] = Field(
        default=None, ge=16, le=8640, description="Height of the result as displayed, instead of a scale."
    )
    codec: Codec = Field(default=Codec.AUTO, description="auto: H.264, or HEVC for large or 10-bit pictures.")
    quality: Quality = Field(default=Quality.STANDARD, description="Ignored by the lossless codec ffv1.")
    keep_audio: bool = Field(default=True, description="Keep the clip's sound.")
    consistency: bool = Field(
        default=False,
        description="Change the enlargement until it shrinks to the source's pixels. Noise comes back too.",
    )
    reuse: Reuse = Field(
        default=Reuse.ON,
        description="on: a tile is kept until it changed beyond the noise. exact: while it is the same bit for bit. "
        "off: every tile of every frame is computed.",
    )
    fuse: bool = Field(
        default=False,
        description="Enhance what stands still from the mean of many frames, so that noise falls.",
    )
    detail: Detail = Field(
        default=0.0,
        description="0: weights trained to be near the truth. 1: trained to look real. Between: both. Two decimals.",
    )


class SubmitQuery(SubmitOptions):
    name: str | None = Field(default=None, max_length=MAX_NAME, description="File name of a raw body, for display.")
    dry_run: bool = Field(default=False, description="Enhance three sample frames and estimate, instead of the clip.")


class StreamBody(BaseModel):
    index: int
    kind: str
    codec: str
    detail: str = ""


class ClipFactsBody(BaseModel):
    """What was found in the clip. Sizes are of the coded picture, before rotation."""

    container: str
    codec: str
    width: int
    height: int
    pix_fmt: str
    bit_depth: int
    grey: bool
    rotation: int
    sample_aspect_ratio: str = Field(examples=["1/1"])
    interlaced: str
    duration_s: float | None
    average_rate: str | None = Field(examples=["25/1"], description="Frames per second as a fraction.")
    frames: int | None
    streams: list[StreamBody]
    warnings: list[str]


class OutputBody(BaseModel):
    """How the result is (or would be) written, and what was decided on the way."""

    width: int
    height: int
    codec: str
    container: str
    quality: str
    pix_fmt: str
    notes: list[str]


class OptionsBody(BaseModel):
    """The options as asked for, and the network's scale that follows from them."""

    model: str
    scale: int
    target_height: int | None
    codec: Codec
    quality: Quality
    keep_audio: bool
    consistency: bool
    reuse: Reuse
    fuse: bool
    detail: float


class DamageBody(BaseModel):
    packets: int = Field(description="Packets of the clip that could not be decoded.")
    frames: int = Field(description="Frames that the decoder marked as damaged.")


class SegmentsBody(BaseModel):
    done: int
    total: int | None = Field(description="Known once the clip is planned.")


class SourceBody(BaseModel):
    name: str = Field(description="As the client called it, cleaned for display.")
    bytes: int
    sha256: str


class ResultBody(BaseModel):
    bytes: int
    sha256: str
    name: str = Field(description="What a download is called.")


class DegradationBody(BaseModel):
    """How degraded the clip is, estimated from a few frames. Levels are of 8 bits, pixels the source's."""

    frames: int = Field(description="How many were looked at.")
    noise: float = Field(description="Standard deviation on flat places, levels.")
    blur: float | None = Field(description="Sigma of the equivalent Gaussian, pixels; null where there are no edges.")
    blockiness: float = Field(description="Steps at the 8-pixel grid beyond those elsewhere, levels.")
    combing: float = Field(description="Share of the pixels combed in the worst frame.")
    interlaced: bool = Field(description="Fields of two times are left in single frames.")
    grey: bool
    level: float = Field(description="Mean luma, levels.")
    contrast: float = Field(description="Levels between the 5th and the 95th percentile of luma.")
    dark: bool
    low_contrast: bool
    quantiser: float | None = Field(description="Mean QP of H.264; null for other codecs.")
    bits_per_pixel: float | None = Field(description="Of the whole file; null where its frames were not counted.")


class LinksBody(BaseModel):
    self: str
    events: str
    result: str | None = Field(description="Once done.")
    report: str | None = Field(description="Once done.")


class GapBody(BaseModel):
    start: str
    end: str


class CameraStretchBody(BaseModel):
    """Where a clip was cut from. Times are of arrival, RFC 3339, UTC."""

    stream: str = Field(description="The stream's id.")
    name: str = Field(description="Its name at that time.")
    asked_start: str
    asked_end: str
    start: str = Field(description="Of the key frame at or before what was asked for.")
    end: str
    gaps: list[GapBody] = Field(description="Times in between of which nothing came.")


class ClipBody(BaseModel):
    """One clip's job."""

    id: str
    state: JobState
    created_at: str = Field(description="RFC 3339, UTC.")
    started_at: str | None
    finished_at: str | None
    options: OptionsBody
    source: SourceBody
    camera: CameraStretchBody | None = Field(description="Of a clip cut from a camera's stream.")
    clip: ClipFactsBody
    output: OutputBody
    estimate: DegradationBody | None = Field(description="How degraded the clip is. Once planned.")
    outside_envelope: list[str] = Field(
        description="Where the estimate lies beyond what the model was measured on; empty: nowhere, or not known."
    )
    choice: ModelChoice | None = Field(description="What model=auto came to. Once planned.")
    frames_done: int
    frames_total: int | None
    frames_resized: int = Field(description="Frames that could only be resized; labelled in the report.")
    fps: float | None = Field(description="Frames a second since the start.")
    eta_s: float | None = Field(description="Seconds still needed at this speed.")
    reuse_share: float | None = Field(description="Share of tiles that had not changed and were not enhanced again.")
    damaged: DamageBody
    segments: SegmentsBody
    waiting_for: list[str] = Field(description="Kinds of worker that are needed now and not there.")
    problem: Problem | None = Field(description="Why it failed.")
    result: ResultBody | None
    links: LinksBody


class ClipListBody(BaseModel):
    clips: list[ClipBody]
    next_cursor: str | None
    next: str | None = Field(description="URL of the next page.")


class EstimateBody(BaseModel):
    seconds: float
    low: float
    high: float
    basis: str


class SampleBody(BaseModel):
    time_s: float
    before: str = Field(description="URL of a PNG of the source's frame.")
    after: str = Field(description="URL of a PNG of the same frame, enhanced.")


class PreviewBody(BaseModel):
    """What a dry run found."""

    id: str
    options: OptionsBody
    source: SourceBody
    clip: ClipFactsBody
    output: OutputBody
    estimate: EstimateBody | None = Field(description="null where the clip does not say how many frames it has.")
    degradation: DegradationBody | None = Field(description="How degraded the clip is: `estimate` of a clip.")
    outside_envelope: list[str] = Field(description="As of a clip.")
    choice: ModelChoice | None = Field(description="As of a clip.")
    samples: list[SampleBody]


class LimitsBody(BaseModel):
    """How bad the footage was that the model was measured on, as the estimate of a clip reads it; null: not stated."""

    noise: float | None
    blur: float | None
    blockiness: float | None
    quantiser: float | None
    interlaced: bool = Field(description="Combed frames were among it.")
    grey: bool = Field(description="Grey footage was among it.")


class GainBody(BaseModel):
    """RGB PSNR over bicubic under one degradation profile, dB."""

    scale: int
    profile: str
    mean: float = Field(description="Over scenes.")
    low: float = Field(description="Of the 95 % interval of the mean.")
    high: float
    share: float = Field(description="Of the scenes that gain, 0 to 1.")


class ModelBody(BaseModel):
    name: str
    title: str
    default: bool
    scales: list[int]
    learned: bool = Field(description="true: it invents detail it learned; false: an evidential rendition.")
    domain: str
    licence: str
    trained_on: str
    envelope: str = Field(description="Where its quality was measured.")
    limits: LimitsBody | None = Field(description="The same for machines; null: not stated.")
    gains: list[GainBody] = Field(description="What was measured under each degradation; empty: nothing.")
    weights_sha256: str | None
    vivid_sha256: str | None = Field(description="Of the weights that detail goes towards; null: detail must be 0.")
    tile: int


class BankBody(BaseModel):
    """A network that draws pictures of its own: it is explored, and enhances nothing by itself."""

    name: str
    size: int = Field(description="Edge of the pictures it draws, pixels.")
    sha256: str | None
    licence: str
    trained_on: str


class ModelListBody(BaseModel):
    models: list[ModelBody]
    banks: list[BankBody] = Field(description="What a region can be explored with; the first is the default.")


class HealthBody(BaseModel):
    status: str
    missing: list[str] = Field(default=[], description="What is not there.")


class FieldError(BaseModel):
    field: str
    detail: str


class ProblemBody(BaseModel):
    """An error, as RFC 9457 has it. `code` is stable."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    trace_id: str
    errors: list[FieldError] = []
