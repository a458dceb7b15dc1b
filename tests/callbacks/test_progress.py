import pytest

from pipeline.callbacks.progress import readable_time


@pytest.mark.parametrize(
    ("seconds", "text"), [(44.6, "45 s"), (60, "1 min 0 s"), (3599.4, "59 min 59 s"), (7500, "2 h 5 min")]
)
def test_time_is_said_as_people_say_it(seconds, text):
    assert readable_time(seconds) == text
