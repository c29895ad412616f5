"""A server whose models answer with the pixels that they were given."""
import pytest

from live_server import serving
from pictures import add_pixels

TABLES = {
    "bilinear": 'resize = "crop"\ncrop = 0.9',
    "bicubic": 'resize = "crop"\ncrop = 0.9\nfilter = "bicubic"',
    "stretched": 'resize = "stretch"\nfilter = "lanczos"',
    "letterbox": 'resize = "letterbox"\npad = [0, 128, 255]\nfilter = "box"',
}


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    models = tmp_path_factory.mktemp("pictures")
    for name, table in TABLES.items():
        add_pixels(models, name, table)
    with serving(models) as started:
        yield started
