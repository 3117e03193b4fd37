import pytest

from featuremaps.receptive_field import field_algebra
from featuremaps.receptive_field.field_algebra import Dim, Field, Reach, Run

PICTURE = field_algebra.of_picture((2, 3, 8, 12))


def test_every_pixel_of_the_picture_sees_itself():
    assert PICTURE.shape == (2, 3, 8, 12)
    assert [(reach.width, reach.centre) for reach in PICTURE.reach] == [(1.0, 0.5)] * 2
    assert [PICTURE.step(axis) for axis in (0, 1)] == [1.0, 1.0]
    assert PICTURE.positions == 96
    assert not PICTURE.whole


@pytest.mark.parametrize(
    "shape",
    [(2, 3, 96), (6, 8, 12), (2, 3, 2, 4, 3, 4), (2, 3, 8, 12, 1), (2, 1, 3, 8, 12), (576,), (1, 2, 3, 8, 12)],
)
def test_a_view_and_its_inverse_change_nothing(shape):
    seen = field_algebra.regrouped(PICTURE, shape)
    assert seen.shape == shape
    assert not seen.lost
    assert field_algebra.regrouped(seen, PICTURE.shape) == PICTURE


def test_windows_keep_their_place():
    windows = field_algebra.regrouped(PICTURE, (2, 3, 2, 4, 3, 4))
    assert windows.dims[2:] == (
        Dim((Run(2, 0, 4.0),)),
        Dim((Run(4, 0, 1.0),)),
        Dim((Run(3, 1, 4.0),)),
        Dim((Run(4, 1, 1.0),)),
    )


def test_a_view_that_cuts_across_positions_is_lost():
    seen = field_algebra.regrouped(PICTURE, (2, 3, 16, 6))
    assert not seen.lost
    odd = field_algebra.regrouped(PICTURE, (9, 64))
    assert odd.lost
    assert odd.whole


def test_a_view_of_tokens_keeps_the_class_token():
    tokens = Field((Dim((Run(2),)), Dim((Run(4, 0, 8.0), Run(4, 1, 8.0)), lead=1), Dim((Run(6),))), PICTURE.reach)
    heads = field_algebra.regrouped(tokens, (2, 17, 3, 2))
    assert heads.dims[1] == tokens.dims[1]
    assert heads.shape == (2, 17, 3, 2)
    long = field_algebra.regrouped(tokens, (34, 6))
    assert long.dims[0] == tokens.dims[1]._replace(times=2)
    assert field_algebra.regrouped(long, (2, 17, 6)) == tokens
    assert field_algebra.regrouped(tokens, (17, 12)).whole


def test_a_mean_over_one_axis_sees_all_of_that_axis_only():
    rows = field_algebra.contracted(PICTURE, [-1])
    assert rows.shape == (2, 3, 8, 1)
    assert [reach.whole for reach in rows.reach] == [False, True]
    assert rows.reach[1].width == 12
    assert field_algebra.contracted(PICTURE, [2, 3]).whole
    assert field_algebra.contracted(PICTURE, [1]).reach == PICTURE.reach


def test_a_mean_over_a_window_sees_the_window():
    windows = field_algebra.regrouped(PICTURE, (2, 3, 2, 4, 12))
    inner = field_algebra.contracted(windows, [3])
    assert inner.reach[0] == Reach(0.0, 4.0)
    assert inner.step(0) == 4.0


def test_a_sliding_window_follows_the_textbook_recurrence():
    once = field_algebra.slid(PICTURE, 2, 4, step=2, first=-1, span=2)
    twice = field_algebra.slid(once, 2, 2, step=2, first=-1, span=2)
    assert (once.reach[0], once.step(0)) == (Reach(-1.0, 2.0), 2.0)
    assert (twice.reach[0], twice.step(0)) == (Reach(-3.0, 4.0), 4.0)


def test_what_was_averaged_is_seen_from_every_position():
    averaged = field_algebra.contracted(PICTURE, [3])
    both = field_algebra.merged([PICTURE, averaged], PICTURE.shape)
    assert both.reach[1] == Reach(-11.0, 12.0, whole=True)
    assert both.reach[0] == PICTURE.reach[0]
    assert not both.gated


def test_a_product_with_a_global_factor_stays_local_and_is_gated():
    gate = field_algebra.contracted(PICTURE, [2, 3])
    gated = field_algebra.merged([PICTURE, gate], PICTURE.shape, gate=True)
    assert gated.reach == PICTURE.reach
    assert gated.gated
    assert field_algebra.merged([PICTURE, gate], PICTURE.shape).whole


def test_elements_in_unknown_order_may_be_any_of_them():
    blurred = field_algebra.blurred(PICTURE, 2, 5)
    assert blurred.shape == (2, 3, 5, 12)
    assert blurred.reach[0].whole
    assert not blurred.reach[1].whole


def test_fields_put_together_lie_in_the_middle_of_the_narrowest() -> None:
    narrow, wide = Reach(-1.0, 2.0), Reach(-20.0, 5.0, coarse=8.0)
    for both in (narrow | wide, wide | narrow, narrow | wide | narrow):
        assert (both.low, both.high, both.place, both.coarse) == (-20.0, 5.0, 0.5, 0.0)
        assert both.moved(4).place == 4.5
        assert both.widened(1, 3).place == 1.5
    alike = Reach(0.0, 4.0) | Reach(2.0, 6.0)
    assert (alike.place, alike.centre) == (3.0, 3.0)
    assert (Reach(0.0, 2.0, whole=True) | wide).place == wide.centre
    enlarged = field_algebra.resized(PICTURE, 2, 16, step=0.5, first=-0.25, taps=1)
    assert [reach.coarse for reach in enlarged.reach] == [1.0, 0.0]
