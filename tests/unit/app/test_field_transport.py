"""How a field's gateway names what it sends."""

from __future__ import annotations

import pytest

from cityloop.app.field_transport import PACK_KINDS
from cityloop.sensing.codecs import Codecs


@pytest.mark.parametrize("kind", PACK_KINDS)
def test_what_a_field_sends_is_read_by_a_server(kind):
    """Its topic is one that may be published to, without a sign of filters, and topic and media type have a codec."""
    topic, media_type = PACK_KINDS[kind]
    assert not set(topic) & set("+#")
    codecs = Codecs()
    assert topic in codecs.topics()
    assert codecs.find("", media_type) is codecs.media_types[media_type]
