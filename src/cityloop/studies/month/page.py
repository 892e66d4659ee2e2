"""The certificate as a page to read and to print."""

from __future__ import annotations

from html import escape

import msgspec

from cityloop.studies import sheet
from cityloop.studies.month.services import CallsTest, WeighingsTest
from cityloop.studies.month.study import Certificate, SignalMonth
from cityloop.studies.report_parts import table

__all__ = ["certificate_page"]

_METHOD = (
    "Rates: the mean of each slot of the day, weekdays and weekends apart, learned on the first half; the interval's "
    "width from the next quarter (split conformal prediction); bias, error and coverage from the last quarter, which "
    "nothing was learned on. Shadow back-test: the same recorded arrivals in the same queues, served by the recorded "
    "greens and by the brain; the interval is over the sampled hours that may count. It is a model's answer about "
    "one signal alone: no spill-back, no neighbours, no changed behaviour. A proof of gain is a field trial: "
    "cityloop trial."
)


def certificate_page(found: Certificate) -> str:
    """Return the certificate as a self-contained page."""
    rows = [
        (
            kind, f"{found.kinds[kind]:,}", str(one.checked_days), f"{one.n:,}", _figure(one.bias), _figure(one.mae),
            _figure(one.mase), _share(one.coverage), _share(one.nominal), _verdict(one.n, one.calibrated),
        )
        for kind, one in found.rates.items()
    ]  # fmt: skip
    head = ("records", "rows", "days held out", "values", "bias", "mean error", "against last like day", "covered",
            "claimed", "verdict")  # fmt: skip
    parts = [
        sheet.notice("Before you use it", found.warnings),
        sheet.cards(
            [
                ("span", f"{found.days} days", f"{found.begin} to {found.end}"),
                ("whole days", f"{found.whole_days}", "without an hour that is silent"),
                ("set aside", f"{found.set_aside:,}", "rows that could not be used"),
            ]
        ),
        sheet.section("Calibration", table("How well rates are known, on days held out", head, rows)),
    ]
    if found.signals:
        told = map(_one, found.signals)
        parts.append(sheet.section("Signals: what the brain would have done", _shadow(found), *told))
    if found.calls is not None:
        parts.append(sheet.section("Calls: dispatch in shadow", _pairs(found.calls)))
    if found.weighings is not None:
        parts.append(sheet.section("Weighings: emptying in shadow", _pairs(found.weighings)))
    parts.append(sheet.section("Method", sheet.paragraph(_METHOD)))
    parts.append(
        sheet.section(
            "Inputs",
            table("Files", ("file", "SHA-256"), [(name, digest) for name, digest in found.inputs.items()], words=2),
            table("Rows set aside, the first of them", ("row",), [(one,) for one in found.examples], words=1)
            if found.examples
            else "",
        )
    )
    labels = ["SHADOW: NOTHING WAS CONTROLLED", f"seed {found.seed}"]
    foot = f"cityloop {found.cityloop_version}. A back-test is no proof of gain."
    eyebrow = "calibration certificate and shadow back-test"
    return sheet.page("A month of records", eyebrow, labels, "".join(parts), foot)


def _shadow(found: Certificate) -> str:
    rows = []
    for one in found.signals:
        test = one.shadow
        if test is None:
            rows.append((one.name, one.why_not, "", "", "", "", "no back-test"))
            continue
        interval = "" if test.low_s is None else f"{test.low_s:+.1f} to {test.high_s:+.1f}"
        rows.append(
            (one.name, f"{test.n} of {len(test.hours)}", _figure(test.recorded_s), _figure(test.brain_s),
             _figure(test.difference_s), interval, test.verdict)
        )  # fmt: skip
    head = ("signal", "hours that count", "recorded [s/veh]", "brain [s/veh]", "difference [s]", "95 % interval",
            "verdict")  # fmt: skip
    return table("Modelled delay of a vehicle, the same arrivals under both", head, rows)


def _one(signal: SignalMonth) -> str:
    stages = "; ".join("+".join(map(str, stage)) for stage in signal.plan.stages)
    rows = [
        (str(one.detector), f"{one.per_day:,.0f}", f"{one.stuck_h:.1f}", str(one.chatter_min),
         f"{one.longest_silence_h:.1f}", "fit" if one.fit else f"unfit: {one.why}")
        for one in signal.detectors
    ]  # fmt: skip
    head = ("detector", "actuations a day", "stuck [h]", "chatter [min]", "longest silence [h]", "verdict")
    unsure = [] if signal.shadow is None else [one for one in signal.shadow.hours if one.unsure]
    return (
        f"<h3>{escape(signal.name)}</h3>"
        + sheet.paragraph(
            f"Stages seen: {stages}. Yellow {signal.plan.yellow_s:g} s, all-red {signal.plan.all_red_s:g} s."
        )
        + table(f"Detectors of {signal.name}", head, rows)
        + (sheet.paragraph(f"Unsure: {len(unsure)} hour(s), such as: {unsure[0].unsure}.") if unsure else "")
    )


def _pairs(test: CallsTest | WeighingsTest) -> str:
    names = msgspec.structs.asdict(test)
    rows = [(name.replace("_", " "), _figure(value)) for name, value in names.items() if name != "unsure"]
    return table("Figures", ("figure", "value"), rows) + sheet.paragraph(f"Unsure: {names['unsure'] or 'nothing'}.")


def _figure(value: object) -> str:
    return "-" if value is None else f"{value:,.2f}" if isinstance(value, float) else f"{value}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _verdict(n: int, calibrated: bool) -> str:
    return "too few days" if n == 0 else "calibrated" if calibrated else "not calibrated"
