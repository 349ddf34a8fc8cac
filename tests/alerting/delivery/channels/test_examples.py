"""The examples in the documentation of channel kinds: each is a channel of its kind."""

from __future__ import annotations

import re

import pytest
import yaml

from monitoring_pipeline.alerting.delivery.channel import channel_kinds

EXAMPLES = [(kind, text) for kind, model in channel_kinds().by_name.items() for text in model.examples]


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_an_example_is_a_channel(kind: str, text: str):
    filled = re.sub(r"\$\{\w+_URL\}", "https://example.com/hook", re.sub(r"\$\{\w+_SID\}", "AC0", text))
    ((_, fields),) = yaml.safe_load(re.sub(r"\$\{\w+\}", "secret-value", filled)).items()
    assert fields["kind"] == kind
    channel = channel_kinds().by_name[kind].model_validate(fields)
    assert "secret-value" not in repr(channel)


@pytest.mark.parametrize("kind", ["alertmanager", "opsgenie", "pagerduty", "slack", "teams", "webhook"])
def test_what_goes_to_a_service_is_documented(kind: str):
    model = channel_kinds().by_name[kind]
    assert model.examples
    assert len(model.__doc__ or "") > 100
    own = {name for name in model.model_fields if name not in ("kind", "method")}
    assert [name for name in own if not model.model_fields[name].description] == []
