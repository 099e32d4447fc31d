"""Splits, scaling and windows, against plain loops."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bench.errors import DataError
from bench.protocol.windows import Parts, Scaler, check_length, evaluation_windows, parts, train_windows
from bench.spec import Split

cuts = st.tuples(st.integers(1, 40), st.integers(1, 20), st.integers(1, 20))


@st.composite
def layouts(draw):
    train, validation, test = draw(cuts)
    length = draw(st.integers(1, 12))
    horizon = draw(st.integers(1, 7))
    train += length + horizon
    return Parts(train, train + validation, train + validation + test), length, horizon


def ramp(n, channels=1):
    return np.arange(n * channels, dtype=float).reshape(n, channels)


class TestParts:
    def test_fractions_and_counts_of_points(self):
        assert parts(1000, Split(validation=0.1, test=0.2)) == Parts(700, 800, 1000)
        assert parts(2227, Split(validation=200, test=100)) == Parts(1927, 2127, 2227)

    @given(st.integers(1, 10_000), st.floats(0.01, 0.49), st.floats(0.01, 0.49))
    def test_the_parts_are_the_series_in_order(self, n, validation, test):
        try:
            cut = parts(n, Split(validation=validation, test=test))
        except DataError:
            assert min(round(validation * n), round(test * n)) == 0 or round(validation * n) + round(test * n) >= n
            return
        points = np.arange(n)
        joined = np.concatenate([points[cut.train], points[cut.validation], points[cut.test]])
        assert joined.tolist() == points.tolist()

    def test_an_empty_part_is_refused_with_its_size(self):
        with pytest.raises(DataError, match=r"a series of 90 points cannot be split into train -10, .* test 100"):
            parts(90, Split(validation=0.0001, test=100))

    def test_a_series_too_short_for_one_window_says_what_it_needs(self):
        with pytest.raises(
            DataError, match=r"50 points leave 35 for train .* sequence_length 40 \+ horizon 2 needs 42"
        ):
            check_length(50, Split(validation=5, test=10), 40, 2)

    def test_a_horizon_that_is_longer_than_the_test_part_is_refused(self):
        assert check_length(200, Split(validation=30, test=30), 10, 30).n == 200
        with pytest.raises(
            DataError, match=r"leave 20 for validation, .* steps 21 to 30 would never choose anything; "
        ):
            check_length(200, Split(validation=20, test=30), 10, 30)
        with pytest.raises(DataError) as caught:
            check_length(200, Split(validation=30, test=10), 10, 30, source="mine.csv")
        assert str(caught.value) == (
            "mine.csv: 200 points leave 10 for test, but a horizon of 30 is longer: steps 11 to 30 would never be "
            "tested; give a larger test part, or a horizon of at most 10"
        )

    @pytest.mark.parametrize(("n", "said"), [(50, "50 points leave 35"), (2, "a series of 2 points cannot be split")])
    def test_a_series_too_short_is_named_where_its_source_is_known(self, n, said):
        with pytest.raises(DataError) as caught:
            check_length(n, Split(validation=5, test=10), 40, 2, source="mine.csv, column 'x'")
        assert str(caught.value).startswith(f"mine.csv, column 'x': {said}")


class TestWindows:
    @given(layouts(), st.integers(1, 3))
    def test_inputs_and_targets_equal_a_loop(self, layout, channels):
        cut, length, horizon = layout
        values = ramp(cut.n, channels)
        windows = train_windows(values, cut, length, horizon)
        assert len(windows) == cut.train_end - length - horizon + 1
        for number, place in enumerate(range(length, cut.train_end - horizon + 1)):
            one = slice(number, number + 1)
            np.testing.assert_array_equal(windows.inputs(one)[0], values[place - length : place])
            np.testing.assert_array_equal(windows.targets(one)[0], values[place : place + horizon])

    @given(layouts())
    def test_gathering_by_number_equals_slicing(self, layout):
        cut, length, horizon = layout
        windows = evaluation_windows(ramp(cut.n), cut.test, length, horizon)
        numbers = np.arange(len(windows))
        np.testing.assert_array_equal(windows.inputs(numbers), windows.inputs(slice(None)))
        np.testing.assert_array_equal(windows.targets(numbers), windows.targets(slice(None)))

    @given(layouts())
    def test_no_train_target_or_input_leaves_the_train_part(self, layout):
        cut, length, horizon = layout
        windows = train_windows(ramp(cut.n), cut, length, horizon)
        assert windows.inputs(slice(None)).max() < cut.train_end
        assert windows.targets(slice(None)).max() < cut.train_end

    @given(layouts(), st.sampled_from(["validation", "test"]))
    def test_every_target_of_a_part_is_predicted_exactly_once(self, layout, name):
        cut, length, horizon = layout
        values = ramp(cut.n)
        part = getattr(cut, name)
        windows = evaluation_windows(values, part, length, horizon)
        predicted = windows.assemble(windows.targets(slice(None)))
        np.testing.assert_array_equal(predicted, values[part])
        np.testing.assert_array_equal(windows.truth(), values[part])
        assert windows.points == part.stop - part.start

    @given(layouts())
    def test_inputs_end_right_before_the_targets(self, layout):
        cut, length, horizon = layout
        windows = evaluation_windows(ramp(cut.n), cut.test, length, horizon)
        last_input = windows.inputs(slice(None))[:, -1, 0]
        targets = np.arange(cut.validation_end, cut.n)
        np.testing.assert_array_equal(np.repeat(last_input, horizon)[: len(targets)], targets - windows.steps())

    def test_a_slice_of_inputs_is_a_view_of_the_series(self):
        values = ramp(1000)
        windows = train_windows(values, Parts(800, 900, 1000), 30, 1)
        assert np.shares_memory(windows.inputs(slice(0, 500)), values)


class TestScaler:
    def test_minmax_maps_the_train_part_onto_zero_one(self):
        values = np.array([[3.0], [7.0], [5.0]])
        scaler = Scaler.fit("minmax", values)
        np.testing.assert_allclose(scaler.transform(values), [[0], [1], [0.5]])

    def test_standard_gives_mean_zero_and_deviation_one(self):
        values = np.random.default_rng(0).normal(5, 3, (100, 2))
        scaled = Scaler.fit("standard", values).transform(values)
        np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(scaled.std(axis=0), 1)

    def test_a_constant_channel_keeps_its_unit(self):
        scaler = Scaler.fit("minmax", np.full((5, 1), 4.0))
        np.testing.assert_array_equal(scaler.transform(np.array([[6.0]])), [[2.0]])

    @given(st.sampled_from(["minmax", "standard"]), st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
    def test_inverse_undoes_transform(self, kind, numbers):
        values = np.array(numbers)[:, None]
        scaler = Scaler.fit(kind, values)
        np.testing.assert_allclose(scaler.inverse(scaler.transform(values)), values, rtol=1e-9, atol=1e-6)

    @given(layouts(), st.sampled_from(["minmax", "standard"]))
    def test_what_follows_the_train_part_cannot_move_the_train_windows(self, layout, kind):
        cut, length, horizon = layout
        values = np.random.default_rng(1).normal(size=(cut.n, 1))
        changed = values.copy()
        changed[cut.train_end :] *= 1000
        seen = []
        for series in (values, changed):
            scaled = Scaler.fit(kind, series[cut.train]).transform(series)
            seen.append(train_windows(scaled, cut, length, horizon).inputs(slice(None)))
        np.testing.assert_array_equal(*seen)
