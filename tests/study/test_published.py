"""Published values and claims that cannot be are refused when a study is read, not when its runs are done."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce.errors import KCEError
from kce.study.study_file import read_study
from tests.support.corpus import small_study

CLAIM = '[[claim]]\nbackbone = "tiny"\nplan = "c"\nover = "none"\npercent = 10.0\n'
PUBLISHED = '[[published]]\nbackbone = "tiny"\nplan = "c"\nvalues = [3.0]\ngroups = [1]\n'


def study(at: Path, more: str, plan: str = "") -> Path:
    return small_study(at, f'[plan.c]\nplan = "clusters"\n{plan}{more}', 'other = "tiny:size=16"')


def test_values_and_claims_that_can_be_are_read(at: Path) -> None:
    assert read_study(str(study(at, CLAIM + PUBLISHED))).claims


@pytest.mark.parametrize(
    ("more", "plan", "said"),
    [
        (CLAIM.replace('"none"', '"c"'), "", "compares the plan c with itself"),
        (CLAIM.replace("10.0", "nan"), "", "says nan percent"),
        (CLAIM.replace("10.0", "1e300"), "", "percent"),
        (CLAIM, 'backbones = ["other"]\n', "only trains other"),
        (PUBLISHED, 'backbones = ["other"]\n', "only trains other"),
        (PUBLISHED.replace("[3.0]", "[]"), "", "are not numbers above 0"),
        (PUBLISHED.replace("[3.0]", "[0.0]"), "", "are not numbers above 0"),
        (PUBLISHED.replace("[3.0]", "[inf]"), "", "are not numbers above 0"),
        (PUBLISHED.replace("[3.0]", "[3.0, 4.0]"), "", "are 2, of 1 groups"),
        (PUBLISHED.replace("[1]", "[7]"), "", "no group of .* named '7'"),
        (
            PUBLISHED + PUBLISHED.replace('"c"', '"none"').replace("[3.0]", "[3.0, 1.0]").replace("groups = [1]", ""),
            "", "the same number of values",
        ),
    ],
)  # fmt: skip
def test_values_and_claims_that_cannot_be_are_refused(at: Path, more: str, plan: str, said: str) -> None:
    file = study(at, more, plan)
    with pytest.raises(KCEError, match=f"(?s){said}") as error:
        read_study(str(file))
    assert error.value.hint
