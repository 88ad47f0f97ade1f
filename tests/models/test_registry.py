import pytest

import subband


def test_an_unknown_name_gets_the_closest_ones():
    with pytest.raises(ValueError, match=r"unknown model 'simvp_gst'; did you mean simvp_gsta"):
        subband.create_model("simvp_gst")


def test_an_unknown_override_is_named():
    with pytest.raises(TypeError, match=r"model 'wast' has no argument 'encoder_dims'; did you mean encoder_dim\?"):
        subband.create_model("wast", encoder_dims=3)


def test_patterns_select_names():
    assert subband.list_models("tau*")[0] == "tau"
    assert subband.list_models("nothing*") == []
    assert set(subband.list_models("wast_t*")) == {"wast_taxibj"}
