"""Property: every class of endpoint that figures and tables count is explained on the page."""

from ntklora.certificates.endpoints import Endpoint
from ntklora.report.html import markup
from ntklora.report.setting import ENDPOINTS, setting_section


def test_every_class_of_endpoint_is_explained():
    assert set(ENDPOINTS) == set(Endpoint)
    page = markup(setting_section())
    for kind, said in ENDPOINTS.items():
        assert kind.value.replace("_", "-") in page
        assert said.split(",")[0] in page
