"""A server that answers is not stopped by what Python's garbage collector looks through."""

import gc
from pathlib import Path

from tests.support.live import live_api, live_services


def test_what_is_there_when_serving_begins_is_not_looked_through_again(tmp_path: Path) -> None:
    services = live_services(tmp_path)
    gc.unfreeze()
    with live_api(services):
        assert not any(each is services.stores.text for each in gc.get_objects())
