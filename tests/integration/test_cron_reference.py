# SPDX-License-Identifier: MIT
"""Cron's times are those of other programs: python3-croniter for the calendar, systemd for time zones.

Expressions are drawn at random, from a seed that a failure names. Where another program is known to be wrong, or to have
chosen otherwise than crontab(5), the case is left out here by a function that says so.
"""

import datetime
import os
import random
import shutil
import subprocess
import zoneinfo

import pytest

from muster import build_dir

croniter = pytest.importorskip("croniter")

SEED = int(os.environ.get("MUSTER_CRON_SEED", "20261123"))
EXPRESSIONS = 3000  # in UTC
ZONED = 60  # for each zone and change

# A change of an hour north and south of the equator, at midnight, of half an hour, at a date that moves, and none.
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kolkata",
]

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "sun mon tue wed thu fri sat".split()
FIELDS = [(0, 59, None), (0, 59, None), (0, 23, None), (1, 31, None), (1, 12, MONTHS), (0, 6, WEEKDAYS)]


def ours(zone, questions):
    """[(count, after, expression)] answered by muster: lists of times, or the text of a refusal."""
    lines = "".join(f"{count}\t{after}\t{text}\n" for count, after, text in questions)
    result = subprocess.run(
        [str(build_dir() / "src" / "print-cron")],
        input=lines,
        env={**os.environ, "TZ": zone},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    answers = result.stdout.splitlines()
    assert len(answers) == len(questions)
    return [text if text.startswith("refused") else [int(word) for word in text.split()] for text in answers]


# Expressions


def name(rng, value, low, names):
    if names and rng.random() < 0.3:
        text = names[value - low]
        return text.upper() if rng.random() < 0.2 else text
    return str(value)


def item(rng, low, high, names):
    kind = rng.random()
    first = rng.randint(low, high)
    if kind < 0.5:
        return name(rng, first, low, names)
    if kind < 0.6:
        return f"*/{rng.randint(1, high - low + 1)}"
    last = rng.randint(first, high)
    text = f"{name(rng, first, low, names)}-{name(rng, last, low, names)}"
    return text if kind < 0.8 else f"{text}/{rng.randint(1, max(1, last - first))}"


def field(rng, low, high, names, stars):
    if rng.random() < stars:
        return "*"
    return ",".join(item(rng, low, high, names) for _ in range(rng.choice([1, 1, 1, 2, 3])))


def expression(rng):
    words = [field(rng, low, high, names, 0.5 if i > 2 else 0.3) for i, (low, high, names) in enumerate(FIELDS)]
    return " ".join(words if rng.random() < 0.3 else words[1:])


def fits_never(text):
    """No month that is given has a day that is."""
    day, month, weekday = text.split()[-3:]
    if day.startswith("*") or not weekday.startswith("*") or month == "*":
        return False
    days = members(day, 1, 31, None)
    longest = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
    return all(min(days) > longest.get(number, 31) for number in members(month, 1, 12, MONTHS))


def number(text, low, names):
    return names.index(text.lower()) + low if names and text.lower() in names else int(text)


def members(text, low, high, names):
    """The numbers that a field means."""
    found = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = ("%d-%d" % (low, high) if span == "*" else span).partition("-")
        first = number(first, low, names)
        found.update(range(first, number(last, low, names) + 1 if last else first + 1, int(step or 1)))
    return sorted(found)


# The calendar


def croniter_form(text):
    """As croniter wants it: the second is the last field, and a list with a star in it is written out."""
    words = text.split()
    if len(words) == 6:
        words = words[1:] + words[:1]
    ranges = FIELDS[1:] + FIELDS[:1]
    for i, (low, high, names) in enumerate(ranges[: len(words)]):
        if words[i] != "*":
            words[i] = ",".join(map(str, members(words[i], low, high, names)))
    return " ".join(words)


def means_every_day(text):
    """A day field that is full without being a star. croniter takes it for one; by crontab(5) each day then fits."""
    day, _, weekday = text.split()[-3:]
    if day.startswith("*") or weekday.startswith("*"):
        return False
    return len(members(day, 1, 31, None)) == 31 or len(members(weekday, 0, 6, WEEKDAYS)) == 7


def croniter_times(text, after, count):
    """croniter decides by the whole field whether it is a star; Vixie's cron by its first byte."""
    day, weekday = text.split()[-3], text.split()[-1]
    either = not day.startswith("*") and not weekday.startswith("*")
    times = croniter.croniter(croniter_form(text), after, day_or=either)
    return [int(times.get_next(float)) for _ in range(count)]


def errs_in_short_months(text):
    """croniter 1.3.5 loses its way in a month that is shorter than one of the days."""
    day = text.split()[-3]
    return day != "*" and max(members(day, 1, 31, None)) > 28


def test_the_calendar_is_that_of_croniter():
    rng = random.Random(SEED)
    questions = []
    for _ in range(EXPRESSIONS):
        after = rng.randint(0, 4102444800)  # to the year 2100
        questions.append((6, after, expression(rng)))
    compared = 0
    for (count, after, text), answer in zip(questions, ours("UTC", questions)):
        if fits_never(text):
            assert answer == f'refused: "{text[:60]}": such a day never comes'
            continue
        if means_every_day(text):
            words = text.split()
            text = " ".join([*words[:-3], "*", words[-2], "*"])
        try:
            expected = croniter_times(text, after, count)
        except croniter.CroniterBadDateError:
            continue  # it gives up
        if answer != expected and errs_in_short_months(text):
            expected = systemd_either("UTC", text, after, count)
        assert answer == expected, f"{text!r} after {after} (seed {SEED})"
        compared += 1
    assert compared > EXPRESSIONS * 0.9


@pytest.mark.parametrize(
    "text",
    [
        "0 0 29 2 *",  # four years, and eight around 2100
        "0 0 29 2 1",  # or a Monday in February
        "0 0 29 feb *",
        "59 59 23 31 12 *",
        "0 0 31 * *",
        "0 0 31 4,6,9,11,12 *",
        "*/15 0-5,22-23 1-7 * mon",
        "0 0 13 * 5",
        "0 0 1-31/2 * sun,7",
        "0 12 * * 7",
        "*/7 */5 */3 */2 *",
        "*/40 * * * * *",
        "0,30 0 0 1 1 *",
        "0 0 1 1 0-6/2",
    ],
)
def test_corner_cases_are_those_of_croniter(text):
    starts = [0, 951782399, 1709164799, 1709164800, 1735689599, 4107455999]
    questions = [(40, after, text) for after in starts]
    for (count, after, _), answer in zip(questions, ours("UTC", questions)):
        form = text.replace("sun,7", "0").replace("* * 7", "* * 0")
        assert answer == croniter_times(form, after, count), after


@pytest.mark.parametrize(
    "text, part",
    [
        ("60 * * * *", "minute \"60\""),
        ("* 24 * * *", "hour \"24\""),
        ("* * 0 * *", "day of the month \"0\""),
        ("* * * 13 *", "month \"13\""),
        ("* * * foo *", "month \"foo\""),
        ("* * * * 8", "day of the week \"8\""),
        ("61 * * * * *", "second \"61\""),
        ("5-1 * * * *", "minute \"5-1\""),
        ("*/0 * * * *", "minute \"*/0\""),
        ("1,,2 * * * *", "minute \"\""),
        ("* * * *", "4 fields"),
        ("* * * * * * *", "7 fields"),
        ("-1 * * * *", "minute \"-1\""),
        ("a * * * *", "minute \"a\""),
        ("*5 * * * *", "minute \"*5\""),
        ("0 0 ? * *", "day of the month \"?\""),
    ],
)
def test_what_croniter_refuses_is_refused_by_the_name_of_the_field(text, part):
    assert not croniter.croniter.is_valid(text)
    (answer,) = ours("UTC", [(1, 0, text)])
    assert answer.startswith("refused") and part in answer


@pytest.mark.parametrize("text", ["0 0 l * *", "0 0 * * 1#2", "5/2 * * * *", "*/90 * * * *"])
def test_what_crontab_does_not_know_is_refused_though_croniter_takes_it(text):
    """Extensions of croniter, a step without a range, and one that is never taken."""
    assert croniter.croniter.is_valid(text)
    (answer,) = ours("UTC", [(1, 0, text)])
    assert answer.startswith("refused")


# Time zones


def changes(zone, first, last):
    """When the offset of a zone changes, in these years: [(time, by how much)]."""
    info = zoneinfo.ZoneInfo(zone)

    def offset(time):
        return datetime.datetime.fromtimestamp(time, info).utcoffset().total_seconds()

    found = []
    start = int(datetime.datetime(first, 1, 1, tzinfo=datetime.timezone.utc).timestamp())
    end = int(datetime.datetime(last, 1, 1, tzinfo=datetime.timezone.utc).timestamp())
    for time in range(start, end, 6 * 3600):
        if offset(time) != offset(time + 6 * 3600):
            low, high = time, time + 6 * 3600
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
            found.append((high, int(offset(high) - offset(low))))
    return found


def calendar_form(text):
    """As systemd.time(7) wants it."""
    words = text.split()
    words = ["0", *words] if len(words) == 5 else words
    lists = []
    for word, (low, high, names) in zip(words, FIELDS):
        lists.append("*" if word == "*" else ",".join(f"{n:02}" for n in members(word, low, high, names)))
    second, minute, hour, day, month, weekday = lists
    days = "" if weekday == "*" else ",".join(WEEKDAYS[int(n)].title() for n in weekday.split(",")) + " "
    return f"{days}*-{month}-{day} {hour}:{minute}:{second}"


def systemd_times(zone, text, after, count):
    begin = datetime.datetime.fromtimestamp(after, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    result = subprocess.run(
        ["systemd-analyze", "calendar", f"--base-time={begin}", f"--iterations={count}", calendar_form(text)],
        env={**os.environ, "TZ": zone, "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    times = []
    for line in result.stdout.splitlines():
        label, _, rest = line.strip().partition(": ")
        # In a zone that is UTC itself there is no second line
        if label == "(in UTC)" or zone == "UTC" and (label == "Next elapse" or label.startswith("Iter")):
            moment = datetime.datetime.strptime(rest, "%a %Y-%m-%d %H:%M:%S UTC")
            times.append(int(moment.replace(tzinfo=datetime.timezone.utc).timestamp()))
    return times


def systemd_either(zone, text, after, count):
    """With crontab's rule for two days of which one is enough, which systemd has not."""
    words = text.split()
    if words[-3].startswith("*") or words[-1].startswith("*"):
        return systemd_times(zone, text, after, count)
    by_day = systemd_times(zone, " ".join([*words[:-1], "*"]), after, count)
    by_weekday = systemd_times(zone, " ".join([*words[:-3], "*", *words[-2:]]), after, count)
    return sorted({*by_day, *by_weekday})[:count]


def left_out(zone, change, text):
    """Whether the wall clock skips a time of the schedule there. systemd then leaves the run out, cron(8) makes it up."""
    time, by = change
    words = text.split()
    words = ["0", *words] if len(words) == 5 else words
    sets = [members(word, low, high, names) for word, (low, high, names) in zip(words, FIELDS)]
    before = datetime.datetime.fromtimestamp(time - 1, zoneinfo.ZoneInfo(zone)).replace(tzinfo=None)
    for seconds in range(1, by + 1):
        wall = before + datetime.timedelta(seconds=seconds)
        parts = [wall.second, wall.minute, wall.hour, wall.day, wall.month, wall.isoweekday() % 7]
        if all(part in members for part, members in zip(parts, sets)):
            return True
    return False


def question(rng, change):
    """A schedule for some hours of some days, which comes around a change, and a time before that."""
    hour = ",".join(str(rng.randint(0, 4)) for _ in range(rng.randint(1, 3)))
    text = f"{field(rng, 0, 59, None, 0.2)} {hour} * * {field(rng, 0, 6, WEEKDAYS, 0.8)}"
    return 8, change[0] - rng.choice([1, 2, 1800, 7200, 40000]), text


def moments(zone):
    return changes(zone, 2024, 2026) or [(1711846800, 0), (1729990800, 0)]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
@pytest.mark.parametrize("zone", ZONES)
def test_time_zones_are_those_of_systemd(zone):
    rng = random.Random(f"{SEED} {zone}")
    made_up = compared = 0
    for change in moments(zone):
        questions = [question(rng, change) for _ in range(ZONED)]
        for (count, after, text), answer in zip(questions, ours(zone, questions)):
            expected = systemd_times(zone, text, after, count)
            if change[1] > 0 and left_out(zone, change, text):
                expected = sorted({*expected, change[0]})[:count]
                made_up += change[0] in expected
            assert answer == expected, f"{text!r} after {after} in {zone} (seed {SEED})"
            compared += 1
    assert compared == ZONED * len(moments(zone))
    assert made_up > 0 or all(by <= 0 for _, by in moments(zone))


@pytest.mark.parametrize("zone", [zone for zone in ZONES if zone not in ("Australia/Lord_Howe", "Asia/Kolkata")])
def test_a_schedule_for_every_hour_goes_on_through_a_change_as_if_in_utc(zone):
    """As cron(8) has it, for which a star is no wall clock time. systemd leaves the repeated hour out, croniter errs."""
    rng = random.Random(f"{SEED} {zone} hourly")
    for change in moments(zone):
        questions = []
        for _ in range(ZONED):
            after = change[0] - rng.randint(1, 20000)
            questions.append((20, after, f"{field(rng, 0, 59, None, 0)} * * * *"))
        for (count, after, text), answer in zip(questions, ours(zone, questions)):
            assert answer == croniter_times(text, after, count), f"{text!r} after {after} in {zone} (seed {SEED})"


@pytest.mark.parametrize(
    "zone, after, text, expected",
    [
        # 2026-03-29: 2 o'clock is 3 o'clock in Berlin
        ("Europe/Berlin", "2026-03-28 12:00", "30 2 * * *", ["2026-03-29 03:00", "2026-03-30 02:30"]),
        ("Europe/Berlin", "2026-03-28 12:00", "*/20 2 * * *", ["2026-03-29 03:00", "2026-03-30 02:00"]),
        ("Europe/Berlin", "2026-03-29 01:59", "0 3 * * *", ["2026-03-29 03:00", "2026-03-30 03:00"]),
        # 2026-10-25: 3 o'clock is 2 o'clock; the first of the two
        ("Europe/Berlin", "2026-10-24 12:00", "30 2 * * *", ["2026-10-25 02:30", "2026-10-26 02:30"]),
        # Samoa had no 30 December 2011
        ("Pacific/Apia", "2011-12-29 12:00", "0 12 * * *", ["2011-12-31 00:00", "2011-12-31 12:00"]),
        ("Pacific/Apia", "2011-12-29 23:30", "0 * * * *", ["2011-12-31 00:00", "2011-12-31 01:00"]),
        # At midnight
        ("Africa/Cairo", "2024-04-25 12:00", "0 0 * * *", ["2024-04-26 01:00", "2024-04-27 00:00"]),
        ("Australia/Lord_Howe", "2024-10-05 12:00", "15 2 * * *", ["2024-10-06 02:30", "2024-10-07 02:15"]),
        # Twenty thousand days and more away
        ("America/New_York", "2097-01-01 00:00", "0 2 29 2 *", ["2104-02-29 02:00", "2108-02-29 02:00"]),
    ],
)
def test_the_wall_clock(zone, after, text, expected):
    info = zoneinfo.ZoneInfo(zone)
    begin = datetime.datetime.fromisoformat(after).replace(tzinfo=info).timestamp()
    (answer,) = ours(zone, [(len(expected), int(begin), text)])
    assert [datetime.datetime.fromtimestamp(time, info).strftime("%Y-%m-%d %H:%M") for time in answer] == expected
