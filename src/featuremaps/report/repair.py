"""A repair as a report shows it: groups before and after, the ways tried, and what the layers still tell."""

from featuremaps.repair.before_after import BeforeAfter, Changed
from featuremaps.repair.decodable import REPAIRABLE
from featuremaps.repair.groups import Groups
from featuremaps.repair.repair import Repair
from featuremaps.report.encode import Json, plain_fields
from featuremaps.survey.measures.proportions import Rate


def repair_json(repair: Repair) -> Json:
    """What came of a repair, in held-out pictures: the groups, the ways, and the probes of the layers."""
    best = repair.tried[0]
    told = max(repair.decodable, key=lambda each: each.area.value, default=None)
    return {
        "label": repair.label,
        "repaired": repair.repaired,
        "sentence": repair.outcome,
        "advice": repair.advice,
        "way": best.title,
        "groups": groups_json(repair.before, best.groups),
        "all": _change(repair.accuracy, best.accuracy),
        "ways": [
            _way("as it is", "", repair.worst_before, repair.accuracy),
            *(_way(each.title, each.settings, each.worst, each.accuracy) for each in repair.tried),
        ],
        "repairable": REPAIRABLE,
        "told": None if told is None else told.layer,
        "layers": [
            plain_fields({"layer": each.layer, "value": each.area.value, **each.area.interval._asdict()})
            for each in repair.decodable
        ],
    }


def groups_json(before: Groups, after: Groups) -> list[Json]:
    """Each group by its name with how often it is called right before and after; the one that fared worst is marked."""
    worst = min(before, key=lambda group: before[group].value)
    return [
        {
            "name": f"{label} {'with it' if has else 'without it'}",
            "worst": (label, has) == worst,
            **_change(before[label, has], after[label, has]),
        }
        for label, has in before
    ]


def changed_json(changed: BeforeAfter) -> list[Json]:
    """The same over all of a survey's pictures, every class and group, and all of them."""

    def row(name: str, each: Changed) -> Json:
        return {"name": name, "worst": False, **_change(each.before, each.after)}

    return [*(row(name, each) for name, each in changed.groups.items()), row("all", changed.every)]


def _way(title: str, settings: str, worst: Rate, every: Rate) -> Json:
    return {"title": title, "settings": settings, "worst": rate_json(worst), "all": rate_json(every)}


def _change(before: Rate, after: Rate) -> Json:
    return {"before": rate_json(before), "after": rate_json(after)}


def rate_json(rate: Rate) -> Json:
    """A share with its interval, and of how many; null where there are no pictures."""
    return plain_fields({"value": rate.value, **rate.interval()._asdict(), "of": rate.of})
