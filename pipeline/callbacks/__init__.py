"""What happens around training: checkpoints, the progress line, pictures in TensorBoard, advice on memory."""

from pipeline.callbacks.checkpoints import AtomicCheckpointIO, Checkpoints
from pipeline.callbacks.memory import MemoryAdvice
from pipeline.callbacks.pictures import AlignmentMaps, SampleTranslations
from pipeline.callbacks.progress import RunProgress

__all__ = ["AlignmentMaps", "AtomicCheckpointIO", "Checkpoints", "MemoryAdvice", "RunProgress", "SampleTranslations"]
