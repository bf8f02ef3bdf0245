import pytest

from circus_cli.errors import UsageError
from circus_cli.steps import ABSENT_STEPS, STEPS, parse_steps


def test_steps_are_those_of_the_pipeline():
    from sorting import pipeline

    assert tuple(pipeline.STEPS) == STEPS


def test_order_is_fixed_whatever_is_written():
    assert parse_steps(" Fitting,filtering ,whitening") == (
        "filtering",
        "whitening",
        "fitting",
    )


def test_default_of_classic_scripts_is_all_but_converting():
    classic = "filtering,whitening,clustering,fitting,merging"
    assert parse_steps(classic) == STEPS[:-1]


def test_clustering_alone_once_its_parts_are_named():
    assert parse_steps("clustering,detection") == ("detection", "clustering")
    assert parse_steps("detection,templates") == ("detection", "templates")


# the twelve steps of the reference program
CLASSIC = {
    "filtering",
    "whitening",
    "clustering",
    "fitting",
    "gathering",
    "extracting",
    "merging",
    "converting",
    "deconverting",
    "benchmarking",
    "validating",
    "thresholding",
}


@pytest.mark.parametrize("step", sorted(CLASSIC))
def test_each_classic_step_runs_or_is_refused_with_advice(step):
    if step in STEPS:
        assert step in parse_steps(step)
        return
    with pytest.raises(UsageError) as caught:
        parse_steps(step)
    (line,) = str(caught.value).splitlines()
    assert line == f"-m {step} does not exist here: {ABSENT_STEPS[step]}"


def test_every_unknown_step_is_named_with_the_nearest():
    with pytest.raises(UsageError) as caught:
        parse_steps("fiting,nonsense,merging")
    first, second = str(caught.value).splitlines()
    assert "-m fiting is no step; did you mean fitting?" in first
    assert "-m nonsense is no step; steps are filtering," in second


@pytest.mark.parametrize("nothing", ["", " , "])
def test_no_step_at_all(nothing):
    with pytest.raises(UsageError, match="names no step"):
        parse_steps(nothing)
