"""What happens around training: checkpoints, the progress line, pictures in TensorBoard."""

from pipeline.callbacks.checkpoints import AtomicCheckpointIO, Checkpoints
from pipeline.callbacks.pictures import AlignmentMaps, SampleTranslations
from pipeline.callbacks.progress import RunProgress

__all__ = ["AlignmentMaps", "AtomicCheckpointIO", "Checkpoints", "RunProgress", "SampleTranslations"]
