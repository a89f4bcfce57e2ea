"""The flash interface: counts worked out by hand from wait states, caches and prefetch."""

from __future__ import annotations

import pytest

from hil.timing.statement import rules
from hil.timing.statement.flash import Flash, FlashSettings, LineCache

LINE = 0x0800_0000
SRAM = 0x2000_0000


def flash(wait_states: int = 5, **enabled: bool) -> Flash:
    return Flash(FlashSettings(wait_states, **enabled))


def test_a_line_cache_drops_the_least_recently_used() -> None:
    cache = LineCache(2)
    for line in (1, 2, 1, 3):
        cache.use(line)
    assert [line in cache for line in (1, 2, 3)] == [True, False, True]


@pytest.mark.parametrize("wait_states", [0, 1, 5, 7])
def test_a_first_fetch_waits_for_the_wait_states(wait_states: int) -> None:
    assert flash(wait_states).fetch(LINE, 10) == wait_states


def test_the_rest_of_a_line_and_its_second_visit_do_not_wait() -> None:
    interface = flash(prefetch=False)
    assert interface.fetch(LINE, 0) == 5
    assert [interface.fetch(LINE + 4 * word, 10 + word) for word in (1, 2, 3)] == [0, 0, 0]
    assert interface.fetch(LINE + 64, 20) == 5
    assert interface.fetch(LINE, 40) == 0


def test_without_the_cache_every_new_line_waits() -> None:
    interface = flash(prefetch=False, instruction_cache=False)
    assert [interface.fetch(LINE + offset, 20 * k) for k, offset in enumerate((0, 64, 0))] == [5, 5, 5]


def test_the_next_line_is_read_ahead() -> None:
    # Line 0: due at 1, there at 6. Line 1 is read from 7 to 12; a fetch due at 11 (issued at 10) waits one cycle.
    interface = flash()
    assert interface.fetch(LINE, 0) == 5
    assert interface.fetch(LINE + 16, 10) == 1


def test_a_fetch_elsewhere_waits_for_the_read_in_progress() -> None:
    # Line 1 is being read from 7 to 12; line 4, due at 9, starts at 13 and is there at 18.
    interface = flash()
    interface.fetch(LINE, 0)
    assert interface.fetch(LINE + 64, 8) == 18 - 9


def test_sixty_five_lines_in_a_loop_always_miss() -> None:
    interface = flash(prefetch=False)
    visits = [line for _ in range(2) for line in range(65)]
    assert all(interface.fetch(LINE + 16 * line, 100 * k) == 5 for k, line in enumerate(visits))


def test_sixty_four_lines_stay() -> None:
    interface = flash(prefetch=False)
    for line in range(64):
        interface.fetch(LINE + 16 * line, 100 * line)
    assert not any(interface.fetch(LINE + 16 * line, 10_000 + 100 * line) for line in range(64))


def test_data_keeps_eight_lines_of_its_own() -> None:
    interface = flash()
    assert [interface.read(LINE + 16 * line, 4, 100 * line) for line in range(8)] == [5] * 8
    assert [interface.read(LINE + 16 * line + 8, 4, 1000 + 100 * line) for line in range(8)] == [0] * 8
    assert interface.read(LINE + 16 * 8, 4, 2000) == 5
    assert interface.read(LINE, 4, 3000) == 5  # went to make room


def test_a_read_across_two_lines_waits_for_both() -> None:
    # Due at 1, there at 6; the second read can start at 7 and is there at 12.
    assert flash().read(LINE + 12, 8, 0) == 12 - 1


def test_ram_and_zero_wait_states_never_wait() -> None:
    assert flash().fetch(SRAM, 0) == 0
    assert flash().read(SRAM, 4, 0) == 0
    assert flash(0).fetch(LINE, 0) == 0
    assert flash(0).read(LINE, 4, 0) == 0


def test_rules_switched_off_win_over_enable_bits() -> None:
    settings = FlashSettings(5)
    assert settings.under(rules.without(["wait-states"])).wait_states == 0
    assert not settings.under(rules.without(["prefetch"])).prefetch
    assert not settings.under(rules.without(["instruction-cache"])).instruction_cache
    assert not settings.under(rules.without(["data-cache"])).data_cache
    assert settings.under(rules.ALL) == settings
