"""Any bytes become a picture or a refusal."""

from contextlib import suppress

import pytest
from hypothesis import given

from convscope.engine.errors import ImageTooLarge, ImageUndecodable
from convscope.engine.imaging.decode import decode
from tests.fuzz.effort import inputs
from tests.fuzz.files import picture_files
from tests.fuzz.tally import TALLY

MOST_PIXELS = 1_000_000


# As in a service, where Pillow's warnings are none of errors.
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.filterwarnings("ignore:.*:PIL.Image.DecompressionBombWarning")
@inputs(few=700, share=0.15)
@given(data=picture_files())
def test_bytes_are_decoded_or_refused(data: bytes) -> None:
    with TALLY.counted("decode"):
        outcome = "refused"
        with suppress(ImageUndecodable, ImageTooLarge):
            picture = decode(data, max_pixels=MOST_PIXELS)
            assert picture.mode == "RGB"
            assert 0 < picture.width * picture.height <= MOST_PIXELS
            outcome = "decoded"
    TALLY.note("decode", outcome)
