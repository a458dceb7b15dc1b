import torch

from pipeline.circumstances import circumstances, differences


def test_what_differs_is_named_and_what_was_not_written_down_is_not_held_against_a_run():
    now = circumstances(2, torch.device("cpu"))
    assert differences(now, now) == []
    assert differences(now | {"processes": 1, "torch": "1.0"}, now) == [
        "processes: 1 → 2",
        f"torch: 1.0 → {'.'.join(torch.__version__.split('.')[:2])}",
    ]
    assert differences({}, now) == []
