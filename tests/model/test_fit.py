"""What fits into a GPU's memory."""

import pytest

from pentameter.model.fit import blocks_bytes, expected_waste_tokens, free_for_cache, sequences_that_fit, waste_at


def test_what_weights_and_overhead_leave_of_a_24_gb_gpu():
    assert free_for_cache(24e9, 0.9, 13.5e9, 1.5e9) == pytest.approx(6.6e9)


def test_a_model_that_does_not_fit_lacks_bytes():
    assert free_for_cache(24e9, 0.9, 140e9, 0) == pytest.approx(-118.4e9)
    assert sequences_that_fit(-118.4e9, 1e9) == 0


def test_sequences_are_whole():
    # The lecture's sequences of 2,048 tokens take 1.07 GB each.
    assert sequences_that_fit(10e9, 2048 * 524_288) == 9
    assert sequences_that_fit(9 * 2048 * 524_288, 2048 * 524_288) == 9
    assert sequences_that_fit(1e9, 2048 * 524_288) == 0


def test_sequences_without_bytes_are_refused():
    with pytest.raises(ValueError, match="says nothing"):
        sequences_that_fit(10e9, 0)


@pytest.mark.parametrize(("tokens", "blocks"), [(0, 0), (1, 1), (16, 1), (17, 2), (2048, 128)])
def test_a_last_block_counts_whole(tokens, blocks):
    assert blocks_bytes(tokens, 16, 131_072) == blocks * 16 * 131_072


@pytest.mark.parametrize("block_size", [1, 16, 784])
def test_live_and_wasted_are_all_that_is_allocated(block_size):
    for tokens in range(1, 2000, 7):
        assert blocks_bytes(tokens, block_size, 2) == (tokens + waste_at(tokens, block_size)) * 2


@pytest.mark.parametrize("block_size", [1, 16, 128])
def test_the_expectation_is_the_mean_over_all_fillings_of_the_last_block(block_size):
    mean = sum(waste_at(tokens, block_size) for tokens in range(1, block_size + 1)) / block_size
    assert expected_waste_tokens(7, block_size) == 7 * mean


def test_sequences_of_a_few_hundred_tokens_waste_less_than_four_per_cent():
    # Kwon et al. 2023, figure 2: 96.3 % of the cache holds tokens; with blocks of 16 that is so from 188 tokens on.
    assert expected_waste_tokens(1, 16) / (188 + expected_waste_tokens(1, 16)) < 0.04
